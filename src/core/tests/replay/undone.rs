//! What a tool undid of people's edits, held against what the answer to the edit had named.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use driftwall_core::diff::{Allocations, Path, differences, unknown_schema};
use serde_json::Value;

use super::Step;

/// People's edits, and what was undone of them.
#[derive(Default)]
pub(crate) struct Edits {
    /// In the order in which they came.
    rows: Vec<Row>,
    /// Those that nobody has undone yet, by the object's key.
    open: HashMap<String, Vec<Edit>>,
    /// Whether the tool is Flux.
    erases_what_kubectl_owns: bool,
}

/// One edit, and what came of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) step: String,
    pub(crate) what: String,
    pub(crate) answer: &'static str,
    pub(crate) named: Vec<String>,
    /// Fields that a tool brought back afterwards, each as the tool wrote it.
    pub(crate) corrected: BTreeSet<String>,
    /// Those of them that the answer had not named.
    pub(crate) unnamed: BTreeSet<String>,
}

struct Edit {
    row: usize,
    /// Fields that it changes; none for a deletion.
    changed: Vec<Path>,
    named: Vec<Path>,
    is_deletion: bool,
    is_denied: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, what, answer, named, corrected, .. } = self;
        let shown = |texts: &mut dyn Iterator<Item = &String>| texts.map(String::as_str).collect::<Vec<_>>().join(", ");
        let (named, corrected) = (shown(&mut named.iter()), shown(&mut corrected.iter()));
        write!(f, "{step}\t{what}\t{answer}\t{named}\t{corrected}")
    }
}

impl Edits {
    pub(crate) fn of(tool: &str) -> Self {
        Self { erases_what_kubectl_owns: tool == "flux", ..Self::default() }
    }

    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.rows
    }

    /// Somebody's write.
    pub(crate) fn add(&mut self, key: &str, request: &Value, step: &Step) {
        if asks_to_look_again(request) && step.answer == "allow" {
            return;
        }
        let row = self.rows.len();
        self.rows.push(Row {
            step: step.name.clone(),
            what: step.what.clone(),
            answer: step.answer,
            named: step.fields.clone(),
            corrected: BTreeSet::new(),
            unnamed: BTreeSet::new(),
        });
        let edit = Edit {
            row,
            changed: changed_fields(request),
            named: step.paths.clone(),
            is_deletion: request["operation"] == "DELETE",
            is_denied: step.answer == "deny",
        };
        self.open.entry(key.to_owned()).or_default().push(edit);
    }

    /// A tool's write: what of it undoes an edit.
    pub(crate) fn undo(&mut self, key: &str, request: &Value) {
        let Self { rows, open, erases_what_kubectl_owns } = self;
        let Some(edits) = open.get_mut(key) else { return };
        if request["operation"] == "CREATE" {
            for edit in edits.drain(..).filter(|edit| edit.is_deletion) {
                rows[edit.row].corrected.insert("the object".to_owned());
                if !edit.is_denied {
                    rows[edit.row].unnamed.insert("the object".to_owned());
                }
            }
            return;
        }
        for path in changed_fields(request) {
            for edit in edits.iter_mut() {
                let before = edit.changed.len();
                edit.changed.retain(|changed| !changed.overlaps(&path));
                if edit.changed.len() == before {
                    continue;
                }
                rows[edit.row].corrected.insert(path.to_string());
                if !edit.named.iter().any(|named| named.overlaps(&path))
                    && !is_left_open(&path, *erases_what_kubectl_owns)
                {
                    rows[edit.row].unnamed.insert(path.to_string());
                }
            }
        }
    }
}

/// How people ask the tools to look again at once, which the tools then take away.
const REQUESTS: [&str; 3] =
    ["argocd.argoproj.io/hydrate", "argocd.argoproj.io/refresh", "reconcile.fluxcd.io/requestedAt"];

fn asks_to_look_again(request: &Value) -> bool {
    let asked = |object: &str| REQUESTS.map(|key| request[object]["metadata"]["annotations"].get(key).cloned());
    request["operation"] == "UPDATE" && asked("object") != asked("oldObject") && changed_fields(request).is_empty()
}

/// Labels, annotations and finalizers that Git does not declare, and restarts, are nobody's drift, though Flux
/// takes away all that kubectl owns. Argo CD leaves them alone, but for the finalizers of what it deletes.
fn is_left_open(path: &Path, erases_what_kubectl_owns: bool) -> bool {
    if !erases_what_kubectl_owns {
        return path.starts_with(&["metadata", "finalizers"]);
    }
    path.starts_with(&["metadata"]) || path.starts_with(&["spec", "template", "metadata", "annotations"])
}

/// The fields that an UPDATE changes, but for bookkeeping.
fn changed_fields(request: &Value) -> Vec<Path> {
    if request["operation"] != "UPDATE" {
        return Vec::new();
    }
    let [old, new] = ["oldObject", "object"].map(|name| kept(&request[name]));
    let all = differences(None, Some(&old), Some(&new), unknown_schema(), &Path::default(), Allocations::Writer);
    all.into_iter().map(|difference| difference.path).collect()
}

fn kept(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        fields.remove("operation");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| matches!(name.as_str(), "annotations" | "finalizers" | "labels"));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            annotations.remove("deployment.kubernetes.io/revision");
            for key in REQUESTS {
                annotations.remove(key);
            }
        }
        // With a map on both sides, each of its keys differs by itself.
        for map in ["annotations", "labels"] {
            metadata.entry(map).or_insert_with(|| serde_json::json!({}));
        }
    }
    object
}
