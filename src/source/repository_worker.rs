//! Looks at one repository for all sources that are read of it: at an interval,
//! and at once when a write is about to be denied by what was read earlier.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::SourceError;
use super::follower::SourceFollower;
use super::repository::{Looked, SourceRepository};
use super::snapshot_store::SnapshotStore;
use crate::jitter;
use crate::plain_words::in_plain_words;
use driftwall_core::source_state::FailingSide;

/// Looks at a repository.
#[derive(Debug)]
pub(super) struct RepositoryWorker {
    pub(super) repository: SourceRepository,
    store: Arc<SnapshotStore>,
    /// The sources that are read of it.
    followers: Mutex<Vec<Arc<SourceFollower>>>,
    last_look: watch::Sender<Option<Look>>,
    /// Somebody waits for a look that begins after this.
    requested: watch::Sender<Option<Instant>>,
    /// Ends a fetch that is under way.
    cancel: Arc<AtomicBool>,
    is_tidying: AtomicBool,
}

/// What a repository said of all revisions that its sources follow.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// When it began: what was pushed before is in it.
    pub(super) began: Instant,
    /// The same, by the clock of the snapshots.
    pub(super) at: Duration,
    /// The commit of each revision, or why there is none; of charts, by name and range.
    commits: Arc<HashMap<String, Result<String, FailedLook>>>,
}

/// Why a look has no commit for a revision.
#[derive(Clone, Debug)]
pub(super) struct FailedLook {
    /// In words.
    pub(super) error: String,
    /// Whose failure it is.
    pub(super) failed: FailingSide,
}

impl FailedLook {
    fn new(error: &SourceError) -> Self {
        Self { error: in_plain_words(&error.to_string()).into_owned(), failed: error.failed() }
    }
}

/// A server is asked at most this often, however many denials wait for it.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A repository that fails is tried at least this often.
const MAX_BACKOFF: Duration = Duration::from_mins(5);

impl Look {
    pub(super) fn has(&self, revision: &str) -> bool {
        self.commits.contains_key(revision)
    }

    /// The commit of a revision; `None` where nobody followed it when the look began.
    pub(super) fn commit(&self, revision: &str) -> Option<Result<&String, &FailedLook>> {
        self.commits.get(revision).map(Result::as_ref)
    }
}

impl RepositoryWorker {
    pub(super) fn new(repository: SourceRepository, store: &Arc<SnapshotStore>) -> Self {
        Self {
            repository,
            store: Arc::clone(store),
            followers: Mutex::default(),
            last_look: watch::Sender::default(),
            requested: watch::Sender::default(),
            cancel: Arc::default(),
            is_tidying: AtomicBool::new(false),
        }
    }

    pub(super) fn followers(&self) -> Vec<Arc<SourceFollower>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_followers(&self, followers: Vec<Arc<SourceFollower>>) {
        *self.followers.lock().unwrap_or_else(PoisonError::into_inner) = followers;
    }

    /// The last look, and all that follow.
    pub(super) fn looks(&self) -> watch::Receiver<Option<Look>> {
        self.last_look.subscribe()
    }

    /// Asks for a look that begins after `since`. All that ask share one.
    pub(super) fn request_look(&self, since: Instant) {
        self.requested.send_if_modified(|requested| {
            let is_later = requested.is_none_or(|requested| requested < since);
            if is_later {
                *requested = Some(since);
            }
            is_later
        });
    }

    /// Ends what is under way: no source is read of the repository any more.
    pub(super) fn stop(&self) {
        self.cancel.store(true, Ordering::SeqCst);
        for follower in self.followers() {
            follower.stop();
        }
    }

    /// Looks at this interval, and whenever that is asked for.
    pub(super) async fn run(self: Arc<Self>, mut interval: watch::Receiver<Duration>) {
        let mut requested = self.requested.subscribe();
        let mut failures = 0;
        let mut is_requested = false;
        loop {
            let began = Instant::now();
            let worker = Arc::clone(&self);
            let has_reached = matches!(tokio::task::spawn_blocking(move || worker.look()).await, Ok(true));
            failures = failures_in_a_row(failures, has_reached, is_requested);
            self.tidy_apart();
            let interval_now = *interval.borrow_and_update();
            let wait = interval_now.saturating_mul(1 << failures.min(8)).min(MAX_BACKOFF.max(interval_now));
            is_requested = tokio::select! {
                // Up to a tenth more or less, so that the replicas do not all ask the server at once.
                () = tokio::time::sleep(jitter::between(wait.mul_f64(0.9), wait.mul_f64(1.1))) => false,
                // A look that is under way began before the review that asks: another follows it.
                () = async { drop(requested.wait_for(|since| since.is_some_and(|since| since >= began)).await) } => {
                    tokio::time::sleep_until((began + MIN_INTERVAL).into()).await;
                    true
                }
                // Without a sender nobody polls any more.
                changed = interval.changed() => if changed.is_err() { return } else { false },
            };
        }
    }

    /// Looks once, and says what it found to the followers; whether the repository was reached. Blocks.
    pub(super) fn look(&self) -> bool {
        let (began, at) = (Instant::now(), self.store.now());
        let followers = self.followers();
        let sources: Vec<_> = followers.iter().map(|follower| &follower.source).collect();
        let looked = self.repository.look(&sources, &self.cancel);
        if self.cancel.load(Ordering::SeqCst) {
            // The configuration has changed: what was cut short says nothing of the repository.
            return true;
        }
        let has_reached = looked.as_ref().is_ok_and(|looked| looked.has_reached);
        let commits = match looked {
            Ok(Looked { commits, .. }) => {
                let in_words = |(revision, commit): (_, Result<_, SourceError>)| {
                    (revision, commit.map_err(|error| FailedLook::new(&error)))
                };
                commits.into_iter().map(in_words).collect()
            }
            Err(error) => {
                let error = FailedLook::new(&error);
                sources.iter().map(|source| (source.wanted(), Err(error.clone()))).collect()
            }
        };
        let look = Look { began, at, commits: Arc::new(commits) };
        for follower in &followers {
            follower.announce(&look);
        }
        self.last_look.send_replace(Some(look));
        has_reached
    }

    /// Looks once and waits until all sources have followed. Blocks.
    pub(super) fn sync(&self) {
        let followers = self.followers();
        for follower in &followers {
            follower.restore(&self.repository);
        }
        self.look();
        let look = self.last_look.borrow().clone();
        if let Some(look) = look {
            for follower in &followers {
                follower.follow(&self.repository, &look);
            }
        }
        self.tidy();
    }

    /// Tidies the mirror where that is due, while looks go on.
    fn tidy_apart(self: &Arc<Self>) {
        if self.repository.mirror().is_some() && !self.is_tidying.swap(true, Ordering::SeqCst) {
            let worker = Arc::clone(self);
            tokio::task::spawn_blocking(move || {
                worker.tidy();
                worker.is_tidying.store(false, Ordering::SeqCst);
            });
        }
    }

    fn tidy(&self) {
        let Some(mirror) = self.repository.mirror().filter(|mirror| mirror.is_untidy()) else { return };
        let followers = self.followers();
        let followed: Vec<_> =
            followers.iter().map(|follower| (follower.source.name.clone(), follower.source.revision.clone())).collect();
        let before = mirror.bytes();
        match mirror.tidy(&followed, &self.cancel) {
            Ok(()) => {
                let (mirror, bytes) = (mirror.folder().display(), mirror.bytes());
                tracing::info!(%mirror, before, bytes, "Mirror tidied");
            }
            Err(_) if self.cancel.load(Ordering::SeqCst) => {}
            Err(error) => tracing::warn!(mirror = %mirror.folder().display(), %error, "Mirror not tidied"),
        }
    }
}

/// How often polls in a row have failed: the more often, the longer until the next. Looks that
/// reviews ask for make it one at least, and no more: ten denials in a bad minute are no reason
/// to find out five minutes late that the repository is back.
fn failures_in_a_row(before: u32, has_reached: bool, is_requested: bool) -> u32 {
    match (has_reached, is_requested) {
        (true, _) => 0,
        (false, true) => before.max(1),
        (false, false) => before.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::failures_in_a_row;

    #[test]
    fn only_polls_lengthen_the_pause_after_failures() {
        for (before, has_reached, is_requested, after) in [
            (0, true, false, 0),
            (7, true, true, 0),
            (0, false, false, 1),
            (3, false, false, 4),
            (0, false, true, 1),
            (1, false, true, 1),
            (3, false, true, 3),
        ] {
            assert_eq!(
                failures_in_a_row(before, has_reached, is_requested),
                after,
                "{before} {has_reached} {is_requested}"
            );
        }
    }
}
