//! Objects from a file, in place of look-ups in a cluster.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use driftwall_core::admission::Resource;
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::{CrdError, CustomResource};
use driftwall_core::policy::{ClusterLookup, LookupError, Owner, OwnerReference};

/// What a verdict needs to know of a cluster: owners and CustomResourceDefinitions.
#[derive(Debug, Default)]
pub struct OfflineLookup {
    owners: HashMap<String, Owner>,
    /// By key: what can be scaled is asked for.
    objects: HashMap<String, Value>,
    custom_resources: Vec<Arc<CustomResource>>,
}

/// An object that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OfflineLookupError {
    /// It is not a Kubernetes object.
    #[error("failed to read an object: it has no apiVersion, kind and metadata.name")]
    NotAnObject,
    /// It is a CustomResourceDefinition that cannot be used.
    #[error("failed to use the CustomResourceDefinition {name}: {reason}")]
    Crd {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: CrdError,
    },
}

impl OfflineLookup {
    /// Adds an object; it replaces an earlier one of the same name.
    pub fn insert(&mut self, object: &Value) -> Result<(), OfflineLookupError> {
        let metadata = &object["metadata"];
        let (Some(api_version), Some(kind), Some(name)) =
            (object["apiVersion"].as_str(), object["kind"].as_str(), metadata["name"].as_str())
        else {
            return Err(OfflineLookupError::NotAnObject);
        };
        if kind == "CustomResourceDefinition" {
            let custom_resource = CustomResource::from_crd(object)
                .map_err(|reason| OfflineLookupError::Crd { name: name.to_owned(), reason })?;
            self.insert_custom_resource(custom_resource);
            return Ok(());
        }
        let key = ObjectKey {
            group: api_version.split_once('/').map_or("", |(group, _)| group),
            kind,
            namespace: metadata["namespace"].as_str().unwrap_or_default(),
            name,
        };
        // Without usable references it has no owner, as in a cluster.
        let references = Vec::<OwnerReference>::deserialize(&metadata["ownerReferences"]).unwrap_or_default();
        self.objects.insert(key.to_string(), object.clone());
        match Owner::controller(references) {
            Some(owner) => self.owners.insert(key.to_string(), owner),
            None => self.owners.remove(&key.to_string()),
        };
        Ok(())
    }

    fn insert_custom_resource(&mut self, new: CustomResource) {
        self.custom_resources.retain(|old| (&old.group, &old.kind) != (&new.group, &new.kind));
        self.custom_resources.push(Arc::new(new));
    }
}

impl ClusterLookup for OfflineLookup {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        Ok(self.owners.get(&object.to_string()).cloned())
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        Ok(self.custom_resources.iter().find(|custom| custom.group == group && custom.kind == kind).cloned())
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        let custom = self.custom_resources.iter().find(|custom| custom.group == group && custom.plural == plural);
        Ok(custom.map(|custom| custom.kind.clone()))
    }

    fn object(&self, key: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        Ok(self.objects.get(&key.to_string()).cloned())
    }
}
