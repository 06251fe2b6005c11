//! Writes of GitOps tools that wait to be compared with the snapshot.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of reviews that may wait. Further ones are skipped: the GitOps tool's next
/// sync writes the same again.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What each takes at least: they are bounded in number, too.
const MIN_BYTES: usize = 16 * 1024;

/// The queue.
pub(super) struct SelfCheckQueue {
    sender: UnboundedSender<QueuedReview>,
    /// The other end, until somebody takes it.
    receiver: Mutex<Option<UnboundedReceiver<QueuedReview>>>,
    room: Arc<Semaphore>,
}

/// A review that waits; its room is free when it is dropped.
pub(super) struct QueuedReview {
    pub(super) body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl SelfCheckQueue {
    pub(super) fn new() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self { sender, receiver: Mutex::new(Some(receiver)), room: Arc::new(Semaphore::new(MAX_BYTES)) }
    }

    /// Adds a review; `false` where there is no room for it.
    pub(super) fn push(&self, body: &Bytes) -> bool {
        let bytes = u32::try_from(body.len().max(MIN_BYTES)).unwrap_or(u32::MAX);
        match Arc::clone(&self.room).try_acquire_many_owned(bytes) {
            Ok(room) => self.sender.send(QueuedReview { body: body.clone(), _room: room }).is_ok(),
            Err(_) => false,
        }
    }

    /// The end at which reviews come out; `None` where it was taken already.
    pub(super) fn take_receiver(&self) -> Option<UnboundedReceiver<QueuedReview>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_by_bytes_and_by_number() {
        for (size, fit) in [(MAX_BYTES + 1, 0), (MAX_BYTES / 2, 2), (10, MAX_BYTES / MIN_BYTES)] {
            let queue = SelfCheckQueue::new();
            let body = Bytes::from(vec![b' '; size]);
            assert_eq!((0..fit + 2).filter(|_| queue.push(&body)).count(), fit, "{size}");
            let mut receiver = queue.take_receiver().unwrap();
            assert!(queue.take_receiver().is_none());
            if fit > 0 {
                drop(receiver.try_recv().unwrap());
                assert!(queue.push(&body), "{size}");
            }
        }
    }
}
