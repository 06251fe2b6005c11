//! Look-ups for one review: none begins when its time is over.

use std::sync::Arc;
use std::time::Instant;

use driftwall_core::admission::Resource;
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{ClusterLookup, LookupError, Owner};
use serde_json::Value;

/// A look-up that answers until the review's deadline.
pub(super) struct DeadlineLookup<'c> {
    pub(super) cluster: &'c dyn ClusterLookup,
    pub(super) deadline: Instant,
}

impl DeadlineLookup<'_> {
    /// Nobody waits for the answer of a review that is answered already.
    fn in_time(&self, what: impl FnOnce() -> String) -> Result<(), LookupError> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(LookupError { what: what(), reason: "the time for the review is over".into() })
    }
}

impl ClusterLookup for DeadlineLookup<'_> {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        self.in_time(|| format!("the owner of {object}"))?;
        self.cluster.owner(object)
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        self.in_time(|| format!("the CustomResourceDefinition of {kind}.{group}"))?;
        self.cluster.custom_resource(group, kind)
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        self.in_time(|| format!("the kind of {plural}.{group}"))?;
        self.cluster.kind_of(group, plural)
    }

    fn object(&self, key: ObjectKey<'_>, resource: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        self.in_time(|| format!("{key}"))?;
        self.cluster.object(key, resource)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use driftwall_core::policy::NoCluster;

    use super::*;

    #[test]
    fn nothing_is_looked_up_when_the_time_is_over() {
        let object = ObjectKey { group: "apps", kind: "ReplicaSet", namespace: "prod", name: "web" };
        for (left, is_asked) in [(Duration::from_mins(1), true), (Duration::ZERO, false)] {
            let lookup = DeadlineLookup { cluster: &NoCluster, deadline: Instant::now() + left };
            assert_eq!(lookup.owner(object).is_ok(), is_asked);
            assert_eq!(lookup.custom_resource("example.org", "Thing").is_ok(), is_asked);
            assert_eq!(lookup.kind_of("apps", "deployments").is_ok(), is_asked);
            assert_eq!(lookup.object(object, &Resource::default()).is_ok(), is_asked);
        }
    }
}
