//! The declared objects of all sources by their keys: which declaration counts,
//! and where several contradict each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ptr;
use std::sync::{Arc, OnceLock};

use super::contents::{Source, SourceContents};
use super::declared::Declared;
use super::declared_map::{DeclaredMap, Entry};
use super::kinds;
use super::object_key::ObjectKey;
use super::snapshot_source::NamespaceScope;
use crate::diff::CustomResource;

/// All declarations at one commit of each source. A sync that brings no new
/// commit shares the index of the one before.
#[derive(Debug, Default)]
pub(super) struct Index {
    sources: Vec<IndexedSource>,
    objects: DeclaredMap,
    /// Objects of kinds whose scope Git does not tell, by their key without a namespace.
    unscoped: DeclaredMap,
    /// By namespace: its objects.
    namespaces: HashMap<String, Count>,
    /// By namespace, then by group and kind: the same of objects that are there only if their kind,
    /// whose scope Git does not tell, is namespaced: their namespace is that of the source.
    maybe_in_namespace: HashMap<String, BTreeMap<(String, String), Count>>,
    /// Whether an object without a namespace that Git declares may own others: nothing tells where they are.
    has_cluster_owners: bool,
    /// The same.
    kinds: ByKind<Count>,
    /// What the CustomResourceDefinitions in Git define.
    custom_resources: ByKind<Arc<CustomResource>>,
    /// By [`ObjectKey`]: declarations that contradict each other.
    contests: HashMap<String, Contest>,
    /// All objects by their namespace, once somebody has asked: only few writes do.
    by_namespace: OnceLock<HashMap<Box<str>, Vec<Arc<Declared>>>>,
}

/// By group, then by kind.
type ByKind<T> = HashMap<String, HashMap<String, T>>;

/// How many objects there are, and the index of the first one's source.
type Count = (usize, usize);

/// A source with what it declares.
#[derive(Clone, Debug)]
pub(super) struct IndexedSource {
    pub(super) contents: Arc<SourceContents>,
    pub(super) scope: NamespaceScope,
    /// Declarations outside of `scope`, which do not count.
    pub(super) out_of_scope: usize,
}

/// An object that two declarations of the same priority declare differently.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contest {
    /// The object.
    pub object: String,
    /// The declaration that is compared with: file, line and source.
    pub first: String,
    /// The one that contradicts it; of several the last.
    pub second: String,
    /// The names of both sources.
    pub sources: [String; 2],
}

/// A resource of which Git declares objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclaredResource<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The version in which Git writes it.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The plural; guessed where the kind is not defined.
    pub plural: String,
    /// Whether Git or Kubernetes itself defines the kind.
    pub is_defined: bool,
}

impl fmt::Display for Contest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { object, first, second, .. } = self;
        write!(f, "{object} is declared twice: {first} and {second}")
    }
}

impl Index {
    /// An index of these sources, whatever their order.
    pub(super) fn new(mut sources: Vec<IndexedSource>) -> Self {
        sources.sort_by_cached_key(|source| {
            let Source { name, priority, .. } = &source.contents.source;
            (Reverse(*priority), name.clone())
        });
        let objects = sources.iter().map(|source| source.contents.len()).sum();
        let mut index = Self { objects: DeclaredMap::with_capacity(objects), ..Self::default() };
        // First all definitions: they say which objects are namespaced.
        for file in sources.iter().flat_map(|source| &source.contents.files) {
            for crd in &file.custom_resources {
                let of_group = index.custom_resources.entry(crd.group.clone()).or_default();
                of_group.insert(crd.kind.clone(), crd.clone());
            }
        }
        index.sources = sources;
        for source in 0..index.sources.len() {
            let IndexedSource { contents, scope, .. } = index.sources[source].clone();
            let mut out_of_scope = 0;
            for declared in contents.objects() {
                let is_namespaced = index.is_namespaced(declared);
                if scope.allows(declared, is_namespaced) {
                    index.insert(declared, source, is_namespaced);
                } else {
                    out_of_scope += 1;
                }
            }
            index.sources[source].out_of_scope = out_of_scope;
        }
        index
    }

    /// Whether a declared object is namespaced; `None` where its definition is not in Git.
    fn is_namespaced(&self, declared: &Declared) -> Option<bool> {
        match self.custom_resource(&declared.group, &declared.kind) {
            Some(crd) => Some(crd.namespaced),
            None => kinds::is_namespaced(&declared.group, &declared.kind),
        }
    }

    fn insert(&mut self, declared: &Arc<Declared>, source: usize, is_namespaced: Option<bool>) {
        let entry = Entry { declared: declared.clone(), source, is_cluster_scoped: is_namespaced == Some(false) };
        if let Some(first) = self.objects.insert(entry) {
            let (first, first_source) = (first.declared.clone(), first.source);
            let key = if is_namespaced == Some(false) { declared.key().without_namespace() } else { declared.key() };
            self.declared_again(&key.to_string(), (first_source, &first), (source, declared));
            return;
        }
        if is_namespaced.is_none() {
            // A kind whose definition is not in Git: the review says whether it has a namespace.
            self.unscoped.insert(Entry { declared: declared.clone(), source, is_cluster_scoped: true });
        }
        if is_namespaced == Some(true) || (is_namespaced.is_none() && declared.names_namespace) {
            count(&mut self.namespaces, &declared.namespace, source);
        } else if is_namespaced.is_none() {
            let kinds = self.maybe_in_namespace.entry(declared.namespace.clone()).or_default();
            kinds.entry((declared.group.clone(), declared.kind.clone())).or_insert((0, source)).0 += 1;
        }
        let is_custom = kinds::is_namespaced(&declared.group, &declared.kind).is_none();
        let is_cluster_scoped = !is_namespaced.unwrap_or(declared.names_namespace);
        self.has_cluster_owners |= is_cluster_scoped && (is_custom || declared.kind == "Node");
        match self.kinds.get_mut(&declared.group) {
            Some(of_group) => count(of_group, &declared.kind, source),
            None => count(self.kinds.entry(declared.group.clone()).or_default(), &declared.kind, source),
        }
    }

    /// Sources come in the order of their priority: the first declaration counts.
    /// One of the same priority that says something else contests it.
    fn declared_again(&mut self, key: &str, first: (usize, &Declared), second: (usize, &Declared)) {
        let source = |index: usize| &self.sources[index].contents.source;
        if source(first.0).priority > source(second.0).priority || first.1.object() == second.1.object() {
            return;
        }
        let location = |(index, declared): (usize, &Declared)| {
            let start = declared.start().map(|start| start.to_string()).unwrap_or_default();
            format!("{start} of source {}", source(index).name)
        };
        let contest = Contest {
            object: key.to_owned(),
            first: location(first),
            second: location(second),
            sources: [first.0, second.0].map(|index| source(index).name.clone()),
        };
        self.contests.insert(key.to_owned(), contest);
    }

    pub(super) fn get(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        let found = self.objects.get(key).or_else(|| self.unscoped.get(key))?;
        Some(self.with_source(found))
    }

    /// The declared object itself, where it is the one that counts for its key.
    pub(super) fn shared(&self, declared: &Declared) -> Option<&Arc<Declared>> {
        let key = declared.key();
        let found = self.objects.get(key).or_else(|| self.objects.get(key.without_namespace()))?;
        Some(&found.declared).filter(|found| ptr::eq(Arc::as_ptr(found), declared))
    }

    pub(super) fn get_scoped(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        Some(self.with_source(self.objects.get(key)?))
    }

    /// The declared objects of a namespace that count.
    pub(super) fn objects_in(&self, namespace: &str) -> impl Iterator<Item = &Declared> {
        let by_namespace = self.by_namespace.get_or_init(|| {
            let mut by_namespace: HashMap<Box<str>, Vec<_>> = HashMap::new();
            for Entry { declared, .. } in self.objects.iter() {
                match by_namespace.get_mut(&*declared.namespace) {
                    Some(objects) => objects.push(Arc::clone(declared)),
                    None => drop(by_namespace.insert(declared.namespace.as_str().into(), vec![Arc::clone(declared)])),
                }
            }
            by_namespace
        });
        by_namespace.get(namespace).into_iter().flatten().map(|declared| &**declared)
    }

    fn with_source<'a>(&'a self, entry: &'a Entry) -> (&'a Declared, &'a Source) {
        (&entry.declared, &self.sources[entry.source].contents.source)
    }

    /// The contest for a declared object, if there is one.
    pub(super) fn contest(&self, declared: &Declared) -> Option<&Contest> {
        if self.contests.is_empty() {
            return None;
        }
        let key = declared.key();
        let contest = self.contests.get(&key.to_string());
        contest.or_else(|| self.contests.get(&key.without_namespace().to_string()))
    }

    pub(super) fn contests(&self) -> impl Iterator<Item = &Contest> {
        self.contests.values()
    }

    pub(super) fn sources(&self) -> &[IndexedSource] {
        &self.sources
    }

    /// See [`super::Snapshot::count_in_namespace`].
    pub(super) fn count_in_namespace(
        &self,
        namespace: &str,
        may_be_namespaced: impl Fn(&str, &str) -> bool,
    ) -> Option<(usize, &Source)> {
        let mut count = self.namespaces.get(namespace).copied();
        for ((group, kind), (objects, source)) in self.maybe_in_namespace.get(namespace).into_iter().flatten() {
            if may_be_namespaced(group, kind) {
                count.get_or_insert((0, *source)).0 += objects;
            }
        }
        self.with_first_source(count.as_ref())
    }

    pub(super) fn count_of_kind(&self, group: &str, kind: &str) -> Option<(usize, &Source)> {
        self.with_first_source(self.kinds.get(group)?.get(kind))
    }

    /// See [`super::Snapshot::may_own_in`].
    pub(super) fn may_own_in(&self, namespace: &str) -> bool {
        self.has_cluster_owners
            || self.namespaces.contains_key(namespace)
            || self.maybe_in_namespace.contains_key(namespace)
    }

    fn with_first_source(&self, count: Option<&Count>) -> Option<(usize, &Source)> {
        count.map(|(objects, source)| (*objects, &self.sources[*source].contents.source))
    }

    pub(super) fn resources(&self) -> BTreeSet<DeclaredResource<'_>> {
        self.objects.iter().map(|entry| self.resource(&entry.declared)).collect()
    }

    fn resource<'a>(&self, declared: &'a Declared) -> DeclaredResource<'a> {
        let Declared { group, version, kind, .. } = declared;
        let custom = self.custom_resource(group, kind);
        DeclaredResource {
            group,
            version,
            kind,
            plural: custom.map_or_else(|| kinds::guess_plural(kind), |custom| custom.plural.clone()),
            is_defined: custom.is_some() || kinds::is_namespaced(group, kind).is_some(),
        }
    }

    /// The resource, by its definition where Git has it.
    pub(super) fn defined<'a>(&self, resource: DeclaredResource<'a>) -> DeclaredResource<'a> {
        match self.custom_resource(resource.group, resource.kind) {
            Some(custom) => DeclaredResource { plural: custom.plural.clone(), is_defined: true, ..resource },
            None => resource,
        }
    }

    pub(super) fn namespaces(&self) -> BTreeSet<&str> {
        self.namespaces.keys().map(String::as_str).collect()
    }

    pub(super) fn has_group(&self, group: &str) -> bool {
        self.kinds.contains_key(group)
    }

    pub(super) fn custom_resource(&self, group: &str, kind: &str) -> Option<&CustomResource> {
        self.custom_resources.get(group)?.get(kind).map(|crd| &**crd)
    }

    /// See [`super::Snapshot::kind_of`].
    pub(super) fn kind_of(&self, group: &str, plural: &str) -> Option<&str> {
        if let Some(kind) = kinds::scalable(group, plural) {
            return Some(kind);
        }
        let custom_resources = self.custom_resources.get(group).into_iter().flat_map(HashMap::values);
        if let Some(crd) = custom_resources.into_iter().find(|crd| crd.plural == plural) {
            return Some(&crd.kind);
        }
        let kinds = self.kinds.get(group).into_iter().flat_map(HashMap::keys).map(String::as_str);
        kinds.into_iter().find(|kind| kinds::guess_plural(kind) == plural)
    }
}

/// Counts one more object by a name.
fn count(counts: &mut HashMap<String, Count>, name: &str, source: usize) {
    match counts.get_mut(name) {
        Some((objects, _)) => *objects += 1,
        None => drop(counts.insert(name.to_owned(), (1, source))),
    }
}
