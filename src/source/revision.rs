//! Which commit a source's revision names.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use git2::{Repository, RepositoryOpenFlags};

use super::error::SourceError;
use super::libgit2;
use super::repository::{Looked, SourceRepository};
use super::spec::SourceSpec;

/// The commit that each revision named, or why it named none.
pub(super) type RevisionCommits = HashMap<String, Result<String, SourceError>>;

/// The commit that a source's revision names now. A repository on a server is
/// fetched into its mirror first. Of a chart in a chart repository, it is the
/// version with its digest. Blocks; ends soon after `cancel` is set.
///
/// # Errors
///
/// The server cannot be reached, or there is no such revision.
pub fn latest_commit(source: &SourceSpec, cancel: &Arc<AtomicBool>) -> Result<String, SourceError> {
    let Looked { mut commits, .. } = SourceRepository::of(source).look(&[source], cancel)?;
    commits.remove(&source.wanted()).unwrap_or_else(|| local_commit(source))
}

/// The commit that a source's revision names in the repository on this machine.
///
/// # Errors
///
/// The repository cannot be opened, or has no such revision.
pub fn local_commit(source: &SourceSpec) -> Result<String, SourceError> {
    commit_in(&source.folder, &source.revision)
}

/// The commit that a revision names in a repository on this machine.
pub(super) fn commit_in(folder: &Path, revision: &str) -> Result<String, SourceError> {
    let git = open(folder)?;
    match git.revparse_single(revision).and_then(|object| object.peel_to_commit()) {
        Ok(commit) => Ok(commit.id().to_string()),
        Err(reason) => {
            let action = format!("find the revision {revision} in {}", folder.display());
            Err(SourceError::Git { action, reason })
        }
    }
}

pub(super) fn open(folder: &Path) -> Result<Repository, SourceError> {
    libgit2::init();
    Repository::open_ext(folder, RepositoryOpenFlags::NO_SEARCH, [] as [&str; 0])
        .map_err(|reason| SourceError::Git { action: format!("open the Git repository {}", folder.display()), reason })
}
