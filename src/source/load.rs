//! Loads one commit of a repository: what its files declare. What is the same in
//! the commit before is not read or rendered again.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use git2::Oid;

use super::charts::{self, ChartError, ChartTree, FetchedDependency, ResolvedChart};
use super::error::SourceError;
use super::libgit2;
use super::manifest_tree::ManifestTree;
use super::render::{self, FetchedChart, RenderPlan, Rendered};
use super::revision;
use super::spec::{ChartSource, SourceSpec};
use driftwall_core::desired::{FileContents, SourceContents};
use driftwall_core::skipped::{SkipReason, SkippedContent};

/// A commit as it was loaded. The next commit shares what it does not change: a
/// folder or file of the same object id has the same content.
#[derive(Debug)]
pub struct LoadedCommit {
    /// What the commit declares.
    pub contents: Arc<SourceContents>,
    /// Why charts that it needs may not be the newest: their repository is away.
    pub charts_away: Option<String>,
    tree: Oid,
    from: LoadedFrom,
}

/// How a commit was loaded, and what the next one can share of it.
#[derive(Clone, Debug)]
enum LoadedFrom {
    /// Its manifests were read as they are.
    Manifests(ManifestTree),
    /// A program rendered it; the key identifies everything that the program was given.
    Rendered { key: String, files: Vec<Arc<FileContents>>, skipped: SkippedContent },
}

/// Loads all that a source declares at `commit`, sharing what is the same in
/// `previous`. Blocks; a program that renders is stopped soon after `cancel` is set.
///
/// # Errors
///
/// The commit, or one of its files, cannot be read or rendered.
pub fn load(
    source: &SourceSpec,
    commit: &str,
    previous: Option<&LoadedCommit>,
    cancel: &Arc<AtomicBool>,
) -> Result<LoadedCommit, SourceError> {
    let failed = |reason| SourceError::Git { action: format!("read commit {commit}"), reason };
    // The temporary repository of a chart lives until it is loaded.
    let chart = source.chart.as_ref().map(|chart| open_chart(chart, commit)).transpose()?;
    let repository;
    let (git, tree) = if let Some(chart) = &chart {
        (&chart.git, chart.git.find_tree(chart.tree).map_err(failed)?)
    } else {
        repository = revision::open(&source.folder)?;
        let id = Oid::from_str(commit).map_err(failed)?;
        (&repository, repository.find_commit(id).and_then(|commit| commit.tree()).map_err(failed)?)
    };
    let tree_id = tree.id();
    if let Some(same) = previous.filter(|previous| previous.tree == tree_id && previous.charts_away.is_none()) {
        // Another commit with the same files: a merge, or a change that was reverted.
        let contents = Arc::new(same.contents.at_commit(source.at_commit(commit)));
        return Ok(LoadedCommit { contents, charts_away: None, tree: tree_id, from: same.from.clone() });
    }
    let plan = match render::plan(git, tree_id, &source.path, &source.render) {
        Ok(plan) => plan,
        Err(reason) => return Err(SourceError::Render { commit: commit.to_owned(), reason }),
    };
    let mut charts_away = None;
    let from = if let Some(mut plan) = plan {
        match fetch_charts(source, &mut plan, cancel) {
            Ok(away) => charts_away = away,
            Err(reason) => return Err(SourceError::Render { commit: commit.to_owned(), reason: reason.into() }),
        }
        load_rendered(source, commit, &plan, previous, cancel)?
    } else {
        let previous = match previous.map(|previous| &previous.from) {
            Some(LoadedFrom::Manifests(tree)) => Some(tree),
            Some(LoadedFrom::Rendered { .. }) | None => None,
        };
        LoadedFrom::Manifests(ManifestTree::read(git, source, commit, tree_id, previous)?)
    };
    let contents = from.contents(source, commit);
    if previous.is_none_or(|previous| previous.contents.skipped != contents.skipped) {
        log_skipped(&source.name, commit, &contents.skipped);
    }
    Ok(LoadedCommit { contents: Arc::new(contents), charts_away, tree: tree_id, from })
}

impl LoadedFrom {
    fn contents(&self, source: &SourceSpec, commit: &str) -> SourceContents {
        let (files, mut skipped) = match self {
            Self::Manifests(tree) => (tree.files(), tree.skipped()),
            Self::Rendered { files, skipped, .. } => (files.clone(), skipped.clone()),
        };
        if files.iter().all(|file| file.is_empty()) {
            let path = if source.path.is_empty() { "." } else { source.path.as_str() };
            skipped.add(SkipReason::NothingDeclared, path, None);
        }
        SourceContents::new(source.at_commit(commit), files).with_skipped(&skipped)
    }
}

/// Logs what is not read, a line per reason, once until it changes.
fn log_skipped(source: &str, commit: &str, skipped: &SkippedContent) {
    for (reason, places) in skipped.iter() {
        let (count, first) = (places.count, places.names().join(", "));
        let (reason, advice) = (reason.as_str(), reason.message());
        tracing::warn!(%source, %commit, reason, count, places = %first, advice, "Content skipped");
    }
}

/// The files of a chart; `commit` is its version with its digest.
fn open_chart(ChartSource { request, store }: &ChartSource, commit: &str) -> Result<ChartTree, SourceError> {
    libgit2::init();
    let resolved: ResolvedChart = commit.parse().map_err(|reason: &str| ChartError::NotFound {
        chart: request.to_string(),
        url: request.repository.to_string(),
        reason: reason.to_owned(),
    })?;
    Ok(charts::unpack(store, &request.name, &resolved)?)
}

/// Gives a chart or kustomization the charts that it needs and that are not committed;
/// why some of them may not be the newest.
fn fetch_charts(
    source: &SourceSpec,
    plan: &mut RenderPlan<'_, '_>,
    cancel: &Arc<AtomicBool>,
) -> Result<Option<String>, ChartError> {
    // Without access, the program reports what is missing.
    let Some(access) = &source.chart_access else { return Ok(None) };
    let wanted = plan.wanted_charts().to_vec();
    let dependencies: Vec<_> = wanted.iter().map(|wanted| &wanted.dependency).collect();
    let mut reasons = Vec::new();
    for (wanted, fetched) in wanted.iter().zip(access.fetch(&dependencies, cancel)?) {
        if let Some(FetchedDependency { chart: ResolvedChart { digest, .. }, away }) = fetched {
            plan.add_chart(wanted, FetchedChart { digest, store: access.store.clone() });
            reasons.extend(away);
        }
    }
    let others = match reasons.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    Ok(reasons.into_iter().next().map(|first| first + &others))
}

/// What a program renders of a commit; what it rendered before, where nothing
/// that it is given has changed.
fn load_rendered(
    source: &SourceSpec,
    commit: &str,
    plan: &RenderPlan<'_, '_>,
    previous: Option<&LoadedCommit>,
    cancel: &AtomicBool,
) -> Result<LoadedFrom, SourceError> {
    let key = plan.key();
    if let Some(same @ LoadedFrom::Rendered { key: previous_key, .. }) = previous.map(|previous| &previous.from)
        && *previous_key == key
    {
        return Ok(same.clone());
    }
    let failed = |reason| SourceError::Render { commit: commit.to_owned(), reason };
    let rendered = plan.render(&source.name, cancel).map_err(failed)?;
    let skipped = plan.skipped().map_err(failed)?;
    log_rendered(&source.name, commit, &rendered);
    let mut files = Vec::new();
    for (file, objects) in rendered.files {
        match source.file_contents(&file, objects) {
            Ok(contents) => files.push(Arc::new(contents)),
            Err(error) => {
                let (errors, changed) = (vec![error.into()], Vec::new());
                return Err(SourceError::InvalidFiles { commit: commit.to_owned(), errors, changed });
            }
        }
    }
    Ok(LoadedFrom::Rendered { key, files, skipped })
}

fn log_rendered(source: &str, commit: &str, rendered: &Rendered) {
    let Rendered { by, opaque, warnings, duration, .. } = rendered;
    let opaque = opaque.len();
    tracing::info!(%source, %commit, file = %by.file, program = %by.program, ?duration, opaque, "Commit rendered");
    for warning in warnings {
        tracing::warn!(%source, %commit, %warning, "Rendered object ignored");
    }
}
