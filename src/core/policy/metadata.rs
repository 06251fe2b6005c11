//! The few fields of an object's metadata that are read before the object is
//! parsed whole.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::EvaluationError;
use super::lookup::{Owner, OwnerReference};

/// Metadata of an object in a review.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    name: Option<String>,
    pub(super) deletion_timestamp: Option<String>,
    owner_references: Option<Vec<OwnerReference>>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
}

/// Reads an object's metadata, and nothing else of it.
pub(super) fn metadata_of(raw: Option<&RawValue>) -> Result<Metadata, EvaluationError> {
    let Some(raw) = raw else { return Ok(Metadata::default()) };
    let object: Object = serde_json::from_str(raw.get()).map_err(|error| EvaluationError::Metadata(error.column()))?;
    Ok(object.metadata)
}

/// The name in an object's metadata; empty where the server is still to generate one.
pub(super) fn name_of(raw: Option<&RawValue>) -> Result<String, EvaluationError> {
    Ok(metadata_of(raw)?.name.unwrap_or_default())
}

impl Metadata {
    /// The owner that manages the object.
    pub(super) fn controller(self) -> Option<Owner> {
        Owner::controller(self.owner_references.unwrap_or_default())
    }

    /// All owners.
    pub(super) fn owners(self) -> impl Iterator<Item = Owner> {
        self.owner_references.unwrap_or_default().into_iter().map(Owner::from)
    }
}
