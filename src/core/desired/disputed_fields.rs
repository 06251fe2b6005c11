//! Disputed fields: fields to which a GitOps tool itself gives another value than
//! the snapshot has. Then the snapshot is wrong (another rendering, an older
//! revision), and until the next one nobody is denied because of these fields.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use super::object_key::ObjectKey;
use crate::diff::Path;

/// The disputed fields of one snapshot; they end with it.
#[derive(Debug, Default)]
pub(super) struct DisputedFields(RwLock<Vec<DisputedField>>);

#[derive(Debug, PartialEq)]
struct DisputedField {
    source: String,
    object: String,
    path: Path,
}

/// The most fields that are kept. A snapshot with more is wrong as a whole.
const MAX_FIELDS: usize = 10_000;

impl DisputedFields {
    /// Adds a field; returns whether it is new.
    pub(super) fn add(&self, source: &str, object: ObjectKey<'_>, path: &Path) -> bool {
        let field = DisputedField { source: source.to_owned(), object: object.to_string(), path: path.clone() };
        let mut fields = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = fields.len() < MAX_FIELDS && !fields.contains(&field);
        if is_new {
            fields.push(field);
        }
        is_new
    }

    /// Whether the field, or something above or below it, is disputed.
    pub(super) fn overlap(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        let fields = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if fields.is_empty() {
            return false;
        }
        let object = object.to_string();
        let overlaps = |other: &Path| other.elements().iter().zip(path.elements()).all(|(a, b)| a == b);
        fields.iter().any(|field| field.object == object && overlaps(&field.path))
    }

    /// The disputed fields of a source, each as `OBJECT: PATH`.
    pub(super) fn of(&self, source: &str) -> BTreeSet<String> {
        let fields = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_source = fields.iter().filter(|field| field.source == source);
        of_source.map(|field| format!("{}: {}", field.object, field.path)).collect()
    }
}
