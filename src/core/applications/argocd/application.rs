//! Argo CD's `Application` (`argoproj/argo-cd`, `pkg/apis/application/v1alpha1/types.go`).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::application::{
    Application, ApplicationKind, ApplicationName, Destination, ListedObject, ListedObjects, SyncState,
};
use super::super::fields::{identity, is_true, items, optional_text, text, texts};
use super::super::flux::without_credentials;
use super::super::ignored::IgnoredDifferences;
use super::super::selector::Selector;
use super::{ArgocdProject, ArgocdSettings, ignore_differences};
use crate::desired::{AppliedBy, Source, short_commit};

/// How Argo CD itself calls the cluster that it runs in: address and name
/// (`pkg/apis/application/v1alpha1/application_defaults.go`).
pub const IN_CLUSTER: [&str; 2] = ["https://kubernetes.default.svc", "in-cluster"];

/// All that an Application depends on, apart from itself.
#[derive(Clone, Copy, Debug)]
pub struct ArgocdContext<'c> {
    /// The settings.
    pub settings: &'c ArgocdSettings,
    /// The projects, by their names.
    pub projects: &'c HashMap<String, ArgocdProject>,
    /// The addresses and names by which Argo CD knows the cluster that is asked about.
    pub this_cluster: &'c [String],
}

/// Reads an Application, whose own list is read already; `None` for an object without a name.
pub fn parse_application(object: &Value, listed: &ListedObjects, context: ArgocdContext<'_>) -> Option<Application> {
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
    let mut accounts = Vec::new();
    if context.settings.has_impersonation {
        let address = if server.is_empty() { IN_CLUSTER[0] } else { &server };
        let of_project = context.projects.get(&project);
        accounts.extend(of_project.and_then(|it| it.account_for(address, target.as_deref().unwrap_or_default())));
        notes.extend(of_project.iter().flat_map(|it| it.notes.iter().cloned()));
    }
    let mut rules = context.settings.ignored.clone();
    for entry in items(object, "/spec/ignoreDifferences") {
        let selector = Selector::argo(entry).or_else(|reason| {
            notes.push(format!("an entry of ignoreDifferences cannot be read: {reason}"));
            Selector::of_kind("*", "*")
        });
        let Ok(selector) = selector else { continue };
        let (rule, of_rule) = ignore_differences::read(entry, selector);
        rules.push(Arc::new(rule));
        notes.extend(of_rule);
    }
    Some(Application {
        created: text(object, "/metadata/creationTimestamp"),
        destination,
        namespace: target,
        source: source(object, &name, &project),
        newest_revision: revision(object, "/status/sync"),
        sync: sync_state(object),
        objects: listed.retain(|object| context.settings.watches(object)),
        release: None,
        ignored: Arc::new(IgnoredDifferences::new(rules)),
        accounts,
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

/// Reads `status.resources`, without hooks.
pub fn parse_listed_objects(object: &Value) -> ListedObjects {
    if object.pointer("/status/resources").is_none_or(Value::is_null) {
        // An Application that deploys nothing has no list either, once it was compared.
        let was_compared = optional_text(object, "/status/reconciledAt").is_some();
        return if was_compared { ListedObjects::default() } else { ListedObjects::missing() };
    }
    let entries = items(object, "/status/resources").iter().filter(|entry| !is_true(entry, "/hook"));
    let listed = entries.map(|entry| {
        if !entry.is_object() {
            return None;
        }
        Some(ListedObject {
            group: text(entry, "/group").into(),
            version: text(entry, "/version").into(),
            kind: text(entry, "/kind").into(),
            namespace: text(entry, "/namespace").into(),
            name: text(entry, "/name").into(),
            is_obsolete: is_true(entry, "/requiresPruning"),
        })
    });
    ListedObjects::from_entries(listed)
}
