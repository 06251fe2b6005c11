//! Declared objects that were parsed lately: those that are written again and again
//! are parsed once.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::declared::Declared;

/// How many objects are kept.
const PLACES: usize = 128;
/// Bytes of text of an object that is kept. Its value takes some ten times as many: all
/// together some megabytes at most.
const MAX_TEXT_BYTES: usize = 4096;

/// Declared objects that were parsed lately, each at the place that its address gives it.
#[derive(Debug)]
pub(super) struct ParsedObjects {
    places: Box<[Mutex<Option<Parsed>>]>,
}

/// An object with its value. It is kept itself, so that no other one gets its address.
#[derive(Debug)]
struct Parsed {
    declared: Arc<Declared>,
    object: Arc<Value>,
}

impl Default for ParsedObjects {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }
}

impl ParsedObjects {
    /// The value of an object.
    pub(super) fn get(&self, declared: &Arc<Declared>) -> Arc<Value> {
        if declared.text_bytes() > MAX_TEXT_BYTES {
            return Arc::new(declared.object());
        }
        let place = &self.places[place_of(declared)];
        // Whoever panicked with the lock held left an object or none.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match &*place {
            Some(parsed) if Arc::ptr_eq(&parsed.declared, declared) => Arc::clone(&parsed.object),
            _ => {
                let object = Arc::new(declared.object());
                *place = Some(Parsed { declared: Arc::clone(declared), object: Arc::clone(&object) });
                object
            }
        }
    }
}

/// The place of an object. Objects that were read together stand at regular distances, so all
/// bits of the address have to count (Fibonacci hashing).
fn place_of(declared: &Arc<Declared>) -> usize {
    let hash = Arc::as_ptr(declared).addr().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (hash >> (usize::BITS - 16)) % PLACES
}
