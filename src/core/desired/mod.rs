//! What Git wants: one immutable snapshot of all sources, looked into without a
//! lock. A verdict never mixes two commits.

mod declared;
mod disputed_fields;
mod kinds;
mod normalize;
mod opt_out;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::diff::{CrdError, CustomResource, Path};
use crate::manifest;
use crate::text::plain;

use serde_json::Value;

use disputed_fields::DisputedFields;

pub use declared::{Declared, SourceLocation};
pub use opt_out::left_alone_live;

/// Everything that Git declares, at one commit of each source.
#[derive(Debug, Default)]
pub struct Snapshot {
    sources: Vec<Arc<SourceContents>>,
    /// With the place of the object's source among the sources.
    objects: HashMap<String, (usize, Arc<Declared>)>,
    /// How many objects there are, and the place of the first one's source.
    /// Objects of kinds whose scope Git does not tell, as if they had no namespace.
    unscoped: HashMap<String, (usize, Arc<Declared>)>,
    namespaces: HashMap<String, (usize, usize)>,
    kinds: HashMap<(String, String), (usize, usize)>,
    custom: HashMap<(String, String), Arc<CustomResource>>,
    /// Sources and their files that a newer commit changes which cannot be read.
    unsettled: HashSet<(String, Arc<str>)>,
    doubts: DisputedFields,
}

/// One source at one commit.
#[derive(Debug)]
pub struct SourceContents {
    /// Where it comes from.
    pub source: Source,
    files: Vec<Arc<FileContents>>,
}

/// What one file declares. The next commit shares the files that it does not change.
#[derive(Debug, Default)]
pub struct FileContents {
    objects: Vec<Arc<Declared>>,
    custom: Vec<Arc<CustomResource>>,
    /// Objects that are no desired state: Helm's and Argo CD's hooks.
    pub hooks: usize,
}

/// A source, as messages name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The name in the configuration.
    pub name: String,
    /// The repository, as people reach it.
    pub repo: String,
    /// The branch, tag or commit that is followed.
    pub revision: String,
    /// The commit that was read, in full.
    pub commit: String,
    /// What counts where two sources declare the same object: the higher one.
    pub priority: i32,
}

/// An object's identity: group and kind, namespace (empty for a cluster-scoped one) and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKey<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
}

/// A resource that Git declares objects of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The version that Git writes it in.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The plural; a guess where the kind is not defined.
    pub plural: String,
    /// Whether Git or Kubernetes itself defines the kind.
    pub is_defined: bool,
}

/// Content that cannot become a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A CustomResourceDefinition in Git is not usable.
    #[error("failed to use the CustomResourceDefinition {name} of {file}: {reason}")]
    Crd {
        /// The file.
        file: String,
        /// The definition's name.
        name: String,
        /// What is wrong.
        reason: CrdError,
    },
    /// Two places declare the same object, and nobody can say which one counts.
    #[error(
        "{object} is declared twice: {first} and {second}; keep one of them, exclude a file, or give one source a higher priority"
    )]
    Twice {
        /// The object.
        object: String,
        /// Where it stands first.
        first: String,
        /// And where again.
        second: String,
    },
}

// === impl FileContents ===

impl FileContents {
    /// Takes in the objects of a file. `namespace` is for namespaced manifests
    /// that leave theirs out.
    pub fn new(file: &Arc<str>, namespace: Option<&str>, objects: Vec<manifest::Object>) -> Result<Self, DesiredError> {
        let mut contents = Self { objects: Vec::with_capacity(objects.len()), custom: Vec::new(), hooks: 0 };
        for object in objects {
            if opt_out::is_hook(&object.value) {
                contents.hooks += 1;
                continue;
            }
            if object.kind == "CustomResourceDefinition" {
                let crd = CustomResource::read(&object.value).map_err(|reason| DesiredError::Crd {
                    file: file.to_string(),
                    name: object.name.clone(),
                    reason,
                })?;
                contents.custom.push(Arc::new(crd));
            }
            contents.objects.push(Arc::new(Declared::new(file.clone(), namespace, object)));
        }
        Ok(contents)
    }
}

// === impl SourceContents ===

impl SourceContents {
    /// Puts the files of a source together.
    pub fn new(source: Source, files: Vec<Arc<FileContents>>) -> Self {
        Self { source, files }
    }

    /// The same, at another commit that changes nothing of it.
    #[must_use]
    pub fn at(&self, source: Source) -> Self {
        Self { source, files: self.files.clone() }
    }

    /// The files that declare something.
    pub fn paths(&self) -> impl Iterator<Item = Arc<str>> {
        self.files.iter().filter_map(|file| file.objects.first()).map(|declared| declared.file())
    }

    /// How many objects the source declares.
    pub fn len(&self) -> usize {
        self.files.iter().map(|file| file.objects.len()).sum()
    }

    /// Whether the source declares nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn objects(&self) -> impl Iterator<Item = &Arc<Declared>> {
        self.files.iter().flat_map(|file| &file.objects)
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// Puts sources together.
    ///
    /// Where two declare the same object, the one of the higher priority counts.
    pub fn new(mut sources: Vec<Arc<SourceContents>>) -> Result<Self, DesiredError> {
        sources.sort_by_key(|contents| std::cmp::Reverse(contents.source.priority));
        let mut snapshot = Self::default();
        for crd in sources.iter().flat_map(|contents| &contents.files).flat_map(|file| &file.custom) {
            snapshot.custom.insert((crd.group.clone(), crd.kind.clone()), crd.clone());
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
        let custom = self.custom(&declared.group, &declared.kind);
        let scope = custom.map(|crd| crd.namespaced).or_else(|| kinds::is_namespaced(&declared.group, &declared.kind));
        let own = declared.key();
        let cluster_wide = ObjectKey { namespace: "", ..own };
        let key = if scope == Some(false) { cluster_wide } else { own };
        match self.objects.entry(key.to_string()) {
            Entry::Vacant(place) => drop(place.insert((source, declared.clone()))),
            // Sources come in the order of their priority: the first says what counts.
            Entry::Occupied(first) if sources[first.get().0].source.priority > sources[source].source.priority => {
                return Ok(());
            }
            Entry::Occupied(first) => {
                let place = |(source, declared): &(usize, Arc<Declared>)| {
                    format!("{} of source {}", declared.start(), sources[*source].source.name)
                };
                let (first, second) = (place(first.get()), place(&(source, declared.clone())));
                return Err(DesiredError::Twice { object: key.to_string(), first, second });
            }
        }
        if scope.is_none() {
            // A kind whose definition is not in Git: the review tells whether it has a namespace.
            self.unscoped.entry(cluster_wide.to_string()).or_insert_with(|| (source, declared.clone()));
        }
        if scope == Some(true) || (scope.is_none() && declared.names_namespace) {
            self.namespaces.entry(declared.namespace.clone()).or_insert((0, source)).0 += 1;
        }
        self.kinds.entry((declared.group.clone(), declared.kind.clone())).or_insert((0, source)).0 += 1;
        Ok(())
    }

    /// What Git says of an object, and which source says it; `None` where Git does not know it.
    pub fn get(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        self.get_scoped(key).or_else(|| Some(self.with_source(self.unscoped.get(&key.to_string())?)))
    }

    /// The same, but never by a guess that the object may be without a namespace:
    /// for owners, whose namespace nobody tells.
    pub fn get_scoped(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        Some(self.with_source(self.objects.get(&key.to_string())?))
    }

    fn with_source<'a>(&'a self, (source, declared): &'a (usize, Arc<Declared>)) -> (&'a Declared, &'a Source) {
        (declared, &self.sources[*source].source)
    }

    /// Files that a newer commit changes, which cannot be read: what they declare
    /// may not be what is wanted.
    #[must_use]
    pub fn with_unsettled<'a>(mut self, files: impl IntoIterator<Item = (&'a str, &'a [Arc<str>])>) -> Self {
        let of = |(source, files): (&str, &[Arc<str>])| {
            files.iter().map(|file| (source.to_owned(), Arc::clone(file))).collect::<Vec<_>>()
        };
        self.unsettled = files.into_iter().flat_map(of).collect();
        self
    }

    /// Whether a newer commit changes what is declared here, and cannot be read.
    pub fn is_unsettled(&self, source: &Source, declared: &Declared) -> bool {
        !self.unsettled.is_empty() && self.unsettled.contains(&(source.name.clone(), declared.file()))
    }

    /// DisputedFields what a field is said to be, for as long as this snapshot is in
    /// force; whether nobody did before.
    pub fn doubt(&self, source: &str, object: ObjectKey<'_>, path: &Path) -> bool {
        self.doubts.add(source, object, path)
    }

    /// Whether the field, or something above or below it, is doubted.
    pub fn is_doubted(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.doubts.concern(object, path)
    }

    /// What is doubted of a source, in words.
    pub fn doubts_of(&self, source: &str) -> impl Iterator<Item = String> {
        self.doubts.of(source).into_iter()
    }

    /// The sources, each at the commit that was read.
    pub fn sources(&self) -> impl Iterator<Item = &SourceContents> {
        self.sources.iter().map(|contents| &**contents)
    }

    /// How many objects Git declares in a namespace, and the first source that declares some.
    pub fn held_in(&self, namespace: &str) -> Option<(usize, &Source)> {
        self.held(self.namespaces.get(namespace))
    }

    /// How many objects of a kind Git declares, and the first source that declares some.
    pub fn held_of(&self, group: &str, kind: &str) -> Option<(usize, &Source)> {
        self.held(self.kinds.get(&(group.to_owned(), kind.to_owned())))
    }

    /// The resources that Git declares objects of.
    pub fn resources(&self) -> BTreeSet<Resource<'_>> {
        self.objects.values().map(|(_, declared)| self.resource(declared)).collect()
    }

    fn resource<'a>(&self, Declared { group, version, kind, .. }: &'a Declared) -> Resource<'a> {
        let custom = self.custom(group, kind);
        Resource {
            group,
            version,
            kind,
            plural: custom.map_or_else(|| kinds::plural(kind), |custom| custom.plural.clone()),
            is_defined: custom.is_some() || kinds::is_namespaced(group, kind).is_some(),
        }
    }

    /// The namespaces in which Git declares objects.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        self.namespaces.keys().map(String::as_str).collect()
    }

    /// Whether Git declares any object of an API group.
    pub fn has_group(&self, group: &str) -> bool {
        self.kinds.keys().any(|(of, _)| of == group)
    }

    fn held(&self, held: Option<&(usize, usize)>) -> Option<(usize, &Source)> {
        held.map(|(objects, source)| (*objects, &self.sources[*source].source))
    }

    /// A kind that Git itself defines.
    pub fn custom(&self, group: &str, kind: &str) -> Option<&CustomResource> {
        self.custom.get(&(group.to_owned(), kind.to_owned())).map(|crd| &**crd)
    }

    /// The kind behind a plural, as far as Git's own content tells: built-in
    /// kinds that can be scaled, Git's definitions, and at last a declared kind
    /// of the group whose plural it would be.
    pub fn kind_of(&self, group: &str, plural: &str) -> Option<&str> {
        let defined = || self.custom.values().find(|crd| crd.group == group && crd.plural == plural);
        let declared = || self.kinds.keys().find(|(of, kind)| of == group && kinds::plural(kind) == plural);
        kinds::scalable(group, plural)
            .or_else(|| defined().map(|crd| crd.kind.as_str()))
            .or_else(|| declared().map(|(_, kind)| kind.as_str()))
    }
}

impl fmt::Display for ObjectKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, kind, namespace, name } = self;
        let (dot, slash) = (if group.is_empty() { "" } else { "." }, if namespace.is_empty() { "" } else { "/" });
        write!(f, "{kind}{dot}{group} {namespace}{slash}{name}")
    }
}

impl ObjectKey<'_> {
    /// The name that kubectl gives an object: `deployment.apps "web"`.
    pub fn kubectl_name(&self) -> String {
        let Self { group, kind, name, .. } = self;
        let (kind, dot) = (kind.to_lowercase(), if group.is_empty() { "" } else { "." });
        // A name is still to be made up where the object asks for a generated one.
        let name = if name.is_empty() { String::new() } else { format!(" {}", Value::from(*name)) };
        plain(&format!("{kind}{dot}{group}{name}"))
    }
}
