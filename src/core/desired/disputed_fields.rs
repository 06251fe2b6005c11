//! Disputed fields: fields to which a GitOps tool itself gives another value than
//! the snapshot has. Then the snapshot is wrong (another rendering, an older
//! revision), and nobody is denied because of these fields until the source has
//! another commit or the tool writes the snapshot's value.

use std::collections::BTreeSet;

use super::object_key::ObjectKey;
use crate::diff::Path;

/// The disputed fields of one source at one commit.
#[derive(Clone, Debug, Default)]
pub struct DisputedFields(Vec<DisputedField>);

/// A field of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct DisputedField {
    /// The object, as [`ObjectKey`] is displayed.
    pub object: String,
    /// The field.
    pub path: Path,
    /// The user that wrote another value: the tool. Another tool cannot settle it.
    pub user: String,
}

/// The most fields that are kept. A source with more is wrong as a whole.
const MAX_FIELDS: usize = 10_000;

impl DisputedFields {
    /// Adds a field; returns whether it is new.
    pub fn add(&mut self, field: DisputedField) -> bool {
        let is_new = self.0.len() < MAX_FIELDS && !self.0.contains(&field);
        if is_new {
            self.0.push(field);
        }
        is_new
    }

    /// Takes a field away again; returns whether it was there.
    pub fn remove(&mut self, field: &DisputedField) -> bool {
        let before = self.0.len();
        self.0.retain(|other| other != field);
        self.0.len() < before
    }

    /// The disputed fields of an object.
    pub fn of_object(&self, object: ObjectKey<'_>) -> Vec<&DisputedField> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let object = object.to_string();
        self.0.iter().filter(|field| field.object == object).collect()
    }

    /// Whether the field, or something above or below it, is disputed.
    pub fn overlap(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let object = object.to_string();
        self.0.iter().any(|field| field.object == object && field.path.overlaps(path))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields, each as `OBJECT: PATH`.
    pub fn display(&self) -> BTreeSet<String> {
        self.0.iter().map(|DisputedField { object, path, .. }| format!("{object}: {path}")).collect()
    }
}
