//! What one source declares at one commit, file by file.

use std::sync::Arc;

use super::declared::Declared;
use super::error::DesiredError;
use super::opt_out;
use crate::diff::CustomResource;
use crate::manifest;

/// One source at one commit.
#[derive(Debug)]
pub struct SourceContents {
    /// The source and the commit.
    pub source: Source,
    pub(super) files: Vec<Arc<FileContents>>,
}

/// What one file declares. The next commit shares the files that it does not change.
#[derive(Debug, Default)]
pub struct FileContents {
    objects: Vec<Arc<Declared>>,
    pub(super) custom_resources: Vec<Arc<CustomResource>>,
    /// How many objects are not desired state: Helm's and Argo CD's hooks.
    pub hooks: usize,
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
        let mut contents = Self { objects: Vec::with_capacity(objects.len()), custom_resources: Vec::new(), hooks: 0 };
        for object in objects {
            if opt_out::is_hook(&object.value) {
                contents.hooks += 1;
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
}

// === impl SourceContents ===

impl SourceContents {
    /// A source with these files.
    pub fn new(source: Source, files: Vec<Arc<FileContents>>) -> Self {
        Self { source, files }
    }

    /// The same contents at another commit, which does not change them.
    #[must_use]
    pub fn at_commit(&self, source: Source) -> Self {
        Self { source, files: self.files.clone() }
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

    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<Declared>> {
        self.files.iter().flat_map(|file| &file.objects)
    }
}
