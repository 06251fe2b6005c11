//! What only the cluster knows, behind one small trait: a live cluster answers
//! it, or the objects given to `check`, or nothing.

use std::sync::Arc;

use crate::desired::ObjectKey;
use crate::diff::CustomResource;

/// Looks things up in the cluster. Asked only for writes that identity and Git
/// have not settled.
pub trait ClusterLookup: Send + Sync {
    /// The controller owner of an object; `None` where it has none, or is not there.
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError>;

    /// A kind that a CustomResourceDefinition defines.
    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError>;

    /// The kind behind a plural.
    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError>;
}

/// The controller owner that an object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owner's API group.
    pub group: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name; it is in the same namespace, or in none.
    pub name: String,
}

/// A look-up that failed, in words for the log.
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
}
