//! One immutable snapshot of all sources, read without a lock.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::contents::{Source, SourceContents};
use super::declared::Declared;
use super::disputed_fields::DisputedFields;
use super::error::DesiredError;
use super::kinds;
use super::object_key::ObjectKey;
use crate::diff::{CustomResource, Path};

/// Everything that Git declares, at one commit of each source.
#[derive(Debug, Default)]
pub struct Snapshot {
    sources: Vec<Arc<SourceContents>>,
    /// By [`ObjectKey`]: the index of the source, and the object.
    objects: HashMap<String, (usize, Arc<Declared>)>,
    /// Objects of kinds whose scope is not known from Git, by their key without a namespace.
    unscoped: HashMap<String, (usize, Arc<Declared>)>,
    /// By namespace: how many objects there are, and the index of the first one's source.
    namespaces: HashMap<String, (usize, usize)>,
    /// By group and kind: the same.
    kinds: HashMap<(String, String), (usize, usize)>,
    /// By group and kind: what the CustomResourceDefinitions in Git define.
    custom_resources: HashMap<(String, String), Arc<CustomResource>>,
    /// Sources' names and files that a newer commit changes, where that commit cannot be used.
    unparsed_changes: HashSet<(String, Arc<str>)>,
    disputed_fields: DisputedFields,
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

impl Snapshot {
    /// A snapshot of these sources.
    ///
    /// Where two declare the same object, the one of the higher priority counts.
    pub fn new(mut sources: Vec<Arc<SourceContents>>) -> Result<Self, DesiredError> {
        sources.sort_by_key(|contents| std::cmp::Reverse(contents.source.priority));
        let mut snapshot = Self::default();
        // First all definitions: they say which objects are namespaced.
        for file in sources.iter().flat_map(|contents| &contents.files) {
            for crd in &file.custom_resources {
                snapshot.custom_resources.insert((crd.group.clone(), crd.kind.clone()), crd.clone());
            }
        }
        for (source, contents) in sources.iter().enumerate() {
            for declared in contents.objects() {
                snapshot.insert(declared, source, &sources)?;
            }
        }
        snapshot.sources = sources;
        Ok(snapshot)
    }

    fn insert(
        &mut self,
        declared: &Arc<Declared>,
        source: usize,
        sources: &[Arc<SourceContents>],
    ) -> Result<(), DesiredError> {
        let is_namespaced = match self.custom_resource(&declared.group, &declared.kind) {
            Some(crd) => Some(crd.namespaced),
            None => kinds::is_namespaced(&declared.group, &declared.kind),
        };
        let namespaced_key = declared.key();
        let cluster_key = ObjectKey { namespace: "", ..namespaced_key };
        let key = if is_namespaced == Some(false) { cluster_key } else { namespaced_key };
        match self.objects.entry(key.to_string()) {
            Entry::Vacant(entry) => drop(entry.insert((source, declared.clone()))),
            // Sources come in the order of their priority: the first one counts.
            Entry::Occupied(first) if sources[first.get().0].source.priority > sources[source].source.priority => {
                return Ok(());
            }
            Entry::Occupied(first) => {
                let location = |source: usize, declared: &Declared| {
                    format!("{} of source {}", declared.start(), sources[source].source.name)
                };
                let (first_source, first) = first.get();
                return Err(DesiredError::DuplicateObject {
                    object: key.to_string(),
                    first: location(*first_source, first),
                    second: location(source, declared),
                });
            }
        }
        if is_namespaced.is_none() {
            // A kind whose definition is not in Git: the review says whether it has a namespace.
            self.unscoped.entry(cluster_key.to_string()).or_insert_with(|| (source, declared.clone()));
        }
        if is_namespaced == Some(true) || (is_namespaced.is_none() && declared.names_namespace) {
            self.namespaces.entry(declared.namespace.clone()).or_insert((0, source)).0 += 1;
        }
        self.kinds.entry((declared.group.clone(), declared.kind.clone())).or_insert((0, source)).0 += 1;
        Ok(())
    }

    /// What Git declares of an object, and which source declares it; `None` where Git does not declare it.
    pub fn get(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        let key = key.to_string();
        let found = self.objects.get(&key).or_else(|| self.unscoped.get(&key))?;
        Some(self.with_source(found))
    }

    /// The same, but without guessing that an object of unknown scope may have no
    /// namespace. For owners: nothing in a review says whether the owner has one.
    pub fn get_scoped(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        Some(self.with_source(self.objects.get(&key.to_string())?))
    }

    fn with_source<'a>(&'a self, (source, declared): &'a (usize, Arc<Declared>)) -> (&'a Declared, &'a Source) {
        (declared, &self.sources[*source].source)
    }

    /// Marks the files, by source, that a newer commit changes where that commit
    /// cannot be used: what they declare here may be out of date.
    #[must_use]
    pub fn with_unparsed_changes<'a>(mut self, files: impl IntoIterator<Item = (&'a str, &'a [Arc<str>])>) -> Self {
        self.unparsed_changes.clear();
        for (source, files) in files {
            self.unparsed_changes.extend(files.iter().map(|file| (source.to_owned(), file.clone())));
        }
        self
    }

    /// Whether a newer commit, which cannot be used, changes the file that declares the object.
    pub fn has_unparsed_change(&self, source: &Source, declared: &Declared) -> bool {
        !self.unparsed_changes.is_empty() && self.unparsed_changes.contains(&(source.name.clone(), declared.file()))
    }

    /// Marks a field as disputed, as long as this snapshot is in use; returns
    /// whether it was not before.
    pub fn dispute(&self, source: &str, object: ObjectKey<'_>, path: &Path) -> bool {
        self.disputed_fields.add(source, object, path)
    }

    /// Whether the field, or something above or below it, is disputed.
    pub fn is_disputed(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.disputed_fields.overlap(object, path)
    }

    /// The disputed fields of a source, each as `OBJECT: PATH`.
    pub fn disputed_fields_of(&self, source: &str) -> impl Iterator<Item = String> {
        self.disputed_fields.of(source).into_iter()
    }

    /// The sources, each at its commit.
    pub fn sources(&self) -> impl Iterator<Item = &SourceContents> {
        self.sources.iter().map(|contents| &**contents)
    }

    /// How many objects Git declares in a namespace, and the first source that declares some.
    pub fn count_in_namespace(&self, namespace: &str) -> Option<(usize, &Source)> {
        self.with_first_source(self.namespaces.get(namespace))
    }

    /// How many objects of a kind Git declares, and the first source that declares some.
    pub fn count_of_kind(&self, group: &str, kind: &str) -> Option<(usize, &Source)> {
        self.with_first_source(self.kinds.get(&(group.to_owned(), kind.to_owned())))
    }

    /// The resources of which Git declares objects.
    pub fn resources(&self) -> BTreeSet<DeclaredResource<'_>> {
        self.objects.values().map(|(_, declared)| self.resource(declared)).collect()
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

    /// The namespaces in which Git declares objects.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.namespaces.keys().map(String::as_str).collect()
    }

    /// Whether Git declares any object of an API group.
    pub fn has_group(&self, group: &str) -> bool {
        self.kinds.keys().any(|(declared_group, _)| declared_group == group)
    }

    fn with_first_source(&self, count: Option<&(usize, usize)>) -> Option<(usize, &Source)> {
        count.map(|(objects, source)| (*objects, &self.sources[*source].source))
    }

    /// A kind that a CustomResourceDefinition in Git defines.
    pub fn custom_resource(&self, group: &str, kind: &str) -> Option<&CustomResource> {
        self.custom_resources.get(&(group.to_owned(), kind.to_owned())).map(|crd| &**crd)
    }

    /// The kind of a plural, as far as it is known from Git: built-in kinds that
    /// have `scale`, then the definitions in Git, then a declared kind of the group
    /// whose guessed plural it is.
    pub fn kind_of(&self, group: &str, plural: &str) -> Option<&str> {
        if let Some(kind) = kinds::scalable(group, plural) {
            return Some(kind);
        }
        if let Some(crd) = self.custom_resources.values().find(|crd| crd.group == group && crd.plural == plural) {
            return Some(&crd.kind);
        }
        let mut kinds_of_group = self.kinds.keys().filter(|(declared_group, _)| declared_group == group);
        let (_, kind) = kinds_of_group.find(|(_, kind)| kinds::guess_plural(kind) == plural)?;
        Some(kind)
    }
}
