//! From a verdict, which does not wait for anything by itself, to the API
//! server, which takes its time.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use super::ttl_cache::TtlCache;
use crate::cluster::api_error::ApiError;

/// Look-ups under way at once; a cluster that needs more is in trouble.
const AT_ONCE: usize = 64;

/// How long a group is left alone that did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// Nobody waits this long, but what is found after the time is up serves the next who asks.
const LATEST: Duration = Duration::from_secs(5);

/// Groups that are left alone; more than that many are asked again.
const PAUSED: usize = 256;

/// Waits for look-ups, each in a task of its own, no longer than `longest`.
pub(super) struct BlockingLookup {
    runtime: Handle,
    longest: Duration,
    places: Arc<Semaphore>,
    /// By group: whoever can slow one down must not blind the wall for the others.
    paused: TtlCache<String, ()>,
}

impl BlockingLookup {
    pub(super) fn new(runtime: Handle, longest: Duration) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { runtime, longest, places, paused: TtlCache::new(PAUSED) }
    }

    /// Looks something of `group` up. It may be called from within a task of a
    /// runtime of several threads: that task's other work moves to another one.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        group: &str,
        look_up: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        if self.paused.get(&group.to_owned()).is_some_and(|(age, ())| age < PAUSE) {
            return Err(ApiError::Paused);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ApiError::Busy)?;
        let (answer, answered) = sync_channel(1);
        let task = async move {
            let found = tokio::time::timeout(LATEST, look_up).await.unwrap_or(Err(ApiError::Slow));
            drop(place);
            // Nobody may be waiting any more.
            let _ = answer.send(found);
        };
        let found = off_the_worker(|| {
            self.runtime.spawn(task);
            answered.recv_timeout(self.longest)
        });
        let found = found.unwrap_or_else(|error| {
            Err(match error {
                RecvTimeoutError::Timeout => ApiError::Slow,
                RecvTimeoutError::Disconnected => ApiError::BrokenOff,
            })
        });
        if found.as_ref().is_err_and(ApiError::is_silence) {
            self.paused.insert(group.to_owned(), ());
        }
        found
    }
}

/// Blocks where that keeps nobody else waiting.
fn off_the_worker<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
