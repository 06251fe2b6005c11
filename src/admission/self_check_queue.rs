//! Writes of GitOps tools that wait to be compared with the snapshot.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::handler::{Basis, ReviewSettings};
use crate::telemetry::SelfCheckCounts;
use driftwall_core::desired::Snapshot;

/// Bytes of reviews that may wait. Further ones are skipped.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What each takes at least: they are bounded in number, too.
const MIN_BYTES: usize = 16 * 1024;

/// Writes that are remembered as compared: some hundred KiB. Beyond that, all are forgotten.
const MAX_COMPARED: usize = 16 * 1024;

/// The queue.
pub(super) struct SelfCheckQueue {
    sender: UnboundedSender<QueuedReview>,
    /// The other end, until somebody takes it.
    receiver: Mutex<Option<UnboundedReceiver<QueuedReview>>>,
    room: Arc<Semaphore>,
    compared: Mutex<ComparedWrites>,
    counts: Counts,
}

/// What was compared by the same snapshot and settings: a tool that writes the same again tells nothing new.
#[derive(Default)]
struct ComparedWrites {
    snapshot: Weak<Snapshot>,
    settings: Weak<ReviewSettings>,
    keys: HashSet<u64>,
}

#[derive(Default)]
struct Counts {
    compared: AtomicU64,
    repeated: AtomicU64,
    skipped: AtomicU64,
}

/// A review that waits; its room is free when it is dropped.
pub(super) struct QueuedReview {
    pub(super) body: Bytes,
    /// By which a write that is compared alike is known, where it is.
    pub(super) key: Option<u64>,
    _room: OwnedSemaphorePermit,
}

impl SelfCheckQueue {
    pub(super) fn new() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            room: Arc::new(Semaphore::new(MAX_BYTES)),
            compared: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// Adds a review with this key, unless its like was compared by this basis, or there is no room for it.
    pub(super) fn push(&self, body: &Bytes, key: Option<u64>, basis: &Basis) {
        if key.is_some_and(|key| self.compared().of(basis).contains(&key)) {
            self.counts.repeated.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let bytes = u32::try_from(body.len().max(MIN_BYTES)).unwrap_or(u32::MAX);
        match Arc::clone(&self.room).try_acquire_many_owned(bytes) {
            // The other end is there as long as the handler.
            Ok(room) => drop(self.sender.send(QueuedReview { body: body.clone(), key, _room: room })),
            Err(_) => self.count_skipped(),
        }
    }

    /// Notes that a review was compared.
    pub(super) fn note_compared(&self, key: Option<u64>, basis: &Basis) {
        self.counts.compared.fetch_add(1, Ordering::Relaxed);
        let mut compared = self.compared();
        let keys = compared.of(basis);
        if keys.len() >= MAX_COMPARED {
            keys.clear();
        }
        keys.extend(key);
    }

    /// Counts a review that is not compared.
    pub(super) fn count_skipped(&self) {
        self.counts.skipped.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("Self-check skipped for want of room or time");
    }

    /// What came of all reviews so far.
    pub(super) fn counts(&self) -> SelfCheckCounts {
        let [compared, repeated, skipped] =
            [&self.counts.compared, &self.counts.repeated, &self.counts.skipped].map(|it| it.load(Ordering::Relaxed));
        SelfCheckCounts { compared, repeated, skipped }
    }

    fn compared(&self) -> MutexGuard<'_, ComparedWrites> {
        // A panic leaves at most one write to be compared again.
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end at which reviews come out; `None` where it was taken already.
    pub(super) fn take_receiver(&self) -> Option<UnboundedReceiver<QueuedReview>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ComparedWrites {
    /// What was compared by this basis: by another one, all is to be compared again.
    fn of(&mut self, basis: &Basis) -> &mut HashSet<u64> {
        let Basis { settings, snapshot } = basis;
        let is_same = std::ptr::eq(self.snapshot.as_ptr(), Arc::as_ptr(snapshot))
            && std::ptr::eq(self.settings.as_ptr(), Arc::as_ptr(settings));
        if !is_same {
            *self =
                Self { snapshot: Arc::downgrade(snapshot), settings: Arc::downgrade(settings), keys: HashSet::new() };
        }
        &mut self.keys
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;

    use super::*;

    fn basis() -> Basis {
        Basis { settings: ArcSwap::from_pointee(settings()).load(), snapshot: Arc::new(Snapshot::new(Vec::new())) }
    }

    fn settings() -> ReviewSettings {
        let duration = std::time::Duration::ZERO;
        ReviewSettings {
            actors: driftwall_core::actor::ActorRules::default(),
            policy: driftwall_core::policy::Policy::default(),
            refresh_timeout: duration,
            max_staleness: duration,
            max_break_glass_duration: duration,
            cluster_name: String::new(),
        }
    }

    #[test]
    fn the_queue_is_bounded_by_bytes_and_by_number() {
        let basis = basis();
        for (size, fit) in [(MAX_BYTES + 1, 0), (MAX_BYTES / 2, 2), (10, MAX_BYTES / MIN_BYTES)] {
            let queue = SelfCheckQueue::new();
            let body = Bytes::from(vec![b' '; size]);
            for _ in 0..fit + 2 {
                queue.push(&body, None, &basis);
            }
            assert_eq!(queue.counts().skipped, 2, "{size}");
            let mut receiver = queue.take_receiver().unwrap();
            assert!(queue.take_receiver().is_none());
            if fit > 0 {
                drop(receiver.try_recv().unwrap());
                queue.push(&body, None, &basis);
                assert_eq!(queue.counts().skipped, 2, "{size}");
            }
        }
    }

    #[test]
    fn what_was_compared_is_compared_again_where_git_or_the_settings_say_something_else() {
        let (queue, first) = (SelfCheckQueue::new(), basis());
        let mut receiver = queue.take_receiver().unwrap();
        let body = Bytes::from_static(b"{}");
        let mut is_queued = |key, basis: &Basis| {
            queue.push(&body, key, basis);
            receiver.try_recv().is_ok()
        };
        // What waits may still be skipped: it does not count as compared.
        assert!(is_queued(Some(1), &first) && is_queued(Some(1), &first));
        queue.note_compared(Some(1), &first);
        assert!(!is_queued(Some(1), &first) && is_queued(Some(2), &first) && is_queued(None, &first));
        let other_snapshot = Basis { snapshot: basis().snapshot, ..basis() };
        assert!(is_queued(Some(1), &other_snapshot));
        queue.note_compared(Some(1), &other_snapshot);
        assert!(!is_queued(Some(1), &other_snapshot) && is_queued(Some(1), &first));
        let SelfCheckCounts { compared, repeated, skipped } = queue.counts();
        assert_eq!((compared, repeated, skipped), (2, 2, 0));
        for key in 0..2 * MAX_COMPARED as u64 {
            queue.note_compared(Some(key), &first);
        }
        assert!(queue.compared().keys.len() <= MAX_COMPARED);
    }
}
