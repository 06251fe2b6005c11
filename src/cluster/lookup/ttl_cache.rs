//! What was looked up, for a while and within bounds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bounded memory of answers; who asks says how old one may be.
///
/// Answers live in two generations: when the young one is full it becomes the
/// old one, and what was old and not asked for since is forgotten.
#[derive(Debug)]
pub(super) struct TtlCache<K, V>(Mutex<Generations<K, V>>);

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
    each: usize,
}

impl<K: Eq + Hash, V: Clone> TtlCache<K, V> {
    /// A memory of at most `most` answers.
    pub(super) fn new(most: usize) -> Self {
        let each = most.div_ceil(2);
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new(), each }))
    }

    /// An answer and its age.
    pub(super) fn get(&self, key: &K) -> Option<(Duration, V)> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, answer)) = generations.old.remove_entry(key) {
            generations.keep(key, answer);
        }
        generations.young.get(key).map(|(since, value)| (since.elapsed(), value.clone()))
    }

    /// Remembers an answer of this moment.
    pub(super) fn insert(&self, key: K, value: V) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.old.remove(&key);
        generations.keep(key, (Instant::now(), value));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = self.0.lock().unwrap();
        generations.young.len() + generations.old.len()
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn keep(&mut self, key: K, answer: (Instant, V)) {
        if self.young.len() >= self.each && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_stays_within_its_bounds_and_keeps_what_is_asked_for() {
        let memory = TtlCache::new(10);
        memory.insert(0, "asked for");
        for key in 1..1_000 {
            memory.insert(key, "once");
            assert_eq!(memory.get(&0).map(|(_, value)| value), Some("asked for"), "{key}");
            assert!(memory.len() <= 10, "{}", memory.len());
        }
        assert!(memory.get(&1).is_none());
        assert!(memory.get(&999).is_some());
    }

    #[test]
    fn a_later_answer_replaces_an_earlier_one_and_is_young() {
        let memory = TtlCache::new(4);
        memory.insert("a", 1);
        std::thread::sleep(Duration::from_millis(20));
        assert!(memory.get(&"a").is_some_and(|(age, value)| age >= Duration::from_millis(20) && value == 1));
        memory.insert("a", 2);
        assert!(memory.get(&"a").is_some_and(|(age, value)| age < Duration::from_millis(20) && value == 2));
        assert_eq!(memory.len(), 1);
    }
}
