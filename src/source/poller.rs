//! Polls the sources: each at its own interval, and at once when a write is
//! about to be denied by what was read earlier.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::error::SourceError;
use super::load::{LoadedCommit, load};
use super::revision::{latest_commit, mirrored_commit, record_good_commit};
use super::snapshot_store::{Restored, SnapshotStore};
use super::spec::SourceSpec;
use crate::jitter;
use driftwall_core::desired::Affected;
use driftwall_core::source_state::{SourceEvent, UnreadableCommit};

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
    /// When the last sync that has ended began.
    last_sync: watch::Sender<Option<Instant>>,
    wake: Notify,
    /// Ends fetches and renderings that are under way.
    cancel: Arc<AtomicBool>,
}

/// A server is asked at most this often, however many denials wait for it.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

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
                last_sync: watch::Sender::default(),
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

    /// Waits, at most `timeout`, for a sync of a source (all, for `None`) that began
    /// after `since`. All that wait share one.
    pub async fn refresh(&self, source: Option<&str>, since: Instant, timeout: Duration) {
        if self.tasks.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            // Nobody polls (the demo syncs by itself): there is no sync to wait for.
            return;
        }
        let mut waits = JoinSet::new();
        for worker in &self.workers {
            if source.is_none_or(|name| worker.source.name == name) {
                waits.spawn(Arc::clone(worker).wait_for_sync(since));
            }
        }
        // After the time-out nobody waits any more; the sync itself goes on.
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
            let began = Instant::now();
            let worker = Arc::clone(&self);
            let has_succeeded = tokio::task::spawn_blocking(move || worker.sync()).await;
            self.last_sync.send_replace(Some(began));
            failures = if matches!(has_succeeded, Ok(true)) { 0 } else { failures + 1 };
            let wait = interval.saturating_mul(1 << failures.min(8)).min(MAX_BACKOFF.max(interval));
            tokio::select! {
                // Up to a tenth more or less, so that the replicas do not all ask the server at once.
                () = tokio::time::sleep(jitter::between(wait.mul_f64(0.9), wait.mul_f64(1.1))) => {}
                () = self.wake.notified() => tokio::time::sleep_until((began + MIN_INTERVAL).into()).await,
            }
        }
    }

    /// Waits for the end of a sync that began after `since`.
    async fn wait_for_sync(self: Arc<Self>, since: Instant) {
        let mut last_sync = self.last_sync.subscribe();
        loop {
            if last_sync.borrow_and_update().is_some_and(|began| began > since) {
                return;
            }
            // A sync that is under way began before: another follows it. Where one began
            // after `since`, this asks for one more than is needed.
            self.wake.notify_one();
            // An error would mean that the sender is gone, and `self` holds it.
            let _ = last_sync.changed().await;
        }
    }

    /// Loads the commit that the revision names, if it is another than before;
    /// whether the source is in step afterwards.
    fn sync(&self) -> bool {
        let mut last_attempted = self.last_attempted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = self.store.state(&self.source) else { return true };
        if last_attempted.is_none() && state.contents.is_none() {
            self.restore(&mut last_attempted);
        }
        let is_known = |commit: &String| last_attempted.as_ref() == Some(commit) && !state.is_to_retry();
        let event = match latest_commit(&self.source, &self.cancel) {
            Err(error) => SourceEvent::Unreachable(error.to_string()),
            Ok(commit) if is_known(&commit) => SourceEvent::Unchanged,
            Ok(commit) => {
                self.store.record(&self.source, SourceEvent::Loading(commit.clone()));
                let loaded = self.load(&commit);
                *last_attempted = Some(commit.clone());
                match loaded {
                    Ok(loaded) => {
                        let (source, objects) = (&self.source.name, loaded.contents.len());
                        tracing::info!(%source, %commit, objects, "Commit read");
                        record_good_commit(&self.source, &commit);
                        self.store.set_loaded(&self.source, Arc::new(loaded), None);
                        self.log_change(state.error());
                        return true;
                    }
                    Err(error) => SourceEvent::Unreadable(unreadable(commit, &error)),
                }
            }
        };
        if self.cancel.load(Ordering::SeqCst) {
            // The configuration has changed: what was cut short says nothing of the source.
            return true;
        }
        let is_in_step = match &event {
            SourceEvent::Unreachable(_) => false,
            SourceEvent::Unreadable(commit) => !commit.is_transient,
            _ => true,
        };
        self.store.record(&self.source, event);
        self.log_change(state.error());
        is_in_step
    }

    fn load(&self, commit: &str) -> Result<LoadedCommit, SourceError> {
        load(&self.source, commit, self.store.loaded(&self.source).as_deref(), &self.cancel)
    }

    /// Begins with what the mirror holds, before the server is asked: it may be
    /// away, or its newest commit broken.
    fn restore(&self, last_attempted: &mut Option<String>) {
        let Some((commit, age)) = mirrored_commit(&self.source) else { return };
        // A mirror that cannot be read is no news: the sync that follows will say what is wrong.
        let Ok(loaded) = self.load(&commit) else { return };
        tracing::info!(source = %self.source.name, %commit, ?age, "Commit read from the mirror");
        *last_attempted = Some(commit);
        // The store's clock begins with the program, and so does the age.
        let age = age.map(|age| age.saturating_sub(self.store.now()));
        self.store.set_loaded(&self.source, Arc::new(loaded), Some(Restored { age }));
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
        self.store.state(&self.source)?.error().map(str::to_owned)
    }
}

fn unreadable(commit: String, error: &SourceError) -> UnreadableCommit {
    let affects = match error {
        SourceError::InvalidFiles { changed, .. } if !changed.is_empty() => Affected::Files(changed.clone()),
        // What the commit changes is not known: it may be any file.
        _ => Affected::All,
    };
    UnreadableCommit { commit, error: error.to_string(), affects, is_transient: error.is_transient() }
}
