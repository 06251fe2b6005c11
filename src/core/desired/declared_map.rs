//! Declared objects by their keys, which are not kept a second time.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::declared::Declared;
use super::object_key::ObjectKey;

/// Declared objects by their keys.
#[derive(Debug, Default)]
pub(super) struct DeclaredMap {
    entries: HashTable<Entry>,
    hashes: DefaultHashBuilder,
}

/// A declared object, and where it is declared.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) declared: Arc<Declared>,
    /// The index of its source.
    pub(super) source: usize,
    /// Whether its key has no namespace.
    pub(super) is_cluster_scoped: bool,
}

impl Entry {
    fn key(&self) -> ObjectKey<'_> {
        let key = self.declared.key();
        if self.is_cluster_scoped { key.without_namespace() } else { key }
    }
}

impl DeclaredMap {
    /// An empty map with room for so many objects: to grow, it reads all keys again.
    pub(super) fn with_capacity(objects: usize) -> Self {
        Self { entries: HashTable::with_capacity(objects), hashes: DefaultHashBuilder::default() }
    }

    /// The object of this key.
    pub(super) fn get(&self, key: ObjectKey<'_>) -> Option<&Entry> {
        self.entries.find(self.hashes.hash_one(key), |entry| entry.key() == key)
    }

    /// Adds an object. Where there is one of the same key, that one stays, and is returned.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<&Entry> {
        let Self { entries, hashes } = self;
        let hash = hashes.hash_one(entry.key());
        let key = entry.key();
        match entries.entry(hash, |other| other.key() == key, |other| hashes.hash_one(other.key())) {
            hashbrown::hash_table::Entry::Occupied(first) => Some(first.into_mut()),
            hashbrown::hash_table::Entry::Vacant(place) => {
                place.insert(entry);
                None
            }
        }
    }

    /// All objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}
