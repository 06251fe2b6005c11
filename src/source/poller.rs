//! Polls the repositories: one look at each, however many sources are read of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::follower::SourceFollower;
use super::remote::remove_unused;
use super::repository::SourceRepository;
use super::repository_worker::RepositoryWorker;
use super::snapshot_store::SnapshotStore;
use super::spec::SourceSpec;

/// Keeps a [`SnapshotStore`] in step with its sources. Dropping it ends that.
#[derive(Debug)]
pub struct SourcePoller {
    store: Arc<SnapshotStore>,
    repositories: Mutex<Vec<PolledRepository>>,
    /// How often each repository is polled; `None` until that is started.
    interval: Mutex<Option<watch::Sender<Duration>>>,
}

#[derive(Debug)]
struct PolledRepository {
    worker: Arc<RepositoryWorker>,
    task: Option<AbortHandle>,
}

/// What the mirror of a repository takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorStatus {
    /// The repository as messages name it, without credentials.
    pub repo: String,
    /// The bytes of its mirror on the disk.
    pub bytes: u64,
}

impl SourcePoller {
    /// A poller of these sources, which become those of the store. Nothing is polled yet.
    pub fn new(store: &Arc<SnapshotStore>, sources: &[SourceSpec]) -> Self {
        let poller = Self { store: Arc::clone(store), repositories: Mutex::default(), interval: Mutex::default() };
        poller.set_sources(sources);
        poller
    }

    /// Polls these sources from now on, which become those of the store. What is
    /// under way for a repository or source that was there before goes on. Must be
    /// called on a runtime after [`Self::start`].
    pub fn set_sources(&self, sources: &[SourceSpec]) {
        self.store.set_sources(sources);
        let mut repositories = self.repositories();
        let mut before = std::mem::take(&mut *repositories);
        for source in sources {
            if repositories.iter().any(|polled| polled.worker.repository.is_of(source)) {
                continue;
            }
            let known = before.iter().position(|polled| polled.worker.repository.is_of(source));
            let polled = match known {
                Some(index) => before.swap_remove(index),
                None => PolledRepository {
                    worker: Arc::new(RepositoryWorker::new(SourceRepository::of(source), &self.store)),
                    task: None,
                },
            };
            self.set_followers(&polled.worker, sources);
            repositories.push(polled);
        }
        // Those that are left have no source any more; dropping them ends their work.
        drop(before);
        self.start_tasks(&mut repositories);
    }

    /// Gives a repository those of all sources that are its own.
    fn set_followers(&self, worker: &RepositoryWorker, sources: &[SourceSpec]) {
        let before = worker.followers();
        let mut followers = Vec::new();
        for source in sources.iter().filter(|source| worker.repository.is_of(source)) {
            let known = before.iter().find(|follower| follower.source == *source);
            let new = || Arc::new(SourceFollower::new(source, &self.store));
            followers.push(known.cloned().unwrap_or_else(new));
        }
        for gone in before.iter().filter(|before| !followers.iter().any(|follower| Arc::ptr_eq(follower, before))) {
            gone.stop();
        }
        worker.set_followers(followers);
    }

    /// Syncs every source once. Blocks.
    pub fn sync_all(&self) {
        let workers: Vec<_> = self.repositories().iter().map(|polled| Arc::clone(&polled.worker)).collect();
        for worker in workers {
            worker.sync();
        }
    }

    /// Polls every repository at this interval from now on. Must be called on a runtime.
    pub fn start(&self, interval: Duration) {
        {
            let mut current = self.interval.lock().unwrap_or_else(PoisonError::into_inner);
            match &*current {
                Some(current) => drop(current.send_replace(interval)),
                None => *current = Some(watch::Sender::new(interval)),
            }
        }
        self.start_tasks(&mut self.repositories());
        let mut used = Vec::new();
        for PolledRepository { worker, .. } in &*self.repositories() {
            used.extend(worker.repository.mirror().map(|mirror| mirror.folder().to_owned()));
        }
        tokio::task::spawn_blocking(move || remove_unused(&used));
    }

    fn start_tasks(&self, repositories: &mut [PolledRepository]) {
        let interval = self.interval.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(interval) = &*interval else { return };
        for PolledRepository { worker, task } in repositories {
            for follower in worker.followers() {
                follower.start(worker);
            }
            if task.is_none() {
                *task = Some(tokio::spawn(Arc::clone(worker).run(interval.subscribe())).abort_handle());
            }
        }
    }

    /// Waits, at most `timeout`, for a look at the repository of a source (at all, for
    /// `None`) that began after `since`, and until the source has followed it. All that wait share one.
    pub async fn refresh(&self, source: Option<&str>, since: Instant, timeout: Duration) {
        if self.interval.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            // Nobody polls (the demo syncs by itself): there is no look to wait for.
            return;
        }
        let mut waits = JoinSet::new();
        for PolledRepository { worker, .. } in &*self.repositories() {
            for follower in worker.followers() {
                if source.is_none_or(|name| follower.source.name == name) {
                    worker.request_look(since);
                    waits.spawn(follower.wait_for_look(since));
                }
            }
        }
        // After the time-out nobody waits any more; the look itself goes on.
        let _ = tokio::time::timeout(timeout, waits.join_all()).await;
    }

    /// What each repository's mirror takes on the disk. Repositories on this machine have none.
    pub fn mirrors(&self) -> Vec<MirrorStatus> {
        let repositories = self.repositories();
        let mirrors = repositories.iter().filter_map(|polled| polled.worker.repository.mirror());
        mirrors.map(|mirror| MirrorStatus { repo: mirror.url().to_string(), bytes: mirror.bytes() }).collect()
    }

    fn repositories(&self) -> MutexGuard<'_, Vec<PolledRepository>> {
        self.repositories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PolledRepository {
    fn drop(&mut self) {
        self.worker.stop();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
