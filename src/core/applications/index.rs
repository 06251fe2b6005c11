//! Which object belongs to which application: an immutable index, of which the next one shares all that does
//! not change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use super::application::{Account, Application, ApplicationName, ListedObject};
use crate::desired::{DeclaredResource, ObjectKey, kinds};

/// Parts of the index: a change of one application copies those that its objects are in.
const SHARDS: usize = 256;

/// All applications that deploy to this cluster, and what they deploy.
#[derive(Clone, Debug)]
pub struct Applications {
    by_name: BTreeMap<Arc<ApplicationName>, Arc<Application>>,
    /// By the hash of an object's key.
    shards: Vec<Arc<Shard>>,
    /// How many objects are listed, by namespace.
    namespaces: Arc<HashMap<Box<str>, usize>>,
    /// How many objects are listed, by group, kind and version.
    kinds: Arc<BTreeMap<Listed, usize>>,
    /// For which applications an account writes.
    accounts: Arc<HashMap<Account, BTreeSet<Arc<ApplicationName>>>>,
    unlisted_releases: usize,
}

/// By [`ObjectKey`], as it is displayed: the applications that list the object.
type Shard = HashMap<Box<str>, Vec<Arc<ApplicationName>>>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    group: Box<str>,
    kind: Box<str>,
    version: Box<str>,
    is_namespaced: bool,
}

/// What happened to an application.
#[derive(Clone, Debug)]
pub enum ApplicationsChange {
    /// It is there, or is another one now.
    Present(Arc<Application>),
    /// It is gone.
    Gone(ApplicationName),
}

impl ApplicationsChange {
    /// Which application.
    pub fn name(&self) -> &ApplicationName {
        match self {
            Self::Present(application) => &application.name,
            Self::Gone(name) => name,
        }
    }
}

impl Default for Applications {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            shards: vec![Arc::default(); SHARDS],
            namespaces: Arc::default(),
            kinds: Arc::default(),
            accounts: Arc::default(),
            unlisted_releases: 0,
        }
    }
}

impl Applications {
    /// The applications after these changes. What does not change is shared.
    #[must_use]
    pub fn after(&self, changes: impl IntoIterator<Item = ApplicationsChange>) -> Self {
        let mut next = self.clone();
        for change in changes {
            match change {
                ApplicationsChange::Present(application) => next.insert(application),
                ApplicationsChange::Gone(name) => next.remove(&name),
            }
        }
        let is_unlisted = |it: &&Application| it.is_here() && it.release.is_some() && it.objects.is_missing;
        next.unlisted_releases = next.iter().filter(is_unlisted).count();
        next
    }

    fn insert(&mut self, application: Arc<Application>) {
        let name = if let Some((name, before)) = self.by_name.get_key_value(&application.name) {
            let (name, before) = (Arc::clone(name), Arc::clone(before));
            if before.objects.objects != application.objects.objects || before.is_here() != application.is_here() {
                self.unlist(&name, &before);
                self.list(&name, &application);
            }
            self.remove_accounts(&name, &before);
            name
        } else {
            let name = Arc::new(application.name.clone());
            self.list(&name, &application);
            name
        };
        self.add_accounts(&name, &application);
        self.by_name.insert(name, application);
    }

    fn remove(&mut self, name: &ApplicationName) {
        if let Some((name, application)) = self.by_name.remove_entry(name) {
            self.unlist(&name, &application);
            self.remove_accounts(&name, &application);
        }
    }

    fn list(&mut self, name: &Arc<ApplicationName>, application: &Application) {
        if !application.is_here() {
            return;
        }
        for object in &*application.objects.objects {
            let key = object.key().to_string();
            let shard = Arc::make_mut(&mut self.shards[shard_of(&key)]);
            shard.entry(key.into()).or_default().push(Arc::clone(name));
            let namespaces = Arc::make_mut(&mut self.namespaces);
            match namespaces.get_mut(&object.namespace) {
                Some(count) => *count += 1,
                None => drop(namespaces.insert(object.namespace.clone(), 1)),
            }
            *Arc::make_mut(&mut self.kinds).entry(Listed::of(object)).or_default() += 1;
        }
    }

    fn unlist(&mut self, name: &Arc<ApplicationName>, application: &Application) {
        if !application.is_here() {
            return;
        }
        for object in &*application.objects.objects {
            let key = object.key().to_string();
            let shard = Arc::make_mut(&mut self.shards[shard_of(&key)]);
            if let Some(names) = shard.get_mut(&*key) {
                names.retain(|other| other != name);
                if names.is_empty() {
                    shard.remove(&*key);
                }
            }
            let namespaces = Arc::make_mut(&mut self.namespaces);
            if let Some(count) = namespaces.get_mut(&object.namespace) {
                *count -= 1;
                if *count == 0 {
                    namespaces.remove(&object.namespace);
                }
            }
            let kinds = Arc::make_mut(&mut self.kinds);
            let kind = Listed::of(object);
            if let Some(count) = kinds.get_mut(&kind) {
                *count -= 1;
                if *count == 0 {
                    kinds.remove(&kind);
                }
            }
        }
    }

    fn add_accounts(&mut self, name: &Arc<ApplicationName>, application: &Application) {
        if application.is_here() && !application.accounts.is_empty() {
            let accounts = Arc::make_mut(&mut self.accounts);
            for account in &application.accounts {
                accounts.entry(account.clone()).or_default().insert(Arc::clone(name));
            }
        }
    }

    fn remove_accounts(&mut self, name: &Arc<ApplicationName>, application: &Application) {
        for account in &application.accounts {
            let accounts = Arc::make_mut(&mut self.accounts);
            if let Some(names) = accounts.get_mut(account) {
                names.remove(name);
                if names.is_empty() {
                    accounts.remove(account);
                }
            }
        }
    }

    /// All applications, in the order of their names, those for other clusters too.
    pub fn iter(&self) -> impl Iterator<Item = &Application> {
        self.by_name.values().map(|application| &**application)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// An application by its name.
    pub fn get(&self, name: &ApplicationName) -> Option<&Application> {
        self.by_name.get(name).map(|application| &**application)
    }

    /// The applications that list the object, in the order of their names.
    pub fn listing(&self, key: ObjectKey<'_>) -> Vec<&Application> {
        if self.by_name.is_empty() {
            return Vec::new();
        }
        let key = key.to_string();
        let names = self.shards[shard_of(&key)].get(&*key).map_or(&[][..], Vec::as_slice);
        let mut listing: Vec<_> = names.iter().filter_map(|name| self.get(name)).collect();
        listing.sort_by(|a, b| a.name.cmp(&b.name));
        listing
    }

    /// Whether there is a Helm release without a list of its objects.
    pub fn has_unlisted_releases(&self) -> bool {
        self.unlisted_releases > 0
    }

    /// The application whose Helm release this is, where it has no list of its objects.
    pub fn of_unlisted_release(&self, name: &ApplicationName) -> Option<&Application> {
        self.get(name).filter(|application| application.is_here() && application.objects.is_missing)
    }

    /// Whether one of the tools writes as this service account, for any application at all.
    pub fn has_account(&self, account: &Account) -> bool {
        self.accounts.contains_key(account)
    }

    /// How many objects are listed in a namespace, and an application that lists some.
    pub fn count_in_namespace(&self, namespace: &str) -> Option<(usize, &Application)> {
        let count = *self.namespaces.get(namespace)?;
        let mut here = self.iter().filter(|application| application.is_here());
        let is_in = |object: &ListedObject| *object.namespace == *namespace;
        Some((count, here.find(|application| application.objects.objects.iter().any(is_in))?))
    }

    /// How many objects of a kind are listed, and an application that lists some.
    pub fn count_of_kind(&self, group: &str, kind: &str) -> Option<(usize, &Application)> {
        let is_it = |listed: &Listed| *listed.group == *group && *listed.kind == *kind;
        let count = self.kinds.iter().filter(|(listed, _)| is_it(listed)).map(|(_, count)| count).sum();
        if count == 0 {
            return None;
        }
        let mut here = self.iter().filter(|application| application.is_here());
        let is_of_kind = |object: &ListedObject| *object.group == *group && *object.kind == *kind;
        Some((count, here.find(|application| application.objects.objects.iter().any(is_of_kind))?))
    }

    /// Whether an object that may own others in the namespace is listed.
    pub fn may_own_in(&self, namespace: &str) -> bool {
        self.namespaces.contains_key(namespace) || self.kinds.keys().any(Listed::may_own_everywhere)
    }

    /// Whether any object of an API group is listed.
    pub fn has_group(&self, group: &str) -> bool {
        self.kinds.keys().any(|listed| *listed.group == *group)
    }

    /// A listed kind whose guessed plural this is.
    pub fn kind_of(&self, group: &str, plural: &str) -> Option<&str> {
        let is_it = |listed: &&Listed| *listed.group == *group && kinds::guess_plural(&listed.kind) == plural;
        self.kinds.keys().find(is_it).map(|listed| &*listed.kind)
    }

    /// The resources of which objects are listed.
    pub fn resources(&self) -> BTreeSet<DeclaredResource<'_>> {
        self.kinds.keys().map(resource_of).collect()
    }

    /// The namespaces in which objects are listed.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.keys().map(|namespace| &**namespace).filter(|namespace| !namespace.is_empty())
    }

    /// Whether both list the same objects, whatever else is different.
    pub fn lists_the_same(&self, other: &Self) -> bool {
        self.shards.iter().zip(&other.shards).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

fn resource_of(Listed { group, kind, version, .. }: &Listed) -> DeclaredResource<'_> {
    DeclaredResource {
        group,
        version,
        kind,
        plural: kinds::guess_plural(kind),
        is_defined: kinds::is_namespaced(group, kind).is_some(),
    }
}

impl Listed {
    fn of(object: &ListedObject) -> Self {
        let ListedObject { group, version, kind, namespace, .. } = object;
        Self {
            group: group.clone(),
            kind: kind.clone(),
            version: version.clone(),
            is_namespaced: !namespace.is_empty(),
        }
    }

    /// Whether an object without a namespace may own others: of built-in kinds only Nodes do.
    fn may_own_everywhere(&self) -> bool {
        let is_custom = kinds::is_namespaced(&self.group, &self.kind).is_none();
        !self.is_namespaced && (is_custom || *self.kind == *"Node")
    }
}

fn shard_of(key: &str) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    usize::try_from(hash % SHARDS as u64).unwrap_or_default()
}
