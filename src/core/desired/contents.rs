//! What one source declares at one commit, file by file.

use std::sync::Arc;

use super::declared::Declared;
use super::error::DesiredError;
use super::placeholder;
use crate::actor::GitopsTool;
use crate::diff::CustomResource;
use crate::manifest;
use crate::skipped::{SkipReason, SkippedContent};

/// One source at one commit.
#[derive(Debug)]
pub struct SourceContents {
    /// The source and the commit.
    pub source: Source,
    /// What of it is not read.
    pub skipped: SkippedContent,
    pub(super) files: Vec<Arc<FileContents>>,
}

/// What one file declares. The next commit shares the files that it does not change.
#[derive(Debug, Default)]
pub struct FileContents {
    objects: Vec<Arc<Declared>>,
    pub(super) custom_resources: Vec<Arc<CustomResource>>,
    /// How many objects are not desired state: Helm's and Argo CD's hooks.
    pub hooks: usize,
    /// What of it is not read.
    pub skipped: SkippedContent,
}

/// A source at a commit, as messages name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The name in the configuration.
    pub name: String,
    /// The address of the repository, as people open it.
    pub repo: String,
    /// The branch, tag or commit that is configured.
    pub revision: String,
    /// The full hash of the commit; of a chart, its version and digest: `1.2.3@sha256:…`.
    pub commit: String,
    /// The name of the chart that the source is; `None` for a Git repository.
    pub chart: Option<String>,
    /// Where two sources declare the same object, the one of higher priority counts.
    pub priority: i32,
    /// The GitOps tool of which only is known what it applied; `None` where the source itself is read.
    pub applied_by: Option<AppliedBy>,
}

/// A GitOps tool that applied what a source declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedBy {
    /// The application, as people name it: `application shop`, `Kustomization flux-system/apps`.
    pub application: String,
    /// The names by which rules name it: its own, the same with its namespace, that of its project.
    pub names: Vec<String>,
    /// The tool.
    pub tool: GitopsTool,
    /// What was applied, as people write it; empty where that is not known.
    pub revision: String,
}

// === impl Source ===

impl Source {
    /// The commit as people write it: its first seven digits; of a chart, its version.
    pub fn short_commit(&self) -> &str {
        short_commit(&self.commit)
    }
}

/// See [`Source::short_commit`].
pub fn short_commit(commit: &str) -> &str {
    match commit.split_once("@sha256:") {
        Some((version, _)) => version,
        None => commit.get(..7).unwrap_or(commit),
    }
}

// === impl FileContents ===

impl FileContents {
    /// The contents of a file with these objects. `namespace` is the one of
    /// namespaced manifests that name none.
    pub fn new(file: &Arc<str>, namespace: Option<&str>, objects: Vec<manifest::Object>) -> Result<Self, DesiredError> {
        let mut contents = Self { objects: Vec::with_capacity(objects.len()), ..Self::default() };
        for object in objects {
            if manifest::is_hook(&object.value) {
                contents.hooks += 1;
                continue;
            }
            if placeholder::is_in_key(&object) {
                let line = object.positions.find(&object.value, &[]).map(|position| position.line);
                contents.skipped.add(SkipReason::PlaceholderInName, file, line);
                continue;
            }
            if object.kind == "CustomResourceDefinition" {
                let crd = CustomResource::from_crd(&object.value).map_err(|reason| DesiredError::Crd {
                    file: file.to_string(),
                    name: object.name.clone(),
                    reason,
                })?;
                contents.custom_resources.push(Arc::new(crd));
            }
            contents.objects.push(Arc::new(Declared::new(file.clone(), namespace, object)));
        }
        Ok(contents)
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.objects.iter().map(|object| object.bytes()).sum::<usize>()
    }

    /// Whether the file declares nothing.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The same, with what is not read besides.
    #[must_use]
    pub fn with_skipped(mut self, skipped: &SkippedContent) -> Self {
        self.skipped.merge(skipped);
        self
    }
}

// === impl SourceContents ===

impl SourceContents {
    /// A source with these files.
    pub fn new(source: Source, files: Vec<Arc<FileContents>>) -> Self {
        let mut skipped = SkippedContent::default();
        for file in &files {
            skipped.merge(&file.skipped);
        }
        Self { source, skipped, files }
    }

    /// The same, with what is not read besides.
    #[must_use]
    pub fn with_skipped(mut self, skipped: &SkippedContent) -> Self {
        self.skipped.merge(skipped);
        self
    }

    /// The same contents at another commit, which does not change them.
    #[must_use]
    pub fn at_commit(&self, source: Source) -> Self {
        Self { source, skipped: self.skipped.clone(), files: self.files.clone() }
    }

    /// The files that declare something.
    pub fn paths(&self) -> impl Iterator<Item = Arc<str>> {
        self.files.iter().filter_map(|file| file.objects.first()).map(|declared| declared.file())
    }

    /// How many objects the source declares.
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.objects.len()).sum()
    }

    /// Whether the source declares nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = &Arc<Declared>> {
        self.files.iter().flat_map(|file| &file.objects)
    }
}
