//! Looks up owners, kinds and CustomResourceDefinitions in a live cluster when a
//! verdict needs them, and caches the answers. An object of which a review brings only
//! the `scale` is looked up anew each time.
//!
//! A look-up needs the right to `get` what it looks for: replicasets, jobs and
//! whatever else owns pods or other objects, what can be scaled, and customresourcedefinitions.

mod blocking;
mod cache;
mod definition;
pub(in crate::cluster) mod discovery;
mod error;
mod known;
mod openapi;
mod shares;
#[cfg(test)]
mod tests;
mod ttl_cache;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::Value;
use tokio::runtime::Handle;

use blocking::BlockingLookup;
use cache::LookupCache;
use discovery::ApiGroup;
use error::LookupFailure;
use known::KnownAnswers;

use super::ClusterContext;
use driftwall_core::admission::Resource;
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{ClusterLookup, LookupError, Owner};

/// How long a review waits for one look-up. The API server waits for the whole
/// review some seconds, and an owner chain takes several look-ups.
const WAIT_TIMEOUT: Duration = Duration::from_millis(750);

/// Look-ups in a cluster, through its API server.
pub struct ApiLookup {
    blocking: BlockingLookup,
    cache: Arc<LookupCache>,
    known: KnownAnswers,
}

impl ApiLookup {
    /// Looks up in the cluster that driftwall runs in. Must be called on a Tokio runtime.
    pub fn from_context(context: &ClusterContext) -> Self {
        Self::new(context.lookup_client.clone(), Handle::current())
    }

    /// Looks up in the cluster that `client` reaches; the look-ups run on `runtime`.
    pub fn new(client: Client, runtime: Handle) -> Self {
        Self::with_timeout(client, runtime, WAIT_TIMEOUT)
    }

    fn with_timeout(client: Client, runtime: Handle, wait_timeout: Duration) -> Self {
        let cache = Arc::new(LookupCache::new(client));
        let known = KnownAnswers(Arc::clone(&cache));
        Self { blocking: BlockingLookup::new(runtime, wait_timeout), cache, known }
    }
}

impl ClusterLookup for ApiLookup {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        let id = object.to_string();
        if let Ok(owner) = self.cache.cached_owner(&id) {
            return Ok(owner);
        }
        let cache = Arc::clone(&self.cache);
        let [group, kind, namespace, name] =
            [object.group, object.kind, object.namespace, object.name].map(str::to_owned);
        let lookup = async move { cache.owner(id, &group, &kind, &namespace, &name).await };
        self.blocking
            .wait(object.group, lookup)
            .map_err(|failure| lookup_error(format!("the owner of {object}"), &failure))
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        // The group of a custom resource has a dot.
        if !group.contains('.') {
            return Ok(None);
        }
        let id = (group.to_owned(), kind.to_owned());
        if let Ok(custom_resource) = self.cache.cached_custom_resource(&id) {
            return Ok(custom_resource);
        }
        let (cache, task_id) = (Arc::clone(&self.cache), id.clone());
        match self.blocking.wait(group, async move { cache.custom_resource(task_id).await }) {
            Ok(custom_resource) => Ok(custom_resource),
            Err(failure) => match self.cache.stale_custom_resource(id) {
                Some(stale) => Ok(Some(stale)),
                None => Err(lookup_error(format!("the CustomResourceDefinition of {kind}.{group}"), &failure)),
            },
        }
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        if let Ok(kind) = self.cache.cached_kind(group, |kinds| kind_with_plural(kinds, plural)) {
            return Ok(kind);
        }
        let cache = Arc::clone(&self.cache);
        let [task_group, task_plural] = [group, plural].map(str::to_owned);
        let lookup = async move { cache.kind(&task_group, |kinds| kind_with_plural(kinds, &task_plural)).await };
        self.blocking
            .wait(group, lookup)
            .map_err(|failure| lookup_error(format!("the kind of {plural}.{group}"), &failure))
    }

    fn object(&self, key: ObjectKey<'_>, resource: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        let cache = Arc::clone(&self.cache);
        let kind = GroupVersionKind::gvk(&resource.group, &resource.version, key.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &resource.plural);
        let [namespace, name] = [key.namespace, key.name].map(str::to_owned);
        self.blocking
            .wait(key.group, async move { cache.object(&resource, &namespace, &name).await })
            .map_err(|failure| lookup_error(format!("{key}"), &failure))
    }

    fn known(&self) -> Option<&dyn ClusterLookup> {
        Some(&self.known)
    }
}

fn kind_with_plural(group: &ApiGroup, plural: &str) -> Option<String> {
    group.by_plural(plural).map(|resource| resource.api.kind.clone())
}

fn lookup_error(what: String, failure: &LookupFailure) -> LookupError {
    LookupError { what, reason: failure.to_string() }
}
