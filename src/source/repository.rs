//! A repository, of which any number of sources are read: a folder on this machine,
//! the mirror of one on a server, or a repository of charts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use git2::Oid;

use super::charts::{ChartRepository, ChartRequest, ChartStore, ResolvedChart};
use super::error::SourceError;
use super::remote::{Credentials, FetchError, Mirror};
use super::revision::{RevisionCommits, commit_in};
use super::spec::{ChartSource, RemoteRepository, SourceSpec};

/// A repository that sources are read of.
#[derive(Debug)]
pub(super) struct SourceRepository {
    /// What its sources have in common.
    folder: PathBuf,
    remote: Option<RemoteRepository>,
    /// The charts that they are, if they are not in Git.
    charts: Option<ChartsOfRepository>,
    /// `None` for a repository on this machine.
    mirror: Option<Mirror>,
}

/// What chart sources have in common that are asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ChartsOfRepository {
    repository: ChartRepository,
    credentials: Credentials,
    store: ChartStore,
    /// In a registry, each chart has a list of versions of its own.
    name: Option<String>,
}

impl ChartsOfRepository {
    fn of(ChartSource { request, store }: &ChartSource) -> Self {
        let ChartRequest { repository, name, credentials, .. } = request.clone();
        let name = match &repository {
            ChartRepository::Http(_) => None,
            ChartRepository::Oci(_) => Some(name),
        };
        Self { repository, credentials, store: store.clone(), name }
    }
}

/// What a look found.
pub(super) struct Looked {
    pub(super) commits: RevisionCommits,
    /// Whether the repository was reached.
    pub(super) has_reached: bool,
}

impl SourceRepository {
    /// The repository of a source.
    pub(super) fn of(source: &SourceSpec) -> Self {
        let SourceSpec { folder, remote, chart, .. } = source.clone();
        let mirror = remote.as_ref().map(RemoteRepository::mirror);
        Self { folder, remote, charts: chart.as_ref().map(ChartsOfRepository::of), mirror }
    }

    /// Whether it is that of this source: the same address, credentials and folder.
    pub(super) fn is_of(&self, source: &SourceSpec) -> bool {
        let charts = source.chart.as_ref().map(ChartsOfRepository::of);
        (&self.folder, &self.remote, &self.charts) == (&source.folder, &source.remote, &charts)
    }

    /// Its mirror; `None` for a repository on this machine.
    pub(super) fn mirror(&self) -> Option<&Mirror> {
        self.mirror.as_ref()
    }

    /// The commits that the revisions of these sources of it name now, by what each wants. A server is asked once
    /// for all of them. Of a chart, it is the version with its digest. Blocks; ends soon after `cancel` is set.
    ///
    /// # Errors
    ///
    /// The repository cannot be reached. A revision that it does not have is an error of its own.
    pub(super) fn look(&self, sources: &[&SourceSpec], cancel: &Arc<AtomicBool>) -> Result<Looked, SourceError> {
        if let Some(ChartsOfRepository { store, .. }) = &self.charts {
            return Ok(look_at_charts(store, sources, cancel));
        }
        let revisions: BTreeSet<_> = sources.iter().map(|source| source.revision.clone()).collect();
        let revisions: Vec<_> = revisions.into_iter().collect();
        let Some(mirror) = &self.mirror else {
            let look = |revision: &String| (revision.clone(), commit_in(&self.folder, revision));
            return Ok(Looked { commits: revisions.iter().map(look).collect(), has_reached: true });
        };
        let failed = |reason: FetchError| SourceError::Fetch { url: mirror.url().to_string(), reason };
        let commits = mirror.sync(&revisions, cancel).map_err(failed)?;
        let named = |commit: Result<Oid, FetchError>| commit.map(|commit| commit.to_string()).map_err(failed);
        let commits = revisions.iter().cloned().zip(commits.into_iter().map(named)).collect();
        Ok(Looked { commits, has_reached: true })
    }

    /// The newest commit of a mirror that the source could read, else its newest, and
    /// how long ago the server was asked, without asking it; `None` where there is no mirror yet.
    pub(super) fn mirrored_commit(&self, source: &SourceSpec) -> Option<(String, Option<Duration>)> {
        if let Some(ChartSource { request, store }) = &source.chart {
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
        if let (Some(ChartSource { request, store }), Ok(resolved)) = (&source.chart, commit.parse()) {
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

/// What the ranges of chart sources mean now.
fn look_at_charts(store: &ChartStore, sources: &[&SourceSpec], cancel: &Arc<AtomicBool>) -> Looked {
    let mut requests: Vec<ChartRequest> = Vec::new();
    for ChartSource { request, .. } in sources.iter().filter_map(|source| source.chart.as_ref()) {
        if !requests.contains(request) {
            requests.push(request.clone());
        }
    }
    let resolved = store.resolve_all(&requests, cancel);
    // A version that is written out in full is not asked for again, and says nothing of the server.
    let mut answers = requests.iter().zip(&resolved);
    let has_reached = resolved.iter().all(Result::is_ok)
        || answers.any(|(request, resolved)| resolved.is_ok() && request.range.exact().is_none());
    let named = |resolved: Result<ResolvedChart, _>| match resolved {
        Ok(resolved) => Ok(resolved.to_string()),
        Err(error) => Err(SourceError::from(error)),
    };
    let commits = requests.iter().map(ToString::to_string).zip(resolved.into_iter().map(named)).collect();
    Looked { commits, has_reached }
}
