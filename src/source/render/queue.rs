//! How many programs render at once in this process, and who comes next.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Places for rendering. A free one goes to the source that was served longest ago,
/// so that one with many renderings does not keep others waiting. What is already
/// being rendered is waited for: its output will be kept.
#[derive(Debug)]
pub(super) struct RenderQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug)]
struct QueueState {
    places: usize,
    /// The keys of what is being rendered.
    running: HashSet<String>,
    waiting: Vec<Waiting>,
    next_ticket: u64,
    /// When each source was served last, counted in places given.
    served: HashMap<String, u64>,
    given: u64,
}

#[derive(Clone, Debug)]
struct Waiting {
    ticket: u64,
    source: String,
    key: String,
}

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place<'q> {
    queue: &'q RenderQueue,
    key: String,
}

/// How many programs render at once where nothing else is configured.
pub(super) const DEFAULT_PLACES: usize = 2;
/// How often cancellation is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Sources that are remembered as served; there are never so many.
const MAX_SERVED: usize = 100_000;

impl RenderQueue {
    pub(super) fn new(places: usize) -> Self {
        let state = QueueState {
            places,
            running: HashSet::new(),
            waiting: Vec::new(),
            next_ticket: 0,
            served: HashMap::new(),
            given: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// From now on as many programs may render at once; at least one.
    pub(super) fn set_places(&self, places: usize) {
        self.state().places = places.max(1);
        self.changed.notify_all();
    }

    /// Waits for a place to render `key` for `source`; `None` after `cancel` was set.
    pub(super) fn wait(&self, source: &str, key: &str, cancel: &AtomicBool) -> Option<Place<'_>> {
        let mut state = self.state();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push(Waiting { ticket, source: source.to_owned(), key: key.to_owned() });
        loop {
            if cancel.load(Ordering::Relaxed) {
                state.waiting.retain(|waiting| waiting.ticket != ticket);
                self.changed.notify_all();
                return None;
            }
            if state.next() == Some(ticket) {
                state.give(ticket);
                self.changed.notify_all();
                return Some(Place { queue: self, key: key.to_owned() });
            }
            let waited = self.changed.wait_timeout(state, CHECK_INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    /// Who gets the next place, if one is free.
    fn next(&self) -> Option<u64> {
        if self.running.len() >= self.places {
            return None;
        }
        let can_start = self.waiting.iter().filter(|waiting| !self.running.contains(&waiting.key));
        let next = can_start.min_by_key(|waiting| (self.served.get(&waiting.source), waiting.ticket));
        next.map(|waiting| waiting.ticket)
    }

    fn give(&mut self, ticket: u64) {
        let Some(index) = self.waiting.iter().position(|waiting| waiting.ticket == ticket) else { return };
        let Waiting { source, key, .. } = self.waiting.remove(index);
        self.given += 1;
        if self.served.len() >= MAX_SERVED {
            self.served.clear();
        }
        self.served.insert(source, self.given);
        self.running.insert(key);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.state().running.remove(&self.key);
        self.queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(places: usize, waiting: &[(&str, &str)]) -> QueueState {
        let queue = RenderQueue::new(places);
        let mut state = queue.state.into_inner().unwrap();
        for (ticket, (source, key)) in (0..).zip(waiting) {
            state.waiting.push(Waiting { ticket, source: (*source).into(), key: (*key).into() });
        }
        state
    }

    /// The keys in the order in which they get the only place.
    fn order(mut state: QueueState) -> Vec<String> {
        let mut order = Vec::new();
        while let Some(ticket) = state.next() {
            state.give(ticket);
            order.extend(state.running.drain());
        }
        order
    }

    #[test]
    fn a_source_with_many_renderings_starves_no_other() {
        let waiting = [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("c", "c1"), ("b", "b2")];
        assert_eq!(order(state(1, &waiting)), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn no_more_places_are_given_than_there_are() {
        let mut state = state(2, &[("a", "1"), ("b", "2"), ("c", "3")]);
        for ticket in [0, 1] {
            assert_eq!(state.next(), Some(ticket));
            state.give(ticket);
        }
        assert_eq!(state.next(), None);
        state.running.remove("1");
        assert_eq!(state.next(), Some(2));
    }

    #[test]
    fn what_is_being_rendered_is_waited_for_and_keeps_nobody_else() {
        let mut state = state(2, &[("a", "1"), ("b", "1"), ("c", "2")]);
        state.give(0);
        assert_eq!(state.next(), Some(2));
    }

    #[test]
    fn a_cancelled_wait_ends_and_leaves_its_turn_to_others() {
        let queue = RenderQueue::new(1);
        let running = queue.wait("a", "1", &AtomicBool::new(false)).unwrap();
        assert!(queue.wait("b", "2", &AtomicBool::new(true)).is_none());
        std::thread::scope(|scope| {
            let third = scope.spawn(|| queue.wait("c", "3", &AtomicBool::new(false)).is_some());
            drop(running);
            assert!(third.join().unwrap());
        });
    }
}
