//! Follows the looks at a repository for one of its sources: what is new is loaded
//! and put into the snapshot.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::error::SourceError;
use super::load::{LoadedCommit, load};
use super::repository::SourceRepository;
use super::repository_worker::{FailedLook, Look, RepositoryWorker};
use super::snapshot_store::{ReadFrom, SnapshotStore};
use super::spec::SourceSpec;
use crate::plain_words::in_plain_words;
use driftwall_core::desired::Affected;
use driftwall_core::source_state::{SourceEvent, SourceState, UnreadableCommit};

/// One source of a repository.
#[derive(Debug)]
pub(super) struct SourceFollower {
    pub(super) source: SourceSpec,
    store: Arc<SnapshotStore>,
    /// The newest commit that was loaded, well or not.
    attempted: Mutex<Option<String>>,
    /// Held while a look is followed: one after another.
    progress: Mutex<Progress>,
    /// When the last look began that was followed to its end.
    followed: watch::Sender<Option<Instant>>,
    /// Ends a rendering that is under way.
    cancel: Arc<AtomicBool>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Debug, Default)]
struct Progress {
    /// How often loading the same commit has failed for reasons of the moment.
    failures: u32,
    /// The same commit is not loaded again before.
    retry_at: Option<Instant>,
}

/// The first wait before a commit is loaded again that failed for reasons of the moment; each further one is
/// twice as long, up to [`LONGEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_mins(5);

impl SourceFollower {
    pub(super) fn new(source: &SourceSpec, store: &Arc<SnapshotStore>) -> Self {
        let loaded = store.loaded(source);
        Self {
            source: source.clone(),
            store: Arc::clone(store),
            attempted: Mutex::new(loaded.map(|loaded| loaded.contents.source.commit.clone())),
            progress: Mutex::default(),
            followed: watch::Sender::default(),
            cancel: Arc::default(),
            task: Mutex::default(),
        }
    }

    /// Follows all looks of the repository from now on. Must be called on a runtime.
    pub(super) fn start(self: &Arc<Self>, worker: &Arc<RepositoryWorker>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            *task = Some(tokio::spawn(Arc::clone(self).run(Arc::clone(worker))).abort_handle());
        }
    }

    /// Ends what is under way: the configuration has this source no more.
    pub(super) fn stop(&self) {
        self.cancel.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    async fn run(self: Arc<Self>, worker: Arc<RepositoryWorker>) {
        let mut looks = worker.looks();
        let (follower, restoring) = (Arc::clone(&self), Arc::clone(&worker));
        // A panic is reported where it happens, and the next look is another chance.
        let _ = tokio::task::spawn_blocking(move || follower.restore(&restoring.repository)).await;
        loop {
            let look = looks.borrow_and_update().clone();
            if let Some(look) = look {
                if look.has(&self.source.wanted()) {
                    let (follower, worker, began) = (Arc::clone(&self), Arc::clone(&worker), look.began);
                    let _ = tokio::task::spawn_blocking(move || follower.follow(&worker.repository, &look)).await;
                    self.followed.send_replace(Some(began));
                } else {
                    // It was made for the sources that were there before this one.
                    worker.request_look(Instant::now());
                }
            }
            if looks.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until a look that began after `since` was followed to its end.
    pub(super) async fn wait_for_look(self: Arc<Self>, since: Instant) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.followed.subscribe().wait_for(|began| began.is_some_and(|began| began > since)).await;
    }

    /// Begins with what the mirror holds, before the server is asked: it may be
    /// away, or its newest commit broken.
    pub(super) fn restore(&self, repository: &SourceRepository) {
        let _progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if self.attempted().is_some() || self.store.state(&self.source).is_none_or(|state| state.contents.is_some()) {
            return;
        }
        let Some((commit, age)) = repository.mirrored_commit(&self.source) else { return };
        // A mirror that cannot be read is no news: the look that follows will say what is wrong.
        let Ok(loaded) = self.load(&commit) else { return repository.suspect() };
        let shown = age.map(tracing::field::debug);
        tracing::info!(source = %self.source.name, %commit, age = shown, "Commit read from the mirror");
        self.set_attempted(commit);
        // The store's clock begins with the program, and so does the age.
        let age = age.map(|age| age.saturating_sub(self.store.now()));
        self.set_loaded(loaded, ReadFrom::Mirror { age }, self.store.now());
    }

    /// Says that a look has found a newer commit, before that is loaded.
    pub(super) fn announce(&self, look: &Look) {
        if let Some(Ok(commit)) = look.commit(&self.source.wanted())
            && self.attempted().as_ref() != Some(commit)
        {
            self.store.record(&self.source, SourceEvent::Loading(commit.clone()), look.at);
        }
    }

    /// Loads the commit that the revision names, if it is another than before.
    pub(super) fn follow(&self, repository: &SourceRepository, look: &Look) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(state), Some(commit)) = (self.store.state(&self.source), look.commit(&self.source.wanted())) else {
            return;
        };
        let event = match commit {
            Err(FailedLook { error, failed }) => SourceEvent::Unreachable { error: error.clone(), failed: *failed },
            Ok(commit) if !self.is_to_load(commit, &state, &progress) => SourceEvent::Unchanged,
            Ok(commit) => {
                let is_new = self.attempted().as_ref() != Some(commit) || state.contents.is_none();
                if self.attempted().as_ref() != Some(commit) {
                    *progress = Progress::default();
                }
                let loaded = self.load(commit);
                self.set_attempted(commit.clone());
                match loaded {
                    Ok(loaded) => {
                        let (source, objects) = (&self.source.name, loaded.contents.len());
                        if is_new {
                            tracing::info!(%source, %commit, objects, "Commit read");
                        }
                        if loaded.charts_away.is_some() {
                            progress.count_failure();
                        }
                        repository.record_good_commit(&self.source, commit);
                        self.set_loaded(loaded, ReadFrom::Look { at: look.at }, look.at);
                        self.log_change(state.error());
                        return;
                    }
                    Err(error) => {
                        if matches!(error, SourceError::Git { .. }) {
                            repository.suspect();
                        }
                        progress.count_failure();
                        SourceEvent::Unreadable(unreadable(commit.clone(), &error))
                    }
                }
            }
        };
        if self.cancel.load(Ordering::SeqCst) {
            // The configuration has changed: what was cut short says nothing of the source.
            return;
        }
        self.store.record(&self.source, event, look.at);
        self.log_change(state.error());
    }

    fn is_to_load(&self, commit: &str, state: &SourceState, progress: &Progress) -> bool {
        if self.attempted().as_deref() != Some(commit) {
            return true;
        }
        state.is_to_retry() && progress.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    fn load(&self, commit: &str) -> Result<LoadedCommit, SourceError> {
        load(&self.source, commit, self.store.loaded(&self.source).as_deref(), &self.cancel)
    }

    fn set_loaded(&self, loaded: LoadedCommit, from: ReadFrom, at: Duration) {
        let charts_away = loaded.charts_away.clone();
        self.store.set_loaded(&self.source, Arc::new(loaded), from);
        if let Some(reason) = charts_away {
            self.store.record(&self.source, SourceEvent::ChartsAway(reason), at);
        }
    }

    fn attempted(&self) -> Option<String> {
        self.attempted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_attempted(&self, commit: String) {
        *self.attempted.lock().unwrap_or_else(PoisonError::into_inner) = Some(commit);
    }

    /// Logs an error when it appears or changes, not at every poll.
    fn log_change(&self, before: Option<&str>) {
        let source = &self.source.name;
        let state = self.store.state(&self.source);
        let charts_away = state.as_ref().and_then(|state| state.charts_away.as_deref());
        match state.as_ref().and_then(SourceState::error) {
            Some(error) if before != Some(error) && charts_away == Some(error) => {
                tracing::warn!(%source, %error, "Chart repository away, last version used");
            }
            Some(error) if before != Some(error) => tracing::error!(%source, %error, "Source not updated"),
            None if before.is_some() => tracing::info!(%source, "Source recovered"),
            _ => {}
        }
    }
}

impl Progress {
    fn count_failure(&mut self) {
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(8)).min(LONGEST_RETRY);
        self.failures += 1;
        self.retry_at = Some(Instant::now() + wait);
    }
}

fn unreadable(commit: String, error: &SourceError) -> UnreadableCommit {
    let affects = match error {
        SourceError::InvalidFiles { changed, .. } if !changed.is_empty() => Affected::Files(changed.clone()),
        // What the commit changes is not known: it may be any file.
        _ => Affected::All,
    };
    UnreadableCommit {
        commit,
        error: in_plain_words(&error.to_string()).into_owned(),
        affects,
        is_transient: error.is_transient(),
        failed: error.failed(),
    }
}
