//! The snapshot that verdicts are made from: what Git declares, and how certain
//! that is, at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::contents::{Source, SourceContents};
use super::declared::Declared;
use super::disputed_fields::DisputedField;
use super::index::{Contest, DeclaredResource, Index, IndexedSource};
use super::object_key::ObjectKey;
use super::parsed_objects::ParsedObjects;
use super::snapshot_source::{Affected, SnapshotSource, SyncTime};
use crate::applications::{Application, Applications};
use crate::diff::{CustomResource, Path};

/// Everything that Git declares, at one commit of each source, with the state of each source.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    index: Arc<Index>,
    sources: Arc<[SnapshotSource]>,
    applications: Arc<Applications>,
    parsed: Arc<ParsedObjects>,
}

/// Why what Git declares of an object is not certain, so that a write that
/// differs from it is warned about at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uncertainty {
    /// Two declarations of the same priority contradict each other.
    Contested(Contest),
    /// A newer commit of this source may declare it otherwise, and is being read.
    NewerCommitLoading(String),
    /// A newer commit of this source may declare it otherwise, and could not be read.
    NewerCommitUnreadable(String),
    /// The settings of this source have changed, and it was not read since.
    SettingsChanged(String),
    /// This source may declare it, and was not read yet.
    SourceUnread(String),
}

impl Snapshot {
    /// A snapshot of contents that are certain and as of the start of the program.
    pub fn new(sources: Vec<Arc<SourceContents>>) -> Self {
        let status = |contents: Arc<SourceContents>| SnapshotSource {
            name: contents.source.name.clone(),
            contents: Some(contents),
            last_synced: Some(SyncTime::AfterStart(Duration::ZERO)),
            ..SnapshotSource::default()
        };
        Self::assemble(sources.into_iter().map(status).collect(), None)
    }

    /// A snapshot of all sources, whatever their state and their order. Where none
    /// has new contents since `before`, its index is shared.
    ///
    /// Where several declare the same object, the one of the highest priority
    /// counts; the same content is one declaration; other content of the same
    /// priority contests that object, and no other.
    pub fn assemble(sources: Vec<SnapshotSource>, before: Option<&Self>) -> Self {
        let sources: Arc<[SnapshotSource]> = sources.into();
        let applications = before.map(|before| before.applications.clone()).unwrap_or_default();
        let parsed = before.map(|before| before.parsed.clone()).unwrap_or_default();
        if let Some(before) = before.filter(|before| before.has_contents_of(&sources)) {
            return Self { index: before.index.clone(), sources, applications, parsed };
        }
        let mut indexed = Vec::new();
        for SnapshotSource { contents, scope, .. } in &*sources {
            if let Some(contents) = contents {
                indexed.push(IndexedSource { contents: contents.clone(), scope: scope.clone(), out_of_scope: 0 });
            }
        }
        Self { index: Arc::new(Index::new(indexed)), sources, applications, parsed }
    }

    /// The same sources, with these applications of GitOps tools.
    #[must_use]
    pub fn with_applications(&self, applications: Arc<Applications>) -> Self {
        Self { applications, ..self.clone() }
    }

    /// The applications of GitOps tools, of which is known what they list and what was applied.
    pub fn applications(&self) -> &Applications {
        &self.applications
    }

    /// Whether both declare the same, whatever the states of their sources.
    pub fn shares_contents_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.index, &other.index) && self.applications.lists_the_same(&other.applications)
    }

    /// Whether every source has been read.
    pub fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.contents.is_some())
    }

    /// Whether these sources have the contents and scopes that this snapshot was made of.
    fn has_contents_of(&self, sources: &[SnapshotSource]) -> bool {
        let same = |a: &SnapshotSource, b: &SnapshotSource| {
            let is_same_contents = match (&a.contents, &b.contents) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (None, None) => true,
                _ => false,
            };
            is_same_contents && a.scope == b.scope
        };
        self.sources.len() == sources.len() && self.sources.iter().zip(sources).all(|(a, b)| same(a, b))
    }

    /// What Git declares of an object, and which source declares it; `None` where Git does not declare it.
    pub fn get(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        self.index.get(key)
    }

    /// The same, but only where Git tells the object's scope. For owners: an owner
    /// reference does not say whether its object has a namespace.
    pub fn get_scoped(&self, key: ObjectKey<'_>) -> Option<(&Declared, &Source)> {
        self.index.get_scoped(key)
    }

    /// A declared object in the form in which the API server would store it. What was asked for lately
    /// is not parsed again.
    pub(crate) fn object(&self, declared: &Declared) -> Arc<Value> {
        match self.index.shared(declared) {
            Some(declared) => self.parsed.get(declared),
            // What a tool applied is not kept.
            None => Arc::new(declared.object()),
        }
    }

    /// Why a declaration of this source is not certain; `None` where it is.
    pub fn uncertainty(&self, source: &Source, declared: &Declared) -> Option<Uncertainty> {
        if let Some(contest) = self.index.contest(declared) {
            return Some(Uncertainty::Contested(contest.clone()));
        }
        let status = self.status(&source.name)?;
        if status.is_outdated {
            return Some(Uncertainty::SettingsChanged(source.name.clone()));
        }
        let is_affected = match &status.affected {
            None => false,
            Some(Affected::All) => true,
            Some(Affected::Files(files)) => files.contains(&declared.file()),
        };
        if is_affected {
            return Some(Uncertainty::NewerCommitUnreadable(source.name.clone()));
        }
        status.is_loading.then(|| Uncertainty::NewerCommitLoading(source.name.clone()))
    }

    /// Why it is not certain that Git does not declare an object in this namespace;
    /// `None` where it is.
    pub fn uncertainty_of_undeclared(&self, namespace: &str) -> Option<Uncertainty> {
        let mut sources = self.sources.iter().filter(|source| source.scope.covers(namespace));
        sources.find_map(|SnapshotSource { name, contents, is_outdated, is_loading, affected, .. }| {
            if contents.is_none() {
                Some(Uncertainty::SourceUnread(name.clone()))
            } else if *is_outdated {
                Some(Uncertainty::SettingsChanged(name.clone()))
            } else if affected.is_some() {
                Some(Uncertainty::NewerCommitUnreadable(name.clone()))
            } else if *is_loading {
                Some(Uncertainty::NewerCommitLoading(name.clone()))
            } else {
                None
            }
        })
    }

    /// A source that may declare objects in this namespace, and holds content that is
    /// not read and may have objects.
    pub fn partly_unread_source(&self, namespace: &str) -> Option<&str> {
        let is_partly_unread = |source: &&SnapshotSource| {
            let skipped = source.contents.as_ref().map(|contents| &contents.skipped);
            source.scope.covers(namespace)
                && skipped.is_some_and(|skipped| skipped.iter().any(|(reason, _)| reason.may_hide_objects()))
        };
        self.sources.iter().find(is_partly_unread).map(|source| source.name.as_str())
    }

    /// How long ago a source was last in step with its repository, `now` after the
    /// start of the program; without a name, of all that may declare objects in
    /// `namespace` the one for which that is longest ago. `None` where that is not
    /// known of one of them.
    pub fn age(&self, source: Option<&str>, namespace: &str, now: Duration) -> Option<Duration> {
        let mut oldest = Duration::ZERO;
        for status in &*self.sources {
            let is_asked = match source {
                Some(name) => status.name == name,
                None => status.scope.covers(namespace),
            };
            if is_asked {
                oldest = oldest.max(status.last_synced?.age(now));
            }
        }
        Some(oldest)
    }

    fn status(&self, source: &str) -> Option<&SnapshotSource> {
        self.sources.iter().find(|status| status.name == source)
    }

    /// Whether the field, or something above or below it, is disputed.
    pub fn is_disputed(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.sources.iter().any(|source| source.disputed.overlap(object, path))
    }

    /// The disputed fields of an object, each with the source that is disputed.
    pub fn disputed_fields_of(&self, object: ObjectKey<'_>) -> Vec<(&SnapshotSource, &DisputedField)> {
        let of_source = |source| move |field| (source, field);
        self.sources
            .iter()
            .flat_map(|source| source.disputed.of_object(object).into_iter().map(of_source(source)))
            .collect()
    }

    /// The objects that several declarations contest, in the order of their names.
    pub fn contests(&self) -> Vec<&Contest> {
        let mut contests: Vec<_> = self.index.contests().collect();
        contests.sort_by(|a, b| a.object.cmp(&b.object));
        contests
    }

    /// How many declarations of a source are outside of the namespaces that it may declare.
    pub fn count_out_of_scope(&self, source: &str) -> usize {
        let of = self.index.sources().iter().filter(|indexed| indexed.contents.source.name == source);
        of.map(|indexed| indexed.out_of_scope).sum()
    }

    /// The sources that have been read, each at its commit.
    pub fn sources(&self) -> impl Iterator<Item = &SourceContents> {
        self.index.sources().iter().map(|source| &*source.contents)
    }

    /// How many objects Git declares in a namespace, and the first source that declares some; what is listed by
    /// an application and declared by a source counts twice.
    /// `may_be_namespaced` is asked, by group and kind, where Git does not tell whether objects that
    /// name no namespace themselves have one: then they are in that of their source.
    pub fn count_in_namespace(
        &self,
        namespace: &str,
        may_be_namespaced: impl Fn(&str, &str) -> bool,
    ) -> Option<(usize, &Source)> {
        let declared = self.index.count_in_namespace(namespace, may_be_namespaced);
        sum(declared, self.applications.count_in_namespace(namespace))
    }

    /// The objects of some kinds that sources declare in a namespace.
    pub(crate) fn declared_in<'s>(
        &'s self,
        namespace: &str,
        is_kind: &'s dyn Fn(&Declared) -> bool,
    ) -> impl Iterator<Item = &'s Declared> {
        self.index.objects_in(namespace).filter(move |declared| is_kind(declared))
    }

    /// Whether Git declares an object that may own others in the namespace.
    pub fn may_own_in(&self, namespace: &str) -> bool {
        self.index.may_own_in(namespace) || self.applications.may_own_in(namespace)
    }

    /// How many objects of a kind Git declares, and the first source that declares some; as above.
    pub fn count_of_kind(&self, group: &str, kind: &str) -> Option<(usize, &Source)> {
        sum(self.index.count_of_kind(group, kind), self.applications.count_of_kind(group, kind))
    }

    /// The resources of which Git declares objects.
    pub fn resources(&self) -> BTreeSet<DeclaredResource<'_>> {
        let mut resources = self.index.resources();
        for listed in self.applications.resources() {
            resources.insert(self.index.defined(listed));
        }
        resources
    }

    /// The namespaces in which Git declares objects.
    pub fn namespaces(&self) -> BTreeSet<&str> {
        let mut namespaces = self.index.namespaces();
        namespaces.extend(self.applications.namespaces());
        namespaces
    }

    /// Whether Git declares any object of an API group.
    pub fn has_group(&self, group: &str) -> bool {
        self.index.has_group(group) || self.applications.has_group(group)
    }

    /// A kind that a CustomResourceDefinition in Git defines.
    pub fn custom_resource(&self, group: &str, kind: &str) -> Option<&CustomResource> {
        self.index.custom_resource(group, kind)
    }

    /// The kind of a plural, as far as Git's own content tells: built-in kinds that
    /// have `scale`, then the definitions in Git, then a declared kind of the group
    /// whose guessed plural it is.
    pub fn kind_of(&self, group: &str, plural: &str) -> Option<&str> {
        self.index.kind_of(group, plural).or_else(|| self.applications.kind_of(group, plural))
    }
}

/// What sources and applications declare together, with a source that declares some of it.
fn sum<'a>(
    declared: Option<(usize, &'a Source)>,
    listed: Option<(usize, &'a Application)>,
) -> Option<(usize, &'a Source)> {
    match (declared, listed) {
        (Some((declared, source)), listed) => Some((declared + listed.map_or(0, |(listed, _)| listed), source)),
        (None, Some((listed, application))) => Some((listed, &application.source)),
        (None, None) => None,
    }
}
