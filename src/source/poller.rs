//! Following the sources: each is looked at now and then, and at once when
//! somebody is about to be denied by an old look.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::snapshot_store::{Looked, SnapshotStore};
use super::{GitError, Reading, SourceSpec, kept, read, tip};

/// Keeps a [`SnapshotStore`] true. Dropping it ends that.
#[derive(Debug)]
pub struct SourcePoller {
    workers: Vec<Arc<Worker>>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Worker {
    repository: SourceSpec,
    store: Arc<SnapshotStore>,
    /// The newest commit that was read, good or broken.
    tried: Mutex<Option<String>>,
    /// Looks that have ended.
    looks: watch::Sender<u64>,
    /// Whether a look is under way, or about to be.
    asked: AtomicBool,
    wake: Notify,
    /// Ends looks and renderings that are under way.
    cancel: Arc<AtomicBool>,
}

/// However long a source is away, it is tried this often.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

impl SourcePoller {
    /// Follows these sources; nothing is looked at yet.
    pub fn new(store: &Arc<SnapshotStore>, repositories: &[SourceSpec]) -> Self {
        store.follow(repositories);
        let worker = |repository: &SourceSpec| {
            let known = store.reading(repository).map(|reading| reading.contents.source.commit.clone());
            Arc::new(Worker {
                repository: repository.clone(),
                store: Arc::clone(store),
                tried: Mutex::new(known),
                looks: watch::Sender::new(0),
                asked: AtomicBool::new(false),
                wake: Notify::new(),
                cancel: Arc::default(),
            })
        };
        Self { workers: repositories.iter().map(worker).collect(), tasks: Mutex::default() }
    }

    /// Looks at every source once, and blocks on it.
    pub fn look(&self) {
        for worker in &self.workers {
            worker.look();
        }
    }

    /// Looks at the sources every `poll` from now on, each at its own pace.
    pub fn begin(&self, poll: Duration) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
        for worker in &self.workers {
            tasks.spawn(Arc::clone(worker).follow(poll));
        }
    }

    /// Looks at a source, or all, now: one look for all who wait, at most `bound` long.
    /// A look that has ended after `since` will do.
    pub async fn look_now(&self, source: Option<&str>, since: Instant, bound: Duration) {
        let asked = self.workers.iter().filter(|worker| source.is_none_or(|name| worker.repository.name == name));
        let mut looks = JoinSet::new();
        for worker in asked {
            looks.spawn(Arc::clone(worker).next_look(since));
        }
        // Whoever asked has waited long enough; the look itself goes on.
        let _ = tokio::time::timeout(bound, looks.join_all()).await;
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
    async fn follow(self: Arc<Self>, poll: Duration) {
        let mut failures = 0;
        loop {
            self.asked.store(true, Ordering::SeqCst);
            let worker = Arc::clone(&self);
            let reached = tokio::task::spawn_blocking(move || worker.look()).await;
            self.asked.store(false, Ordering::SeqCst);
            self.looks.send_modify(|looks| *looks += 1);
            failures = if matches!(reached, Ok(true)) { 0 } else { failures + 1 };
            let wait = poll.saturating_mul(1 << failures.min(8)).min(LONGEST_WAIT.max(poll));
            tokio::select! {
                () = tokio::time::sleep(jittered(wait)) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    async fn next_look(self: Arc<Self>, since: Instant) {
        let mut looks = self.looks.subscribe();
        let now = *looks.borrow_and_update();
        if !self.asked.swap(true, Ordering::SeqCst) {
            // Nobody is at it: perhaps because somebody has just been.
            if self.store.seen(&self.repository).is_some_and(|seen| seen > since) {
                self.asked.store(false, Ordering::SeqCst);
                return;
            }
            self.wake.notify_one();
        }
        // It ends only with the program.
        let _ = looks.wait_for(|looks| *looks > now).await;
    }

    /// Looks whether the revision has moved, and reads what it moved to; whether
    /// the source was reached.
    fn look(&self) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &self.repository.name;
        let outcome = match tip(&self.repository, &self.cancel) {
            Err(error) => match self.kept(&mut tried) {
                Some(reading) => Looked::Kept(reading, error),
                None => Looked::Failed(error),
            },
            Ok(commit) if tried.as_ref() == Some(&commit) => Looked::Same,
            Ok(commit) => {
                *tried = Some(commit.clone());
                match self.read(&commit) {
                    Ok(reading) => {
                        tracing::info!(source = %name, %commit, objects = reading.contents.len(), "Commit read");
                        Looked::New(Arc::new(reading))
                    }
                    Err(error) => Looked::Broken(error),
                }
            }
        };
        let reached = !matches!(outcome, Looked::Failed(_) | Looked::Kept(..));
        let before = self.error();
        self.store.looked(&self.repository, outcome);
        let after = self.error();
        match &after {
            Some(error) if before != after => tracing::error!(source = %name, %error, "Source not renewed"),
            None if before.is_some() => tracing::info!(source = %name, "Source is well again"),
            _ => {}
        }
        reached
    }

    fn read(&self, commit: &str) -> Result<Reading, GitError> {
        read(&self.repository, commit, self.store.reading(&self.repository).as_deref(), &self.cancel)
    }

    /// What the mirror holds, where nothing has been read yet: a restart while the
    /// server is away goes on from there.
    fn kept(&self, tried: &mut Option<String>) -> Option<Arc<Reading>> {
        if tried.is_some() {
            return None;
        }
        let commit = kept(&self.repository)?;
        let reading = self.read(&commit).ok()?;
        tracing::warn!(source = %self.repository.name, %commit, "Source is away, its mirror goes on");
        *tried = Some(commit);
        Some(Arc::new(reading))
    }

    fn error(&self) -> Option<String> {
        let states = self.store.states().into_iter();
        states.filter(|state| state.name == self.repository.name).find_map(|state| state.error)
    }
}

/// Up to a tenth less or more, so that many replicas do not come at once.
fn jittered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 201;
    let percent = f64::from(u32::try_from(random).unwrap_or_default()) / 1000.0;
    wait.mul_f64(0.9 + percent)
}
