//! The few fields of an object's metadata that are read before the object is
//! parsed whole.

use serde::Deserialize;

use super::error::EvaluationError;
use super::lookup::{Owner, OwnerReference};

/// Owners of an object that are looked for: nothing has more, but anybody can write thousands.
const MAX_OWNERS: usize = 16;

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
pub(super) fn metadata_of(json: Option<&str>) -> Result<Metadata, EvaluationError> {
    let Some(json) = json else { return Ok(Metadata::default()) };
    let object: Object = serde_json::from_str(json).map_err(|error| EvaluationError::Metadata(error.column()))?;
    Ok(object.metadata)
}

/// The name in an object's metadata; empty where the server is still to generate one.
pub(super) fn name_of(json: Option<&str>) -> Result<String, EvaluationError> {
    Ok(metadata_of(json)?.name.unwrap_or_default())
}

impl Metadata {
    /// The owner that manages the object.
    pub(super) fn controller(self) -> Option<Owner> {
        Owner::controller(self.owner_references.unwrap_or_default())
    }

    /// The owners, as many as are worth looking for: each may cost a look-up. The one
    /// that manages the object is first.
    pub(super) fn owners(self) -> impl Iterator<Item = Owner> {
        let mut references = self.owner_references.unwrap_or_default();
        references.sort_by_key(|reference| reference.controller != Some(true));
        references.into_iter().take(MAX_OWNERS).map(Owner::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_many_owners_the_controller_and_a_few_are_looked_for() {
        let mut references: Vec<_> =
            (0..8000).map(|n| json!({"apiVersion": "v1", "kind": "Pod", "name": format!("p{n}")})).collect();
        references.push(json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": true}));
        let object = json!({"metadata": {"ownerReferences": references}}).to_string();
        let names: Vec<_> = metadata_of(Some(&object)).unwrap().owners().map(|owner| owner.name).collect();
        assert_eq!((names.len(), &*names[0], &*names[1]), (MAX_OWNERS, "web", "p0"));
    }
}
