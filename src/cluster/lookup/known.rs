//! What is known of a cluster without asking it.

use std::sync::Arc;

use serde_json::Value;

use super::cache::{CacheMiss, LookupCache};
use super::kind_with_plural;
use driftwall_core::admission::Resource;
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{ClusterLookup, LookupError, Owner};

/// Answers that were given a moment ago.
pub(super) struct KnownAnswers(pub(super) Arc<LookupCache>);

impl ClusterLookup for KnownAnswers {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        self.0.cached_owner(&object.to_string()).map_err(|_: CacheMiss| unknown(format!("the owner of {object}")))
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        // The group of a custom resource has a dot.
        if !group.contains('.') {
            return Ok(None);
        }
        let known = self.0.cached_custom_resource(&(group.to_owned(), kind.to_owned()));
        known.map_err(|_: CacheMiss| unknown(format!("the CustomResourceDefinition of {kind}.{group}")))
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        let known = self.0.cached_kind(group, |kinds| kind_with_plural(kinds, plural));
        known.map_err(|_: CacheMiss| unknown(format!("the kind of {plural}.{group}")))
    }

    fn object(&self, key: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        // It is read as it is now, each time.
        Err(unknown(key.to_string()))
    }
}

fn unknown(what: String) -> LookupError {
    LookupError { what, reason: "it is not known yet".to_owned() }
}
