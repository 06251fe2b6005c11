//! How long a look at a server may take and how much it may bring, and the way
//! to call it off: asked at every wait, so that no server can hold a thread.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::FetchError;

/// The bounds of one look at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To find the host, connect and shake hands.
    pub connect: Duration,
    /// Without a byte from the server.
    pub idle: Duration,
    /// For all of it, a first clone too.
    pub whole: Duration,
    /// The most bytes that are taken.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            // A large repository is silent for a while as the server packs it.
            idle: Duration::from_mins(1),
            whole: Duration::from_mins(15),
            bytes: 4 << 30,
        }
    }
}

/// The limits of a look that has begun.
pub(super) struct FetchBudget {
    pub(super) limits: Limits,
    cancel: Arc<AtomicBool>,
    begun: Instant,
    received: AtomicU64,
    /// Why it was stopped; libgit2 hands on a text at most.
    fault: Mutex<Option<FetchError>>,
}

impl FetchBudget {
    pub(super) fn new(limits: Limits, cancel: Arc<AtomicBool>) -> Arc<Self> {
        let (begun, received, fault) = (Instant::now(), AtomicU64::new(0), Mutex::new(None));
        Arc::new(Self { limits, cancel, begun, received, fault })
    }

    /// Whether the look may go on.
    pub(super) fn check(&self) -> Result<(), FetchError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(FetchError::Cancelled);
        }
        if self.begun.elapsed() > self.limits.whole {
            return Err(timed_out(self.limits.whole, "work in all"));
        }
        Ok(())
    }

    /// Counts what came.
    pub(super) fn receive(&self, bytes: usize) -> Result<(), FetchError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.received.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limits.bytes {
            return Err(FetchError::TooLarge { limit: self.limits.bytes });
        }
        self.check()
    }

    /// Waits for `work` at most `limit`.
    pub(super) async fn wait<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        work: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let mut work = pin!(work);
        let begun = Instant::now();
        loop {
            self.check()?;
            if begun.elapsed() > limit {
                return Err(timed_out(limit, doing));
            }
            if let Ok(done) = tokio::time::timeout(TICK, &mut work).await {
                return Ok(done);
            }
        }
    }

    /// Repeats a step that says [`Step::Again`] at least once a [`TICK`], at most for `limit`.
    pub(super) fn repeat<T>(
        &self,
        limit: Duration,
        doing: &'static str,
        mut step: impl FnMut() -> Step<T>,
    ) -> Result<T, FetchError> {
        let begun = Instant::now();
        loop {
            self.check()?;
            match step() {
                Step::Done(done) => return Ok(done),
                Step::Failed(fault) => return Err(fault),
                Step::Again if begun.elapsed() > limit => return Err(timed_out(limit, doing)),
                Step::Again => {}
            }
        }
    }

    /// Keeps why a transport stopped; what it returns is for libgit2.
    pub(super) fn stop(&self, fault: FetchError) -> std::io::Error {
        let error = std::io::Error::other(fault.to_string());
        // The first is the cause, the others follow from it.
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        error
    }

    /// Why a transport stopped, once.
    pub(super) fn fault(&self) -> Option<FetchError> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What came of a step.
pub(super) enum Step<T> {
    Again,
    Done(T),
    Failed(FetchError),
}

fn timed_out(limit: Duration, doing: &'static str) -> FetchError {
    FetchError::TimedOut { seconds: limit.as_secs(), doing }
}

/// How often a wait looks up: a cancelled look ends about so soon.
pub(super) const TICK: Duration = Duration::from_millis(100);
