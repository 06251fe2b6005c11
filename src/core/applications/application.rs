//! One application of a GitOps tool, as far as driftwall has to know it.

use std::fmt;
use std::sync::Arc;

use super::argocd::{InstanceMark, Permissions};
use super::ignored::IgnoredDifferences;
use crate::actor::GitopsTool;
use crate::desired::{ObjectKey, Source};

/// The most objects of one application that are read: no tool deploys more at once, and a status that lists
/// more was not written by one.
pub const MAX_LISTED_OBJECTS: usize = 20_000;

/// The kinds of objects by which the tools deploy something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApplicationKind {
    /// Argo CD's `Application`.
    Application,
    /// Flux's `Kustomization`.
    Kustomization,
    /// Flux's `HelmRelease`.
    HelmRelease,
}

/// Which application.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationName {
    /// The kind of object that it is.
    pub kind: ApplicationKind,
    /// The namespace that this object is in.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// The field managers as which a tool writes what it deploys.
#[derive(Clone, Copy, Debug)]
pub struct FieldManagers {
    /// Those of its server-side applies.
    pub apply: &'static [&'static str],
    /// Those of all other writes; one that names none is known by its program.
    pub update: &'static [&'static str],
}

/// One application of a GitOps tool.
#[derive(Debug)]
pub struct Application {
    /// Which one.
    pub name: ApplicationName,
    /// When its object was created, as Kubernetes writes it.
    pub created: String,
    /// Argo CD's project.
    pub project: Option<String>,
    /// The cluster that it deploys to.
    pub destination: Destination,
    /// The namespace of what names none.
    pub namespace: Option<String>,
    /// Where it deploys from, and the revision that was applied, as messages name them.
    pub source: Source,
    /// The newest revision that the tool knows; empty where it knows none.
    pub newest_revision: String,
    /// How the tool itself sees it.
    pub sync: SyncState,
    /// The objects that it deploys.
    pub objects: ListedObjects,
    /// The Helm release by whose marks its objects are known, where they are not listed.
    pub release: Option<Release>,
    /// What the tool leaves alone.
    pub ignored: Arc<IgnoredDifferences>,
    /// The service accounts as which the tool writes the objects of this application, and of no other.
    pub accounts: Vec<Account>,
    /// What its project permits; `None` where that is not limited, or where the project is not known.
    pub permissions: Option<Permissions>,
    /// How Argo CD marks its objects.
    pub mark: Option<InstanceMark>,
    /// What of it is not understood, apart from its list of objects: there it is less protected.
    pub notes: Vec<String>,
}

/// A cluster to deploy to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Another one: its name or address.
    Other(String),
    /// The one that is asked about.
    ThisCluster,
}

/// How a tool sees an application of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncState {
    /// The tool's own word: `Synced`, `OutOfSync`, `True`, `False`.
    pub status: String,
    /// Why, in the tool's own words; shortened.
    pub message: String,
    /// Whether the tool applies new revisions by itself.
    pub is_automatic: bool,
    /// Whether somebody told the tool to leave it alone.
    pub is_paused: bool,
}

/// The objects of an application.
#[derive(Clone, Debug, Default)]
pub struct ListedObjects {
    /// The objects, each once.
    pub objects: Arc<[ListedObject]>,
    /// Whether the tool has written no list at all.
    pub is_missing: bool,
    /// Entries that are not among `objects`: they cannot be read, or are too many.
    pub left_out: usize,
}

/// An object that an application deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The version that the tool writes it in.
    pub version: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// The namespace; empty for a cluster-scoped object.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// Whether Git has it no more, and the tool would delete it.
    pub is_obsolete: bool,
}

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A Helm release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// The namespace that it is installed in.
    pub namespace: String,
}

// === impl ApplicationKind ===

impl ApplicationKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Application, Self::Kustomization, Self::HelmRelease];

    /// The kind's name in Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::HelmRelease => "HelmRelease",
            Self::Kustomization => "Kustomization",
        }
    }

    /// The API group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Application => "argoproj.io",
            Self::HelmRelease => "helm.toolkit.fluxcd.io",
            Self::Kustomization => "kustomize.toolkit.fluxcd.io",
        }
    }

    /// The tool that deploys it.
    pub fn tool(self) -> GitopsTool {
        match self {
            Self::Application => GitopsTool::ArgoCd,
            Self::HelmRelease | Self::Kustomization => GitopsTool::Flux,
        }
    }

    /// The field managers as which the tool writes the objects
    /// (`argoproj/argo-cd`, `common/common.go`; `fluxcd/kustomize-controller` and `fluxcd/helm-controller`, `main.go`).
    pub fn field_managers(self) -> FieldManagers {
        match self {
            // `Replace=true` names no manager: then it is the name of the program.
            Self::Application => FieldManagers {
                apply: &["argocd-controller"],
                update: &["argocd-controller", "argocd-application-controller"],
            },
            Self::HelmRelease => FieldManagers { apply: &["helm-controller"], update: &["helm-controller"] },
            Self::Kustomization => {
                FieldManagers { apply: &["kustomize-controller"], update: &["kustomize-controller"] }
            }
        }
    }
}

// === impl ApplicationName ===

impl fmt::Display for ApplicationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        write!(f, "{} {namespace}/{name}", kind.as_str())
    }
}

impl ApplicationName {
    /// The names by which rules name it, or the project that it is in.
    pub(super) fn names(&self, project: Option<&str>) -> Vec<String> {
        let own = [self.name.clone(), format!("{}/{}", self.namespace, self.name)];
        own.into_iter().chain(project.map(str::to_owned)).collect()
    }
}

// === impl Application ===

impl Application {
    /// What of it is not understood, in words.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.objects.left_out > 0 {
            notes.push(format!("{} entries of its list of objects are not read", self.objects.left_out));
        }
        notes
    }

    /// Whether what it deploys is in the cluster that is asked about.
    pub fn is_here(&self) -> bool {
        self.destination == Destination::ThisCluster
    }

    /// Whether the tool lets it deploy the object. What an application lists beyond that it cannot have deployed.
    pub fn may_deploy(&self, key: ObjectKey<'_>) -> bool {
        self.permissions.as_ref().is_none_or(|permissions| permissions.include(key))
    }

    /// Whether it deploys the object, and Git has it no more.
    pub fn is_obsolete(&self, key: ObjectKey<'_>) -> bool {
        self.objects.objects.iter().any(|object| object.is_obsolete && object.key() == key)
    }
}

// === impl ListedObject ===

impl ListedObject {
    /// The object's identity.
    pub fn key(&self) -> ObjectKey<'_> {
        let Self { group, kind, namespace, name, .. } = self;
        ObjectKey { group, kind, namespace, name }
    }
}

// === impl ListedObjects ===

impl ListedObjects {
    /// A list that a tool has written, entry by entry; `None` for one that cannot be read.
    pub(super) fn from_entries(entries: impl Iterator<Item = Option<ListedObject>>) -> Self {
        let mut objects = Vec::new();
        let mut left_out = 0;
        for entry in entries {
            match entry {
                Some(object) if objects.len() < MAX_LISTED_OBJECTS && object.is_nameable() => objects.push(object),
                _ => left_out += 1,
            }
        }
        objects.sort_by(|a: &ListedObject, b| a.sort_key().cmp(&b.sort_key()));
        objects.dedup_by(|a, b| a.key() == b.key());
        Self { objects: objects.into(), is_missing: false, left_out }
    }

    /// The same without what is not wanted; shared, where that is nothing.
    pub(super) fn retain(&self, is_wanted: impl Fn(&ListedObject) -> bool) -> Self {
        if self.objects.iter().all(&is_wanted) {
            return self.clone();
        }
        Self { objects: self.objects.iter().filter(|object| is_wanted(object)).cloned().collect(), ..self.clone() }
    }

    /// No list.
    pub(super) fn missing() -> Self {
        Self { is_missing: true, ..Self::default() }
    }
}

/// The longest name that Kubernetes knows of anything that is listed here: that of a DNS subdomain.
const MAX_NAME: usize = 253;

impl ListedObject {
    fn is_nameable(&self) -> bool {
        let Self { group, version, kind, namespace, name, .. } = self;
        !kind.is_empty()
            && !name.is_empty()
            && [group, version, kind, namespace, name].iter().all(|part| part.len() <= MAX_NAME)
    }

    fn sort_key(&self) -> [&str; 5] {
        [&self.group, &self.kind, &self.namespace, &self.name, &self.version]
    }
}
