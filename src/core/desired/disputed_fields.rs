//! DisputedFields: fields that Git's own hand writes otherwise than the snapshot has
//! them. Then it is our picture that is wrong (another rendering, an older
//! revision), and until the next snapshot nobody is denied by it.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use super::ObjectKey;
use crate::diff::Path;

/// The doubts about one snapshot; they end with it.
#[derive(Debug, Default)]
pub(super) struct DisputedFields(RwLock<Vec<DisputedField>>);

#[derive(Debug, PartialEq)]
struct DisputedField {
    source: String,
    object: String,
    path: Path,
}

/// So many doubts are kept. A picture with more is wrong as a whole.
const MAX_DOUBTS: usize = 10_000;

impl DisputedFields {
    /// Takes a doubt in; whether it is new.
    pub(super) fn add(&self, source: &str, object: ObjectKey<'_>, path: &Path) -> bool {
        let doubt = DisputedField { source: source.to_owned(), object: object.to_string(), path: path.clone() };
        let mut doubts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = doubts.len() < MAX_DOUBTS && !doubts.contains(&doubt);
        if is_new {
            doubts.push(doubt);
        }
        is_new
    }

    /// Whether the field, or something above or below it, is in doubt.
    pub(super) fn concern(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        let doubts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if doubts.is_empty() {
            return false;
        }
        let object = object.to_string();
        let touches = |there: &Path| there.steps().iter().zip(path.steps()).all(|(a, b)| a == b);
        doubts.iter().any(|doubt| doubt.object == object && touches(&doubt.path))
    }

    /// The doubts about a source, in words.
    pub(super) fn of(&self, source: &str) -> BTreeSet<String> {
        let doubts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of = doubts.iter().filter(|doubt| doubt.source == source);
        of.map(|doubt| format!("{}: {}", doubt.object, doubt.path)).collect()
    }
}
