//! Answers of the API server, cached for as long as they are believed.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use kube::Client;
use kube::core::ApiResource;
use serde_json::Value;

use super::definition::{Definition, read_crd};
use super::discovery::{ApiGroup, Resource};
use super::error::LookupFailure;
use super::openapi::read_openapi;
use super::ttl_cache::TtlCache;
use crate::cluster::api_error::{ApiError, none_if_not_found};
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{Owner, OwnerReference};

/// An owner hardly ever changes: objects are created by their owner, and are deleted with it.
const OWNER_TTL: Duration = Duration::from_mins(10);
/// What has no owner, or does not exist, may soon have one.
const NO_OWNER_TTL: Duration = Duration::from_secs(15);
/// About 200 bytes each.
const MAX_OWNERS: usize = 20_000;

/// How long the kinds of a group are believed.
const KIND_TTL: Duration = Duration::from_mins(10);
/// How long it is believed that a kind does not exist.
const NO_KIND_TTL: Duration = Duration::from_secs(30);
const MAX_GROUPS: usize = 512;

/// After this a definition is checked, and read again where it has changed.
const DEFINITION_TTL: Duration = Duration::from_mins(5);
/// How long it is believed that a kind has no definition.
const NO_DEFINITION_TTL: Duration = Duration::from_secs(30);
/// Only kinds that Git declares, or that belong to what it declares, are looked up.
const MAX_DEFINITIONS: usize = 512;

pub(super) struct LookupCache {
    client: Client,
    /// By the object's key.
    owners: TtlCache<String, Option<Owner>>,
    groups: TtlCache<String, Arc<ApiGroup>>,
    /// By group and kind.
    definitions: TtlCache<(String, String), Option<Definition>>,
    /// Definitions can be large: one is read at a time.
    reading: tokio::sync::Mutex<()>,
}

/// The answer is not in the cache, or too old: the API server must be asked.
pub(super) struct CacheMiss;

impl LookupCache {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            owners: TtlCache::new(MAX_OWNERS),
            groups: TtlCache::new(MAX_GROUPS),
            definitions: TtlCache::new(MAX_DEFINITIONS),
            reading: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn cached_owner(&self, id: &String) -> Result<Option<Owner>, CacheMiss> {
        fresh(self.owners.get(id), OWNER_TTL, NO_OWNER_TTL)
    }

    pub(super) async fn owner(
        &self,
        id: String,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Owner>, LookupFailure> {
        let resource = self.kind(group, |kinds| kinds.by_kind(kind).cloned()).await?;
        let api = resource.and_then(|resource| resource.api_for(&self.client, namespace, name));
        let owner = match api {
            // Metadata alone: it is enough, and the object may be large or secret.
            Some(api) => match none_if_not_found(api.get_metadata(name).await)? {
                Some(object) => {
                    Owner::controller(object.metadata.owner_references.into_iter().flatten().map(reference))
                }
                None => None,
            },
            None => None,
        };
        self.owners.insert(id, owner.clone());
        Ok(owner)
    }

    /// An object as it is stored now; never cached.
    pub(super) async fn object(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, LookupFailure> {
        let is_namespaced = !namespace.is_empty();
        let Some(api) = Resource::new(resource.clone(), is_namespaced).api_for(&self.client, namespace, name) else {
            return Ok(None);
        };
        let object = none_if_not_found(api.get(name).await)?;
        Ok(object.and_then(|object| serde_json::to_value(object).ok()))
    }

    /// What `find` finds among the cached kinds of a group.
    pub(super) fn cached_kind<T>(
        &self,
        group: &str,
        find: impl Fn(&ApiGroup) -> Option<T>,
    ) -> Result<Option<T>, CacheMiss> {
        let entry = self.groups.get(&group.to_owned());
        fresh(entry.map(|(age, kinds)| (age, find(&kinds))), KIND_TTL, NO_KIND_TTL)
    }

    /// What `find` finds among the kinds of a group.
    pub(super) async fn kind<T>(
        &self,
        group: &str,
        find: impl Fn(&ApiGroup) -> Option<T>,
    ) -> Result<Option<T>, LookupFailure> {
        if let Ok(found) = self.cached_kind(group, &find) {
            return Ok(found);
        }
        let kinds = Arc::new(ApiGroup::read(&self.client, group).await?);
        let found = find(&kinds);
        self.groups.insert(group.to_owned(), kinds);
        Ok(found)
    }

    pub(super) fn cached_custom_resource(
        &self,
        id: &(String, String),
    ) -> Result<Option<Arc<CustomResource>>, CacheMiss> {
        let definition = fresh(self.definitions.get(id), DEFINITION_TTL, NO_DEFINITION_TTL)?;
        Ok(definition.map(|definition| definition.custom_resource))
    }

    pub(super) async fn custom_resource(
        &self,
        id: (String, String),
    ) -> Result<Option<Arc<CustomResource>>, LookupFailure> {
        let _reading = self.reading.lock().await;
        // Another look-up may have read it meanwhile.
        if let Ok(custom_resource) = self.cached_custom_resource(&id) {
            return Ok(custom_resource);
        }
        let before = self.definitions.get(&id).and_then(|(_, definition)| definition);
        let definition = self.read_definition(&id, before.as_ref()).await?;
        self.definitions.insert(id, definition.clone());
        Ok(definition.map(|definition| definition.custom_resource))
    }

    /// A definition that is too old: better than none while the API server does not
    /// answer. It counts as new then, so that it is not asked for again at once.
    pub(super) fn stale_custom_resource(&self, id: (String, String)) -> Option<Arc<CustomResource>> {
        let (_, definition) = self.definitions.get(&id)?;
        let custom_resource = Arc::clone(&definition.as_ref()?.custom_resource);
        self.definitions.insert(id, definition);
        Some(custom_resource)
    }

    /// Reads a definition; one that did not change since `before` is not read again.
    pub(super) async fn read_definition(
        &self,
        (group, kind): &(String, String),
        before: Option<&Definition>,
    ) -> Result<Option<Definition>, LookupFailure> {
        let Some(resource) = self.kind(group, |kinds| kinds.by_kind(kind).cloned()).await? else {
            return Ok(None);
        };
        match read_crd(&self.client, &resource, before).await {
            Ok(Some(definition)) => Ok(Some(definition)),
            Ok(None) => read_openapi(&self.client, &resource, before).await,
            // Without the right to read definitions, driftwall may still read what the API server describes.
            Err(refused @ LookupFailure::Api(ApiError::Refused { code: 403, .. })) => {
                match read_openapi(&self.client, &resource, before).await? {
                    Some(definition) => Ok(Some(definition)),
                    None => Err(refused),
                }
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The value of a cache entry, unless it is older than values may be, or `None`s.
fn fresh<T>(
    entry: Option<(Duration, Option<T>)>,
    some_ttl: Duration,
    none_ttl: Duration,
) -> Result<Option<T>, CacheMiss> {
    let (age, value) = entry.ok_or(CacheMiss)?;
    let ttl = if value.is_some() { some_ttl } else { none_ttl };
    if age < ttl { Ok(value) } else { Err(CacheMiss) }
}

fn reference(reference: meta::OwnerReference) -> OwnerReference {
    let meta::OwnerReference { api_version, kind, name, controller, .. } = reference;
    OwnerReference { api_version, kind, name, controller }
}
