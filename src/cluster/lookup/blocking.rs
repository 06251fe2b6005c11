//! Runs look-ups, which are asynchronous, for a verdict, which is not.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::error::LookupFailure;
use super::shares::{LookupPlace, LookupShares};
use super::ttl_cache::TtlCache;
use crate::cluster::api_error::ApiError;

/// How long a look-up waits for others to end.
const PLACE_TIMEOUT: Duration = Duration::from_millis(250);

/// How long an API group that did not answer is not asked again.
const GROUP_PAUSE: Duration = Duration::from_secs(2);

/// A look-up goes on for so long, even when nobody waits for it any more: its answer
/// is cached for the next review that needs it.
const TASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Groups that can be paused at once; beyond that number, some are asked again early.
const MAX_PAUSED_GROUPS: usize = 256;

/// Runs each look-up in a task of its own and blocks until it answers, but not
/// longer than `wait_timeout`.
pub(super) struct BlockingLookup {
    runtime: Handle,
    wait_timeout: Duration,
    shares: Arc<LookupShares>,
    /// By group, so that a slow server of one group does not affect look-ups in the others.
    paused_groups: TtlCache<String, ()>,
}

impl BlockingLookup {
    pub(super) fn new(runtime: Handle, wait_timeout: Duration) -> Self {
        Self {
            runtime,
            wait_timeout,
            shares: Arc::new(LookupShares::new()),
            paused_groups: TtlCache::new(MAX_PAUSED_GROUPS),
        }
    }

    /// Looks something up in `group`. It may be called from a task of a multi-threaded
    /// runtime: the other tasks of that worker move to another one.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        group: &str,
        lookup: impl Future<Output = Result<T, LookupFailure>> + Send + 'static,
    ) -> Result<T, LookupFailure> {
        if self.paused_groups.get(&group.to_owned()).is_some_and(|(age, ())| age < GROUP_PAUSE) {
            return Err(LookupFailure::Paused);
        }
        let place = self.place(group)?;
        let (sender, receiver) = sync_channel(1);
        let task = async move {
            let answer = match tokio::time::timeout(TASK_TIMEOUT, lookup).await {
                Ok(answer) => answer,
                Err(_) => Err(ApiError::Timeout.into()),
            };
            drop(place);
            // The receiver is gone where nobody waits any more.
            let _ = sender.send(answer);
        };
        let in_time = block(|| {
            self.runtime.spawn(task);
            receiver.recv_timeout(self.wait_timeout)
        });
        let answer = match in_time {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(ApiError::Timeout.into()),
            Err(RecvTimeoutError::Disconnected) => Err(LookupFailure::Cancelled),
        };
        if answer.as_ref().is_err_and(LookupFailure::is_unresponsive) {
            self.paused_groups.insert(group.to_owned(), ());
        } else if !matches!(answer, Err(LookupFailure::Cancelled)) {
            self.shares.has_answered(group);
        }
        answer
    }

    /// Waits a moment for a place: many may look up the same at once.
    fn place(&self, group: &str) -> Result<LookupPlace, LookupFailure> {
        let (sender, receiver) = sync_channel(1);
        let (shares, group) = (Arc::clone(&self.shares), group.to_owned());
        let task = async move {
            if let Ok(Ok(place)) = tokio::time::timeout(PLACE_TIMEOUT, shares.place(&group)).await {
                let _ = sender.send(place);
            }
        };
        let place = block(|| {
            self.runtime.spawn(task);
            receiver.recv()
        });
        place.map_err(|_| LookupFailure::Busy)
    }
}

/// Blocks without keeping other tasks waiting.
fn block<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
