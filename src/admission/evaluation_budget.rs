//! The memory that parsed reviews may take together: most are small and pass
//! side by side, large ones take turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout_at};

use driftwall_core::admission::JsonShape;

/// A review that takes no more than this needs no turn: of these there are no more at
/// once than threads. In bytes, as all of these.
const SMALL: usize = 2 * 1024 * 1024;
/// A byte of JSON takes no more than this: `{"":1}` becomes a map with room for eleven.
const MAX_GROWTH: usize = 128;
/// What large reviews may take together: the largest that is compared takes it all.
const LARGE_TOTAL: usize = 64 * 1024 * 1024;
/// What a large one takes at least, so that few of them keep threads busy.
const LARGE_MIN: usize = LARGE_TOTAL / 4;

/// How often it is looked for room that nobody else wants.
const SPARE_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Semaphores count in these.
const UNIT: usize = 1024;

/// The memory that parsed reviews may take together.
pub(super) struct EvaluationBudget {
    /// Who waits longest is served first.
    large: Arc<Semaphore>,
}

/// A review's turn; a large one's ends when this is dropped.
pub(super) enum Turn {
    Small,
    Large(OwnedSemaphorePermit),
}

impl EvaluationBudget {
    pub(super) fn new() -> Self {
        Self { large: Arc::new(Semaphore::new(LARGE_TOTAL / UNIT)) }
    }

    /// Waits until a self-check can run beside reviews without one of them waiting for it: one that
    /// is not among the largest takes no turn, since only one runs at once; any other waits until
    /// nothing else does. `None` where that does not come before `until`.
    pub(super) async fn spare_turn(&self, body: &[u8], until: Instant) -> Option<Turn> {
        let memory = if body.len() * MAX_GROWTH <= SMALL { 0 } else { memory_of(body) };
        if memory <= LARGE_MIN {
            return Some(Turn::Small);
        }
        let permits = u32::try_from(memory.min(LARGE_TOTAL) / UNIT).unwrap_or(u32::MAX);
        loop {
            // Whoever waits in line is served first.
            if let Ok(permit) = Arc::clone(&self.large).try_acquire_many_owned(permits) {
                return Some(Turn::Large(permit));
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(SPARE_POLL_INTERVAL).await;
        }
    }

    /// Whether a review needs no turn.
    pub(super) fn is_small(body: &[u8]) -> bool {
        body.len() * MAX_GROWTH <= SMALL || memory_of(body) <= SMALL
    }

    /// Waits for the turn of a review; `None` where it does not come before `until`.
    pub(super) async fn turn(&self, body: &[u8], until: Instant) -> Option<Turn> {
        let memory = if body.len() * MAX_GROWTH <= SMALL { 0 } else { memory_of(body) };
        if memory <= SMALL {
            return Some(Turn::Small);
        }
        let permits = u32::try_from(memory.clamp(LARGE_MIN, LARGE_TOTAL) / UNIT).unwrap_or(u32::MAX);
        let acquired = Arc::clone(&self.large).acquire_many_owned(permits);
        timeout_at(until.into(), acquired).await.ok()?.ok().map(Turn::Large)
    }
}

/// What the objects of a review take when they are parsed, at most about.
fn memory_of(body: &[u8]) -> usize {
    match str::from_utf8(body) {
        Ok(text) => JsonShape::of(text).memory,
        // It will not be parsed.
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn large_reviews_take_turns_and_small_ones_pass() {
        let budget = EvaluationBudget::new();
        let soon = || Instant::now() + Duration::from_millis(10);
        let large = format!("[{}]", vec![r#"{"a":1}"#; 60_000].join(","));
        // One character of it counts little, however it is escaped.
        let escaped = format!("\"{}\"", "\\u003c".repeat(500_000));
        let first = budget.turn(large.as_bytes(), soon()).await;
        assert!(matches!(first, Some(Turn::Large(_))));
        assert!(budget.turn(large.as_bytes(), soon()).await.is_none());
        for small in ["{}".as_bytes(), escaped.as_bytes()] {
            assert!(matches!(budget.turn(small, soon()).await, Some(Turn::Small)));
        }
        // A self-check takes no turn, unless it is as large: then it waits until nobody else does.
        let less = format!("[{}]", vec![r#"{"a":1}"#; 20_000].join(","));
        assert!(matches!(budget.spare_turn(less.as_bytes(), soon()).await, Some(Turn::Small)));
        assert!(budget.spare_turn(large.as_bytes(), soon()).await.is_none());
        drop(first);
        assert!(matches!(budget.spare_turn(large.as_bytes(), soon()).await, Some(Turn::Large(_))));
        assert!(budget.turn(large.as_bytes(), soon()).await.is_some());
    }
}
