//! A repository, of which any number of sources are read: a folder on this machine,
//! the mirror of one on a server, or a chart in a chart repository.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use git2::Oid;

use super::error::SourceError;
use super::remote::{FetchError, Mirror};
use super::revision::{RevisionCommits, commit_in};
use super::spec::{ChartSource, RemoteRepository, SourceSpec};

/// A repository that sources are read of.
#[derive(Debug)]
pub(super) struct SourceRepository {
    /// What its sources have in common.
    folder: PathBuf,
    remote: Option<RemoteRepository>,
    /// The chart that they are, if they are not in Git.
    chart: Option<ChartSource>,
    /// `None` for a repository on this machine.
    mirror: Option<Mirror>,
}

impl SourceRepository {
    /// The repository of a source.
    pub(super) fn of(source: &SourceSpec) -> Self {
        let SourceSpec { folder, remote, chart, .. } = source.clone();
        let mirror = remote.as_ref().map(RemoteRepository::mirror);
        Self { folder, remote, chart, mirror }
    }

    /// Whether it is that of this source: the same address, credentials, folder and chart.
    pub(super) fn is_of(&self, source: &SourceSpec) -> bool {
        (&self.folder, &self.remote, &self.chart) == (&source.folder, &source.remote, &source.chart)
    }

    /// Its mirror; `None` for a repository on this machine.
    pub(super) fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()
    }

    /// The commits that these revisions name now. A server is asked once for all of
    /// them. Of a chart, it is the version with its digest. Blocks; ends soon after `cancel` is set.
    ///
    /// # Errors
    ///
    /// The repository cannot be reached. A revision that it does not have is an error of its own.
    pub(super) fn look(&self, revisions: &[String], cancel: &Arc<AtomicBool>) -> Result<RevisionCommits, SourceError> {
        if let Some(ChartSource { request, store }) = &self.chart {
            let resolved = store.resolve(request, cancel)?.to_string();
            return Ok(revisions.iter().map(|revision| (revision.clone(), Ok(resolved.clone()))).collect());
        }
        let Some(mirror) = &self.mirror else {
            let look = |revision: &String| (revision.clone(), commit_in(&self.folder, revision));
            return Ok(revisions.iter().map(look).collect());
        };
        let failed = |reason: FetchError| SourceError::Fetch { url: mirror.url().to_string(), reason };
        let commits = mirror.sync(revisions, cancel).map_err(failed)?;
        let named = |commit: Result<Oid, FetchError>| commit.map(|commit| commit.to_string()).map_err(failed);
        Ok(revisions.iter().cloned().zip(commits.into_iter().map(named)).collect())
    }

    /// The newest commit of a mirror that the source could read, else its newest, and
    /// how long ago the server was asked, without asking it; `None` where there is no mirror yet.
    pub(super) fn mirrored_commit(&self, source: &SourceSpec) -> Option<(String, Option<Duration>)> {
        if let Some(ChartSource { request, store }) = &self.chart {
            let resolved = store.good(&source.name, request).or_else(|| store.last_resolved(request))?;
            return Some((resolved.to_string(), store.age(request)));
        }
        let mirror = self.mirror.as_ref()?;
        mirror.repair();
        let SourceSpec { name, revision, .. } = source;
        let commit = mirror.good_commit(name, revision).or_else(|| mirror.mirrored_commit(revision))?;
        Some((commit.to_string(), mirror.age(revision)))
    }

    /// Remembers beside the mirror, if there is one, that a source could read a commit.
    pub(super) fn record_good_commit(&self, source: &SourceSpec, commit: &str) {
        if let (Some(ChartSource { request, store }), Ok(resolved)) = (&self.chart, commit.parse()) {
            store.record_good(&source.name, request, &resolved);
        }
        if let (Some(mirror), Ok(commit)) = (&self.mirror, Oid::from_str(commit)) {
            mirror.record_good_commit(&source.name, &source.revision, commit);
        }
    }

    /// A commit could not be read, which may be the mirror's fault.
    pub(super) fn suspect(&self) {
        if let Some(mirror) = &self.mirror {
            mirror.suspect();
        }
    }
}
