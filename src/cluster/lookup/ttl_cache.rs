//! A bounded cache of answers, each with its age.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bounded cache. It tells the age of an entry; the caller decides how old an
/// entry may be.
///
/// Entries live in two generations: when the young one is full, it becomes the old
/// one, and the old entries that were not read since are dropped.
#[derive(Debug)]
pub(super) struct TtlCache<K, V>(Mutex<Generations<K, V>>);

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (Instant, V)>,
    old: HashMap<K, (Instant, V)>,
    /// Entries of one generation.
    capacity: usize,
}

impl<K: Eq + Hash, V: Clone> TtlCache<K, V> {
    /// A cache of at most `max_entries`.
    pub(super) fn new(max_entries: usize) -> Self {
        let capacity = max_entries.div_ceil(2);
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new(), capacity }))
    }

    /// An entry and its age.
    pub(super) fn get(&self, key: &K) -> Option<(Duration, V)> {
        // A panic with the lock held leaves no entry half-written, so a poisoned lock is as good as any.
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, entry)) = generations.old.remove_entry(key) {
            generations.insert(key, entry);
        }
        generations.young.get(key).map(|(since, value)| (since.elapsed(), value.clone()))
    }

    /// Adds or replaces an entry, whose age begins now.
    pub(super) fn insert(&self, key: K, value: V) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.old.remove(&key);
        generations.insert(key, (Instant::now(), value));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = self.0.lock().unwrap();
        generations.young.len() + generations.old.len()
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, key: K, entry: (Instant, V)) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_within_its_bounds_and_keeps_what_is_read() {
        let cache = TtlCache::new(10);
        cache.insert(0, "read often");
        for key in 1..1_000 {
            cache.insert(key, "written once");
            assert_eq!(cache.get(&0).map(|(_, value)| value), Some("read often"), "{key}");
            assert!(cache.len() <= 10, "{}", cache.len());
        }
        assert!(cache.get(&1).is_none());
        assert!(cache.get(&999).is_some());
    }

    #[test]
    fn a_replaced_entry_is_new_again() {
        let cache = TtlCache::new(4);
        cache.insert("a", 1);
        std::thread::sleep(Duration::from_millis(20));
        assert!(cache.get(&"a").is_some_and(|(age, value)| age >= Duration::from_millis(20) && value == 1));
        cache.insert("a", 2);
        assert!(cache.get(&"a").is_some_and(|(age, value)| age < Duration::from_millis(20) && value == 2));
        assert_eq!(cache.len(), 1);
    }
}
