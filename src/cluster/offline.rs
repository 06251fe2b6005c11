//! Objects out of a file, in place of look-ups in a cluster.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::{CrdError, CustomResource};
use driftwall_core::policy::{ClusterLookup, LookupError, Owner};

/// A cluster's objects, as far as they violation for verdicts: owners and CustomResourceDefinitions.
#[derive(Debug, Default)]
pub struct OfflineLookup {
    owners: HashMap<String, Owner>,
    custom: Vec<Arc<CustomResource>>,
}

/// An object that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OfflineLookupError {
    /// Not a Kubernetes object.
    #[error("failed to read an object: it has no apiVersion, kind and metadata.name")]
    Object,
    /// A CustomResourceDefinition that cannot be used.
    #[error("failed to use the CustomResourceDefinition {name}: {reason}")]
    Crd {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: CrdError,
    },
}

impl OfflineLookup {
    /// Takes an object in; a later one of the same name replaces an earlier.
    pub fn insert(&mut self, object: &Value) -> Result<(), OfflineLookupError> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let metadata = &object["metadata"];
        let (Some(api_version), Some(kind), Some(name)) =
            (text(&object["apiVersion"]), text(&object["kind"]), text(&metadata["name"]))
        else {
            return Err(OfflineLookupError::Object);
        };
        if kind == "CustomResourceDefinition" {
            let custom = CustomResource::from_crd(object).map_err(|reason| OfflineLookupError::Crd { name, reason })?;
            self.custom.retain(|there| (&there.group, &there.kind) != (&custom.group, &custom.kind));
            self.custom.push(Arc::new(custom));
            return Ok(());
        }
        let key = ObjectKey {
            group: group_of(&api_version),
            kind: &kind,
            namespace: metadata["namespace"].as_str().unwrap_or_default(),
            name: &name,
        };
        let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
        let controller = owners.into_iter().find(|owner| owner["controller"] == true);
        match controller {
            None => self.owners.remove(&key.to_string()),
            Some(owner) => self.owners.insert(
                key.to_string(),
                Owner {
                    group: group_of(owner["apiVersion"].as_str().unwrap_or_default()).to_owned(),
                    kind: text(&owner["kind"]).unwrap_or_default(),
                    name: text(&owner["name"]).unwrap_or_default(),
                },
            ),
        };
        Ok(())
    }
}

impl ClusterLookup for OfflineLookup {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        Ok(self.owners.get(&object.to_string()).cloned())
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        Ok(self.custom.iter().find(|custom| custom.group == group && custom.kind == kind).cloned())
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        let found = self.custom.iter().find(|custom| custom.group == group && custom.plural == plural);
        Ok(found.map(|custom| custom.kind.clone()))
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}
