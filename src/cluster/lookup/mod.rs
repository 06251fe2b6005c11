//! A live cluster: owners, kinds and CustomResourceDefinitions, asked for when a
//! verdict needs them, and remembered.
//!
//! A look-up needs the right to `get` what it looks for: replicasets, jobs and
//! whatever else owns pods or other objects, and customresourcedefinitions.

mod blocking;
pub(in crate::cluster) mod discovery;
mod openapi;
#[cfg(test)]
mod tests;
mod ttl_cache;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::core::PartialObjectMeta;
use serde_json::Value;
use tokio::runtime::Handle;

use super::api_error::{ApiError, found};
use blocking::BlockingLookup;
use discovery::{Group, get, get_metadata};
use ttl_cache::TtlCache;

use super::ClusterContext;
use driftwall_core::desired::ObjectKey;
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{ClusterLookup, LookupError, Owner};

/// How long a review waits for one look-up: the API server waits for the whole
/// review some seconds, and an owner chain takes several.
const LONGEST: Duration = Duration::from_millis(750);

/// An owner hardly ever changes: objects are made by their owner, and go with it.
const OWNED: Duration = Duration::from_mins(10);
/// What has no owner, or is not there, may soon have one.
const UNOWNED: Duration = Duration::from_secs(15);
/// About 200 bytes each.
const OWNERS: usize = 20_000;

/// How long the kinds of a group are believed.
const KINDS: Duration = Duration::from_mins(10);
/// How long it is believed that a kind is not there.
const NO_KIND: Duration = Duration::from_secs(30);
const GROUPS: usize = 512;

/// A definition is looked at again after this, and read again where it has changed.
const DEFINED: Duration = Duration::from_mins(5);
/// How long it is believed that a kind has no definition.
const UNDEFINED: Duration = Duration::from_secs(30);
/// Only kinds that Git declares, or that belong to what it declares, are asked for.
const DEFINITIONS: usize = 512;

/// A cluster, behind its API server.
pub struct ApiLookup {
    bridge: BlockingLookup,
    known: Arc<LookupCache>,
}

struct LookupCache {
    client: Client,
    owners: TtlCache<String, Option<Owner>>,
    groups: TtlCache<String, Arc<Group>>,
    definitions: TtlCache<(String, String), Option<Definition>>,
    /// Definitions can be large: one is read at a time.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Definition {
    /// The `resourceVersion` that was read.
    version: String,
    custom: Arc<CustomResource>,
}

/// The answer is not remembered, or too old: the API server must be asked.
struct CacheMiss;

impl ApiLookup {
    /// The cluster that driftwall is in. Must be called on a runtime.
    pub fn from_context(home: &ClusterContext) -> Self {
        Self::new(home.lookup_client.clone(), Handle::current())
    }

    /// A cluster that `client` reaches; look-ups run on `runtime`.
    pub fn new(client: Client, runtime: Handle) -> Self {
        Self::within(client, runtime, LONGEST)
    }

    fn within(client: Client, runtime: Handle, longest: Duration) -> Self {
        let known = LookupCache {
            client,
            owners: TtlCache::new(OWNERS),
            groups: TtlCache::new(GROUPS),
            definitions: TtlCache::new(DEFINITIONS),
            reading: tokio::sync::Mutex::new(()),
        };
        Self { bridge: BlockingLookup::new(runtime, longest), known: Arc::new(known) }
    }
}

impl ClusterLookup for ApiLookup {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        let id = object.to_string();
        if let Ok(owner) = self.known.cached_owner(&id) {
            return Ok(owner);
        }
        let known = Arc::clone(&self.known);
        let [group, kind, namespace, name] =
            [object.group, object.kind, object.namespace, object.name].map(str::to_owned);
        let look_up = async move { known.owner(id, &group, &kind, &namespace, &name).await };
        self.bridge.wait(object.group, look_up).map_err(|fault| failed(format!("the owner of {object}"), &fault))
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        // The group of a custom resource has a dot.
        if !group.contains('.') {
            return Ok(None);
        }
        let id = (group.to_owned(), kind.to_owned());
        if let Ok(custom) = self.known.cached_crd(&id) {
            return Ok(custom);
        }
        let (known, asked) = (Arc::clone(&self.known), id.clone());
        let found = self.bridge.wait(group, async move { known.custom(asked).await });
        found.or_else(|fault| {
            let what = format!("the CustomResourceDefinition of {kind}.{group}");
            self.known.stale_crd(id).map(Some).ok_or_else(|| failed(what, &fault))
        })
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        let is_it = |group: &Group| group.by_plural(plural).map(|resource| resource.kind.clone());
        if let Ok(kind) = self.known.cached_kind(group, is_it) {
            return Ok(kind);
        }
        let known = Arc::clone(&self.known);
        let [of, name] = [group, plural].map(str::to_owned);
        let look_up = async move {
            let find = |group: &Group| group.by_plural(&name).map(|resource| resource.kind.clone());
            known.kind(&of, find).await
        };
        self.bridge.wait(group, look_up).map_err(|fault| failed(format!("the kind of {plural}.{group}"), &fault))
    }
}

fn failed(what: String, fault: &ApiError) -> LookupError {
    LookupError { what, reason: fault.to_string() }
}

impl LookupCache {
    fn cached_owner(&self, id: &String) -> Result<Option<Owner>, CacheMiss> {
        let (age, owner) = self.owners.get(id).ok_or(CacheMiss)?;
        if age < if owner.is_some() { OWNED } else { UNOWNED } { Ok(owner) } else { Err(CacheMiss) }
    }

    async fn owner(
        &self,
        id: String,
        group: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Owner>, ApiError> {
        let resource = self.kind(group, |group| group.by_kind(kind).cloned()).await?;
        let owner = match resource.and_then(|resource| resource.path(namespace, name)) {
            Some(path) => self.metadata(&path).await?.and_then(|object| controller(&object)),
            None => None,
        };
        self.owners.insert(id, owner.clone());
        Ok(owner)
    }

    async fn metadata(&self, path: &str) -> Result<Option<PartialObjectMeta>, ApiError> {
        found(self.client.request(get_metadata(path)?).await)
    }

    fn cached_kind<T>(&self, group: &str, find: impl Fn(&Group) -> Option<T>) -> Result<Option<T>, CacheMiss> {
        let (age, group) = self.groups.get(&group.to_owned()).ok_or(CacheMiss)?;
        let found = find(&group);
        if age < if found.is_some() { KINDS } else { NO_KIND } { Ok(found) } else { Err(CacheMiss) }
    }

    async fn kind<T>(&self, name: &str, find: impl Fn(&Group) -> Option<T>) -> Result<Option<T>, ApiError> {
        if let Ok(found) = self.cached_kind(name, &find) {
            return Ok(found);
        }
        let group = Arc::new(Group::read(&self.client, name).await?);
        let found = find(&group);
        self.groups.insert(name.to_owned(), group);
        Ok(found)
    }

    fn cached_crd(&self, id: &(String, String)) -> Result<Option<Arc<CustomResource>>, CacheMiss> {
        let (age, definition) = self.definitions.get(id).ok_or(CacheMiss)?;
        let longest = if definition.is_some() { DEFINED } else { UNDEFINED };
        if age < longest { Ok(definition.map(|definition| definition.custom)) } else { Err(CacheMiss) }
    }

    async fn custom(&self, id: (String, String)) -> Result<Option<Arc<CustomResource>>, ApiError> {
        let _one = self.reading.lock().await;
        // Another look-up may have read it meanwhile.
        if let Ok(custom) = self.cached_crd(&id) {
            return Ok(custom);
        }
        let before = self.definitions.get(&id).and_then(|(_, definition)| definition);
        let definition = self.definition(&id, before.as_ref()).await?;
        self.definitions.insert(id, definition.clone());
        Ok(definition.map(|definition| definition.custom))
    }

    /// What a definition was some minutes ago: better than nothing, and not asked for again at once.
    fn stale_crd(&self, id: (String, String)) -> Option<Arc<CustomResource>> {
        let (_, definition) = self.definitions.get(&id)?;
        let custom = Arc::clone(&definition.as_ref()?.custom);
        self.definitions.insert(id, definition);
        Some(custom)
    }

    /// Reads a definition; one that has not changed is not read again.
    async fn definition(
        &self,
        (group, kind): &(String, String),
        before: Option<&Definition>,
    ) -> Result<Option<Definition>, ApiError> {
        let Some(resource) = self.kind(group, |group| group.by_kind(kind).cloned()).await? else {
            return Ok(None);
        };
        let plural = &resource.plural;
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}");
        if let Some(before) = before {
            let now = self.metadata(&path).await.ok().flatten().and_then(|object| object.metadata.resource_version);
            if now.as_ref() == Some(&before.version) {
                return Ok(Some(before.clone()));
            }
        }
        let object: Option<Value> = match found(self.client.request(get(&path)?).await) {
            Ok(object) => object,
            // Whoever may not read definitions may still read what the API server describes.
            Err(refused @ ApiError::Refused { code: 403, .. }) => {
                return self.described(&resource, before).await?.map(Some).ok_or(refused);
            }
            Err(fault) => return Err(fault),
        };
        let Some(object) = object else { return self.described(&resource, before).await };
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        Ok(Some(Definition { version, custom: Arc::new(CustomResource::from_crd(&object)?) }))
    }
}

/// The owner that an object's metadata calls its controller.
fn controller(object: &PartialObjectMeta) -> Option<Owner> {
    let mut owners = object.metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true))?;
    let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
    Some(Owner { group: group.to_owned(), kind: owner.kind.clone(), name: owner.name.clone() })
}
