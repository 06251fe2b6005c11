//! Argo CD's `Application` (`argoproj/argo-cd`, `pkg/apis/application/v1alpha1/types.go`).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::application::{
    Application, ApplicationKind, ApplicationName, Destination, ListedObject, ListedObjects, SyncState,
};
use super::super::fields::{identity, is_true, items, name as field, optional_text, text, texts};
use super::super::flux::without_credentials;
use super::super::ignored::IgnoredDifferences;
use super::super::observed::Observed;
use super::{ArgocdProject, ArgocdSettings, Tracking};
use crate::desired::{AppliedBy, ObjectKey, Source, short_commit};

/// How Argo CD itself calls the cluster that it runs in: address and name
/// (`pkg/apis/application/v1alpha1/application_defaults.go`).
pub const IN_CLUSTER: [&str; 2] = ["https://kubernetes.default.svc", "in-cluster"];

/// All that an Application depends on, apart from itself.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ArgocdContext<'c> {
    /// The settings.
    pub(in super::super) settings: &'c ArgocdSettings,
    /// The projects, by their names.
    pub(in super::super) projects: &'c HashMap<String, Arc<ArgocdProject>>,
    /// The namespace of Argo CD.
    pub(in super::super) argocd_namespace: &'c str,
    /// The addresses and names by which Argo CD knows the cluster that is asked about.
    pub(in super::super) this_cluster: &'c Arc<[String]>,
}

/// How Argo CD names an Application on the objects that it deploys.
#[derive(Clone, Debug)]
pub struct InstanceMark {
    pub(crate) instance: String,
    pub(crate) tracking: Arc<Tracking>,
}

/// What the project of an Application permits it.
#[derive(Clone, Debug)]
pub struct Permissions {
    project: Arc<ArgocdProject>,
    /// Whether the project takes Applications from the namespace of this one.
    is_taken: bool,
    /// The addresses and names of the cluster that is asked about.
    cluster: Arc<[String]>,
}

impl Permissions {
    /// Whether the Application may deploy the object.
    pub(in super::super) fn include(&self, key: ObjectKey<'_>) -> bool {
        self.is_taken && self.project.permits(key, &self.cluster)
    }

    /// What the project would permit, in the place of that of `before`, where there is one.
    pub(in super::super) fn of_project(before: Option<&Self>, project: Arc<ArgocdProject>, is_taken: bool) -> Self {
        let cluster = match before {
            Some(Self { cluster, .. }) => Arc::clone(cluster),
            None => IN_CLUSTER.map(str::to_owned).into(),
        };
        Self { project, is_taken, cluster }
    }
}

/// Reads an Application; `None` for an object without a name.
pub(in super::super) fn parse_application(observed: &Observed, context: ArgocdContext<'_>) -> Option<Application> {
    let Observed { object, listed, rules } = observed;
    let (namespace, name) = identity(object)?;
    let name = ApplicationName { kind: ApplicationKind::Application, namespace, name };
    let mut notes = Vec::new();
    let (server, cluster) = (text(object, "/spec/destination/server"), text(object, "/spec/destination/name"));
    let is_here = [&server, &cluster].iter().any(|it| !it.is_empty() && context.this_cluster.contains(it));
    let destination = match (is_here, server.is_empty()) {
        (true, _) => Destination::ThisCluster,
        (false, false) => Destination::Other(server.clone()),
        (false, true) => Destination::Other(cluster),
    };
    let project = optional_text(object, "/spec/project").unwrap_or_else(|| "default".to_owned());
    let target = optional_text(object, "/spec/destination/namespace");
    let of_project = context.projects.get(&project);
    let permissions = of_project.map(|it| Permissions {
        is_taken: it.takes_from(&name.namespace, context.argocd_namespace),
        project: Arc::clone(it),
        cluster: Arc::clone(context.this_cluster),
    });
    match &permissions {
        None => notes.push(format!("its project {project} is not there, so Argo CD does not sync it")),
        Some(Permissions { is_taken: false, .. }) => {
            notes.push(format!("its project {project} takes no Applications from namespace {}", name.namespace));
        }
        Some(_) => {}
    }
    let mut accounts = Vec::new();
    if context.settings.has_impersonation {
        let address = if server.is_empty() { IN_CLUSTER[0] } else { &server };
        accounts.extend(of_project.and_then(|it| it.account_for(address, target.as_deref().unwrap_or_default())));
        notes.extend(of_project.iter().flat_map(|it| it.notes.iter().cloned()));
    }
    notes.extend(rules.notes.iter().cloned());
    let ignored = context.settings.ignored.iter().chain(&rules.rules).cloned().collect();
    let instance = match &*name.namespace {
        namespace if namespace == context.argocd_namespace => name.name.clone(),
        // `InstanceName`, in `types.go`.
        namespace => format!("{namespace}_{}", name.name),
    };
    let mark = Some(InstanceMark { instance, tracking: Arc::clone(&context.settings.tracking) });
    Some(Application {
        created: text(object, "/metadata/creationTimestamp"),
        destination,
        namespace: target,
        source: source(object, &name, &project),
        newest_revision: revision(object, "/status/sync"),
        sync: sync_state(object),
        objects: listed.retain(|object| context.settings.watches(object)),
        release: None,
        ignored: Arc::new(IgnoredDifferences::new(ignored)),
        accounts,
        permissions,
        mark,
        notes,
        project: Some(project),
        name,
    })
}

/// Where it deploys from, and what was applied last.
fn source(object: &Value, name: &ApplicationName, project: &str) -> Source {
    let sources = items(object, "/spec/sources");
    let hydrated = object.pointer("/spec/sourceHydrator").filter(|it| it.get("drySource").is_some());
    // A source with `ref` alone only lends its files to the others.
    let deploys = |source: &&Value| source.get("path").is_some() || source.get("chart").is_some();
    let index = sources.iter().position(|source| deploys(&source)).unwrap_or_default();
    let (repo, revision_at, chart) = match (hydrated, sources.get(index)) {
        (Some(hydrator), _) => (text(hydrator, "/drySource/repoURL"), text(hydrator, "/syncSource/targetBranch"), None),
        (None, Some(source)) => {
            (text(source, "/repoURL"), text(source, "/targetRevision"), optional_text(source, "/chart"))
        }
        (None, None) => (
            text(object, "/spec/source/repoURL"),
            text(object, "/spec/source/targetRevision"),
            optional_text(object, "/spec/source/chart"),
        ),
    };
    let history = items(object, "/status/history").last();
    let all = history.map(|entry| texts(entry, "/revisions")).unwrap_or_default();
    let applied = match all.get(index) {
        Some(revision) => revision.clone(),
        None => history.map(|entry| text(entry, "/revision")).unwrap_or_default(),
    };
    let named =
        if name.namespace == "argocd" { name.name.clone() } else { format!("{}/{}", name.namespace, name.name) };
    Source {
        name: name.to_string(),
        repo: without_credentials(&repo),
        revision: if revision_at.is_empty() { "HEAD".to_owned() } else { revision_at },
        applied_by: Some(AppliedBy {
            application: format!("application {named}"),
            names: name.names(Some(project)),
            tool: name.kind.tool(),
            revision: if chart.is_some() { applied.clone() } else { short_commit(&applied).to_owned() },
        }),
        commit: applied,
        chart,
        ..Source::default()
    }
}

/// The revision or revisions of a part of the status.
fn revision(object: &Value, pointer: &str) -> String {
    let all = texts(object, &format!("{pointer}/revisions"));
    if all.is_empty() { text(object, &format!("{pointer}/revision")) } else { all.join(", ") }
}

fn sync_state(object: &Value) -> SyncState {
    let automated = object.pointer("/spec/syncPolicy/automated").filter(|automated| automated.is_object());
    let is_automatic = automated.is_some_and(|automated| automated.get("enabled") != Some(&Value::Bool(false)));
    let is_paused = object["metadata"]["annotations"]["argocd.argoproj.io/skip-reconcile"] == "true";
    let errors = items(object, "/status/conditions").iter();
    let error = errors.into_iter().find(|condition| text(condition, "/type").ends_with("Error"));
    SyncState {
        status: text(object, "/status/sync/status"),
        message: error.map(|condition| text(condition, "/message")).unwrap_or_default(),
        is_automatic,
        is_paused,
    }
}

/// Reads `status.resources`, without hooks; and the namespace, where Argo CD gives it labels or annotations.
pub fn parse_listed_objects(object: &Value) -> ListedObjects {
    if object.pointer("/status/resources").is_none_or(Value::is_null) {
        // An Application that deploys nothing has no list either, once it was compared.
        let was_compared = optional_text(object, "/status/reconciledAt").is_some();
        return if was_compared { ListedObjects::default() } else { ListedObjects::missing() };
    }
    let entries = items(object, "/status/resources").iter().filter(|entry| !is_true(entry, "/hook"));
    ListedObjects::from_entries(managed_namespace(object).into_iter().map(Some).chain(entries.map(listed_object)))
}

fn listed_object(entry: &Value) -> Option<ListedObject> {
    entry.is_object().then(|| ListedObject {
        group: field(entry, "/group"),
        version: field(entry, "/version"),
        kind: field(entry, "/kind"),
        namespace: field(entry, "/namespace"),
        name: field(entry, "/name"),
        is_obsolete: is_true(entry, "/requiresPruning"),
    })
}

/// The namespace that every sync applies, with the labels and annotations that the Application says; it is in no list
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#namespace-metadata>).
fn managed_namespace(object: &Value) -> Option<ListedObject> {
    let metadata = object.pointer("/spec/syncPolicy/managedNamespaceMetadata")?;
    let says_something = ["labels", "annotations"].iter().any(|map| metadata.get(map).is_some_and(Value::is_object));
    let is_created =
        texts(object, "/spec/syncPolicy/syncOptions").iter().any(|option| option == "CreateNamespace=true");
    let name = field(object, "/spec/destination/namespace");
    (says_something && is_created && !name.is_empty()).then(|| ListedObject {
        group: "".into(),
        version: "v1".into(),
        kind: "Namespace".into(),
        namespace: "".into(),
        name,
        is_obsolete: false,
    })
}
