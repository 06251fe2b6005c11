//! How long a fetch may take and how many bytes it may receive, and how it is
//! cancelled: checked during every wait, so that no server can hold a thread.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::FetchError;

/// The limits of one fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// To resolve the host, connect and shake hands.
    pub connect: Duration,
    /// Without a byte from the server.
    pub idle: Duration,
    /// For the whole fetch, also for a first clone.
    pub total: Duration,
    /// The most bytes that a mirror may keep on the disk, and the most that one fetch receives.
    pub bytes: u64,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            // The server of a large repository is silent for a while as it makes a pack.
            idle: Duration::from_mins(1),
            total: Duration::from_mins(15),
            bytes: 4 << 30,
        }
    }
}

/// What is left of the limits of a fetch that has begun.
pub(super) struct FetchBudget {
    pub(super) limits: FetchLimits,
    cancel: Arc<AtomicBool>,
    begun: Instant,
    received: AtomicU64,
    /// How many bytes the mirror has on the disk already.
    kept: AtomicU64,
    /// Why the fetch failed: libgit2 hands on a text at most.
    error: Mutex<Option<FetchError>>,
}

impl FetchBudget {
    pub(super) fn new(limits: FetchLimits, cancel: Arc<AtomicBool>) -> Arc<Self> {
        let (begun, received, kept) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { limits, cancel, begun, received, kept, error: Mutex::new(None) })
    }

    /// From now on a fetch adds to a mirror of so many bytes, and has received nothing yet.
    pub(super) fn begin_fetch(&self, kept: u64) {
        self.kept.store(kept, Ordering::Relaxed);
        self.received.store(0, Ordering::Relaxed);
    }

    /// Whether the fetch may go on.
    pub(super) fn check(&self) -> Result<(), FetchError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(FetchError::Cancelled);
        }
        if self.begun.elapsed() > self.limits.total {
            return Err(timed_out(self.limits.total, "fetching"));
        }
        Ok(())
    }

    /// Counts bytes that were received.
    pub(super) fn count_received(&self, bytes: usize) -> Result<(), FetchError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.received.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limits.bytes {
            return Err(FetchError::TooLarge { limit: self.limits.bytes });
        }
        self.check()
    }

    /// Whether the fetch may go on when it has received so many bytes of a pack, which stay on the disk.
    pub(super) fn check_pack(&self, bytes: usize) -> Result<(), FetchError> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes.saturating_add(self.kept.load(Ordering::Relaxed)) > self.limits.bytes {
            return Err(FetchError::TooLarge { limit: self.limits.bytes });
        }
        self.check()
    }

    /// Waits for `work`, at most `limit`. `activity` is for the error.
    pub(super) async fn wait<T>(
        &self,
        limit: Duration,
        activity: &'static str,
        work: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let mut work = pin!(work);
        let begun = Instant::now();
        loop {
            self.check()?;
            if begun.elapsed() > limit {
                return Err(timed_out(limit, activity));
            }
            if let Ok(done) = tokio::time::timeout(CHECK_INTERVAL, &mut work).await {
                return Ok(done);
            }
        }
    }

    /// Records why the fetch fails; what it returns is for libgit2.
    pub(super) fn record_error(&self, error: FetchError) -> std::io::Error {
        let for_libgit2 = std::io::Error::other(error.to_string());
        // The first error is the cause of those that follow.
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        for_libgit2
    }

    /// Takes out why the fetch failed.
    pub(super) fn take_error(&self) -> Option<FetchError> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn timed_out(limit: Duration, activity: &'static str) -> FetchError {
    FetchError::TimedOut { seconds: limit.as_secs(), activity }
}

/// How often a wait checks the budget: a cancelled fetch ends about so soon.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_millis(100);
