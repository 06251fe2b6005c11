//! What a path holds: a kustomization, a Helm chart, or manifests.

use git2::{Oid, Repository};

use super::error::RenderError;
use super::tree::{CommitFiles, FileEntry};
use super::{helm, kustomization};

/// How a source's path is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RenderMode {
    /// As what it holds.
    #[default]
    Auto,
    /// As manifests, without rendering.
    Plain,
    /// As a kustomization.
    Kustomize,
    /// As a Helm chart.
    Helm,
}

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    /// A Helm chart.
    Helm,
    /// A kustomization.
    Kustomize,
    /// Manifests.
    Plain,
}

/// What `path` holds in the tree of a commit.
///
/// # Errors
///
/// libgit2 cannot read the commit, or the path leads out of it.
pub fn detect(git: &Repository, root_tree: Oid, path: &str) -> Result<SourceType, RenderError> {
    let files = CommitFiles::new(git, root_tree)?;
    match files.find(path)? {
        Some(folder) if folder.is_folder => detect_in(&files, &folder),
        _ => Ok(SourceType::Plain),
    }
}

/// What a folder with a file of this name holds; `None` where the name says nothing.
pub(in crate::source) fn type_by_file_name(name: &str) -> Option<SourceType> {
    match name {
        helm::CHART_FILE => Some(SourceType::Helm),
        name if kustomization::FILE_NAMES.contains(&name) => Some(SourceType::Kustomize),
        _ => None,
    }
}

/// What a folder holds.
pub(super) fn detect_in(files: &CommitFiles<'_>, folder: &FileEntry) -> Result<SourceType, RenderError> {
    if kustomization::file_in(files, &folder.path)?.is_some() {
        return Ok(SourceType::Kustomize);
    }
    match files.find_from(&folder.path, helm::CHART_FILE)? {
        Some(chart) if !chart.is_folder => Ok(SourceType::Helm),
        _ => Ok(SourceType::Plain),
    }
}
