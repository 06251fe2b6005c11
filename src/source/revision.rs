//! Which commit a source's revision names.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use git2::{Oid, Repository, RepositoryOpenFlags};

use super::error::SourceError;
use super::libgit2;
use super::spec::{ChartSource, SourceSpec};

/// The commit that a source's revision names now. A repository on a server is
/// fetched into its mirror first. Of a chart in a chart repository, it is the
/// version with its digest. Blocks; ends soon after `cancel` is set.
///
/// # Errors
///
/// The server cannot be reached, or there is no such revision.
pub fn latest_commit(source: &SourceSpec, cancel: &Arc<AtomicBool>) -> Result<String, SourceError> {
    if let Some(ChartSource { request, store }) = &source.chart {
        return Ok(store.resolve(request, cancel)?.to_string());
    }
    let Some(mirror) = source.mirror() else {
        return local_commit(source);
    };
    match mirror.sync(cancel) {
        Ok(commit) => Ok(commit.to_string()),
        Err(reason) => Err(SourceError::Fetch { url: mirror.address().to_string(), reason }),
    }
}

/// The newest commit of a source's mirror that could be read, else its newest, and
/// the age of the mirror, without asking the server; `None` where there is no mirror yet.
pub(super) fn mirrored_commit(source: &SourceSpec) -> Option<(String, Option<Duration>)> {
    if let Some(ChartSource { request, store }) = &source.chart {
        let resolved = store.good(&source.name, request).or_else(|| store.last_resolved(request))?;
        return Some((resolved.to_string(), store.age(request)));
    }
    let mirror = source.mirror()?;
    let commit = mirror.good_commit().or_else(|| mirror.mirrored_commit())?;
    Some((commit.to_string(), mirror.age()))
}

/// Remembers beside the mirror, if there is one, that a commit could be read.
pub(super) fn record_good_commit(source: &SourceSpec, commit: &str) {
    if let (Some(ChartSource { request, store }), Ok(resolved)) = (&source.chart, commit.parse()) {
        store.record_good(&source.name, request, &resolved);
    }
    if let (Some(mirror), Ok(commit)) = (source.mirror(), Oid::from_str(commit)) {
        mirror.record_good_commit(commit);
    }
}

/// The commit that a source's revision names in the repository on this machine.
///
/// # Errors
///
/// The repository cannot be opened, or has no such revision.
pub fn local_commit(source: &SourceSpec) -> Result<String, SourceError> {
    let git = open(source)?;
    let revision = &source.revision;
    match git.revparse_single(revision).and_then(|object| object.peel_to_commit()) {
        Ok(commit) => Ok(commit.id().to_string()),
        Err(reason) => {
            let action = format!("find the revision {revision} in {}", source.folder.display());
            Err(SourceError::Git { action, reason })
        }
    }
}

pub(super) fn open(source: &SourceSpec) -> Result<Repository, SourceError> {
    libgit2::init();
    Repository::open_ext(&source.folder, RepositoryOpenFlags::NO_SEARCH, [] as [&str; 0]).map_err(|reason| {
        SourceError::Git { action: format!("open the Git repository {}", source.folder.display()), reason }
    })
}
