//! Polls the sources: each at its own interval, and at once when a write is
//! about to be denied by what was read earlier.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::error::SourceError;
use super::load::{LoadedCommit, load};
use super::revision::{latest_commit, mirrored_commit};
use super::snapshot_store::{SnapshotStore, SyncResult};
use super::spec::SourceSpec;
use crate::jitter;

/// Keeps a [`SnapshotStore`] in step with its sources. Dropping it ends that.
#[derive(Debug)]
pub struct SourcePoller {
    workers: Vec<Arc<Worker>>,
    tasks: Mutex<JoinSet<()>>,
}

/// Polls one source.
#[derive(Debug)]
struct Worker {
    source: SourceSpec,
    store: Arc<SnapshotStore>,
    /// The newest commit that was read, good or broken.
    last_attempted: Mutex<Option<String>>,
    /// How many syncs have ended.
    completed_syncs: watch::Sender<u64>,
    /// Whether a sync is under way, or about to begin.
    sync_requested: AtomicBool,
    wake: Notify,
    /// Ends fetches and renderings that are under way.
    cancel: Arc<AtomicBool>,
}

/// A source that fails is tried at least this often.
const MAX_BACKOFF: Duration = Duration::from_mins(5);

impl SourcePoller {
    /// A poller of these sources, which become those of the store. Nothing is polled yet.
    pub fn new(store: &Arc<SnapshotStore>, sources: &[SourceSpec]) -> Self {
        store.set_sources(sources);
        let mut workers = Vec::new();
        for source in sources {
            let loaded = store.loaded(source);
            workers.push(Arc::new(Worker {
                source: source.clone(),
                store: Arc::clone(store),
                last_attempted: Mutex::new(loaded.map(|loaded| loaded.contents.source.commit.clone())),
                completed_syncs: watch::Sender::new(0),
                sync_requested: AtomicBool::new(false),
                wake: Notify::new(),
                cancel: Arc::default(),
            }));
        }
        Self { workers, tasks: Mutex::default() }
    }

    /// Syncs every source once. Blocks.
    pub fn sync_all(&self) {
        for worker in &self.workers {
            worker.sync();
        }
    }

    /// Polls every source at this interval from now on. Must be called on a runtime.
    pub fn start(&self, interval: Duration) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
        for worker in &self.workers {
            tasks.spawn(Arc::clone(worker).run(interval));
        }
    }

    /// Syncs a source (all, for `None`) now and waits for it, at most `timeout`.
    /// All that wait share one sync. One that has ended after `since` suffices.
    pub async fn refresh(&self, source: Option<&str>, since: Instant, timeout: Duration) {
        let mut waits = JoinSet::new();
        for worker in &self.workers {
            if source.is_none_or(|name| worker.source.name == name) {
                waits.spawn(Arc::clone(worker).wait_for_sync(since));
            }
        }
        // After the time-out the review is answered; the sync itself goes on.
        let _ = tokio::time::timeout(timeout, waits.join_all()).await;
    }
}

impl Drop for SourcePoller {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.cancel.store(true, Ordering::SeqCst);
        }
    }
}

impl Worker {
    async fn run(self: Arc<Self>, interval: Duration) {
        let mut failures = 0;
        loop {
            self.sync_requested.store(true, Ordering::SeqCst);
            let worker = Arc::clone(&self);
            let is_reached = tokio::task::spawn_blocking(move || worker.sync()).await;
            self.sync_requested.store(false, Ordering::SeqCst);
            self.completed_syncs.send_modify(|count| *count += 1);
            failures = if matches!(is_reached, Ok(true)) { 0 } else { failures + 1 };
            let wait = interval.saturating_mul(1 << failures.min(8)).min(MAX_BACKOFF.max(interval));
            tokio::select! {
                // Up to a tenth more or less, so that the replicas do not all ask the server at once.
                () = tokio::time::sleep(jitter::between(wait.mul_f64(0.9), wait.mul_f64(1.1))) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    /// Waits for a sync to end: the one that is under way, or one that begins now.
    async fn wait_for_sync(self: Arc<Self>, since: Instant) {
        let mut completed = self.completed_syncs.subscribe();
        let before = *completed.borrow_and_update();
        if !self.sync_requested.swap(true, Ordering::SeqCst) {
            // No sync is under way, perhaps because one has just ended.
            if self.store.last_synced(&self.source).is_some_and(|synced| synced > since) {
                self.sync_requested.store(false, Ordering::SeqCst);
                return;
            }
            self.wake.notify_one();
        }
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = completed.wait_for(|count| *count > before).await;
    }

    /// Loads the commit that the revision names, if it is another than before;
    /// whether the source was reached.
    fn sync(&self) -> bool {
        let mut last_attempted = self.last_attempted.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match latest_commit(&self.source, &self.cancel) {
            Err(error) => match self.load_mirrored(&mut last_attempted) {
                Some(loaded) => SyncResult::Mirrored(loaded, error),
                None => SyncResult::Unreachable(error),
            },
            Ok(commit) if last_attempted.as_ref() == Some(&commit) => SyncResult::Unchanged,
            Ok(commit) => {
                *last_attempted = Some(commit.clone());
                match self.load(&commit) {
                    Ok(loaded) => {
                        let (source, objects) = (&self.source.name, loaded.contents.len());
                        tracing::info!(%source, %commit, objects, "Commit read");
                        SyncResult::Loaded(Arc::new(loaded))
                    }
                    Err(error) => SyncResult::Broken(error),
                }
            }
        };
        let is_reached = !matches!(result, SyncResult::Unreachable(_) | SyncResult::Mirrored(..));
        let error_before = self.error();
        self.store.record(&self.source, result);
        self.log_change(error_before.as_deref());
        is_reached
    }

    fn load(&self, commit: &str) -> Result<LoadedCommit, SourceError> {
        load(&self.source, commit, self.store.loaded(&self.source).as_deref(), &self.cancel)
    }

    /// What the mirror holds, where nothing has been read yet: after a restart
    /// while the server is unreachable, driftwall continues from there.
    fn load_mirrored(&self, last_attempted: &mut Option<String>) -> Option<Arc<LoadedCommit>> {
        if last_attempted.is_some() {
            return None;
        }
        let commit = mirrored_commit(&self.source)?;
        let loaded = self.load(&commit).ok()?;
        tracing::warn!(source = %self.source.name, %commit, "Source unreachable, using its mirror");
        *last_attempted = Some(commit);
        Some(Arc::new(loaded))
    }

    /// Logs an error when it appears or changes, not at every poll.
    fn log_change(&self, before: Option<&str>) {
        let source = &self.source.name;
        match self.error() {
            Some(error) if before != Some(error.as_str()) => tracing::error!(%source, %error, "Source not updated"),
            None if before.is_some() => tracing::info!(%source, "Source recovered"),
            _ => {}
        }
    }

    fn error(&self) -> Option<String> {
        let status = self.store.statuses().into_iter().find(|status| status.name == self.source.name)?;
        status.error
    }
}
