//! The rows of `tests/data/situations`, as they are written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::harness::evaluator::Evaluated;
use driftwall_core::policy::Outcome;

const FOLDER: &str = "tests/data/situations";

/// One file: rows about one subject, which share what Git declares.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    #[serde(skip)]
    pub(super) file: String,
    pub(super) title: String,
    /// Manifests in Git, as YAML documents.
    #[serde(default)]
    pub(super) git: String,
    /// Objects in the cluster that Git does not declare, as YAML documents.
    #[serde(default)]
    pub(super) cluster: String,
    #[serde(default)]
    pub(super) presets: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A situation: writes that get one answer.
#[derive(Deserialize)]
pub(super) struct Row {
    /// What is done, and by whom.
    pub(super) write: String,
    pub(super) answer: Answer,
    pub(super) why: String,
    /// Public reports of people who met it: `OWNER/REPOSITORY#NUMBER`, or an address.
    #[serde(default)]
    pub(super) reports: Vec<String>,
    #[serde(default)]
    pub(super) verdict: Option<String>,
    /// Fields that must be named.
    #[serde(default)]
    fields: Vec<String>,
    /// More manifests in Git.
    #[serde(default)]
    pub(super) git: String,
    /// A repository in place of the manifests: files, links and where they lead, the path of the source in it.
    #[serde(default)]
    pub(super) files: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) links: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) path: String,
    /// API versions that a chart is rendered for.
    #[serde(default, rename = "apiVersions")]
    pub(super) api_versions: Vec<String>,
    /// More objects in the cluster that Git does not declare.
    #[serde(default)]
    pub(super) cluster: String,
    #[serde(default)]
    pub(super) presets: Vec<String>,
    /// More of the configuration, as YAML.
    #[serde(default)]
    pub(super) config: String,
    /// Whether the source has `substitute`.
    #[serde(default)]
    pub(super) substitute: bool,
    /// Whether a `BreakGlass` covers alice's writes.
    #[serde(default, rename = "breakGlass")]
    pub(super) break_glass: bool,
    #[serde(flatten)]
    pub(super) change: Change,
    /// Writes that get the same answer, each with what it has other than the row.
    #[serde(default)]
    pub(super) each: Vec<Change>,
}

/// A write: an object, and what it was and becomes.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    /// `KIND/NAME`, or `KIND.GROUP/NAME`.
    pub(super) object: Option<String>,
    /// A user, or `NAMESPACE/NAME` of a service account.
    pub(super) by: Option<String>,
    pub(super) operation: Option<Operation>,
    pub(super) subresource: Option<String>,
    /// The resource, where it is not the kind in lower case with an `s`.
    pub(super) plural: Option<String>,
    /// What the object has other than the manifest: JSON pointers and values; `null` takes away.
    pub(super) old: BTreeMap<String, Value>,
    /// What the write changes of it.
    pub(super) new: BTreeMap<String, Value>,
    /// What another admission webhook adds to that, which nobody owns.
    pub(super) admission: BTreeMap<String, Value>,
    /// Whether the object says that the writer owns what it has.
    pub(super) managed: bool,
    /// What the write brings instead, to a subresource of another kind.
    pub(super) body: Option<Value>,
    /// The replicas that a write to `scale` sets.
    pub(super) scale: Option<u32>,
    #[serde(rename = "dryRun")]
    pub(super) dry_run: bool,
    /// Keys that there are not.
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    Allow,
    Warn,
    Deny,
}

impl Page {
    /// All files, in the order of their names.
    pub(super) fn read_all() -> Vec<Self> {
        let mut files: Vec<_> = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty());
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let page: Self = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for change in page.rows.iter().flat_map(|row| row.each.iter().chain([&row.change])) {
            assert!(change.unknown.is_empty(), "{}: there are no such keys: {:?}", file.display(), change.unknown);
        }
        Self { file: file.file_name().unwrap().to_string_lossy().into_owned(), ..page }
    }
}

impl Row {
    /// The writes of the row.
    pub(super) fn changes(&self) -> Vec<Change> {
        if self.each.is_empty() {
            return vec![self.change.clone()];
        }
        self.each.iter().map(|change| self.change.with(change)).collect()
    }

    pub(super) fn is_as_expected(&self, got: &Evaluated) -> bool {
        let is_named = |wanted: &String| got.fields.iter().any(|field| field.starts_with(wanted.as_str()));
        got.outcome == self.answer.outcome()
            && self.verdict.as_ref().is_none_or(|verdict| got.verdict.as_str() == verdict)
            && self.fields.iter().all(is_named)
    }
}

impl Change {
    /// This change with what the other one says.
    fn with(&self, other: &Self) -> Self {
        let other = other.clone();
        let edits = |mut own: BTreeMap<String, Value>, other| {
            own.extend(other);
            own
        };
        let own = self.clone();
        Self {
            object: other.object.or(own.object),
            by: other.by.or(own.by),
            operation: other.operation.or(own.operation),
            subresource: other.subresource.or(own.subresource),
            plural: other.plural.or(own.plural),
            old: edits(own.old, other.old),
            new: edits(own.new, other.new),
            admission: edits(own.admission, other.admission),
            managed: other.managed || own.managed,
            body: other.body.or(own.body),
            scale: other.scale.or(own.scale),
            dry_run: other.dry_run || own.dry_run,
            unknown: BTreeMap::new(),
        }
    }
}

impl Answer {
    pub(super) fn as_str(self) -> &'static str {
        self.outcome().as_str()
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Warn => "warned",
            Self::Deny => "**denied**",
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Allow => Outcome::Allow,
            Self::Warn => Outcome::Warn,
            Self::Deny => Outcome::Deny,
        }
    }
}
