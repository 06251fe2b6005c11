//! What only the cluster knows, behind one small trait. A live cluster answers
//! it, or the objects given to `driftwall check`, or nothing does.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::admission::Resource;
use crate::desired::ObjectKey;
use crate::diff::CustomResource;

/// Looks things up in the cluster. Used only when the writer and Git do not
/// settle the verdict.
pub trait ClusterLookup: Send + Sync {
    /// The controller owner of an object; `None` where it has none, or does not exist.
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError>;

    /// The definition of a kind; `None` where no CustomResourceDefinition defines it.
    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError>;

    /// The kind with this plural; `None` where there is none.
    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError>;

    /// An object as it is stored now, in the version of `resource`; `None` where it does not exist. `key` and
    /// `resource` are of the same object: a review of its `scale` brings nothing else of it.
    fn object(&self, key: ObjectKey<'_>, resource: &Resource<'_>) -> Result<Option<Value>, LookupError>;

    /// The same for those who cannot wait: what would have to be asked for fails. `None` where nothing ever has to.
    fn known(&self) -> Option<&dyn ClusterLookup> {
        None
    }
}

/// An owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owner's API group.
    pub group: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name; it is in the namespace of the object, or in none.
    pub name: String,
}

/// An entry of an object's `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// The owner's group and version.
    pub api_version: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// Whether this owner manages the object; at most one does.
    pub controller: Option<bool>,
}

impl Owner {
    /// The owner that manages the object: the one that is marked as its controller.
    pub fn controller(references: impl IntoIterator<Item = OwnerReference>) -> Option<Self> {
        references.into_iter().find(|reference| reference.controller == Some(true)).map(Self::from)
    }
}

impl From<OwnerReference> for Owner {
    fn from(reference: OwnerReference) -> Self {
        let OwnerReference { api_version, kind, name, .. } = reference;
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        Self { group, kind, name }
    }
}

/// A look-up that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to look up {what}: {reason}")]
pub struct LookupError {
    /// What was looked for.
    pub what: String,
    /// Why it failed.
    pub reason: String,
}

/// A cluster of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCluster;

impl ClusterLookup for NoCluster {
    fn owner(&self, _: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        Ok(None)
    }

    fn custom_resource(&self, _: &str, _: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        Ok(None)
    }

    fn kind_of(&self, _: &str, _: &str) -> Result<Option<String>, LookupError> {
        Ok(None)
    }

    fn object(&self, _: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        Ok(None)
    }
}
