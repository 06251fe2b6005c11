//! What a change of an object that discovery believes takes from what is protected: wider rules of what is ignored,
//! kinds that are left alone, accounts that write for a tool, applications that are looked at no more.
//!
//! Both forms of the object are read as discovery reads them, and compared: what means the same, or more protection,
//! is no change. Only what applications list counts.

use std::sync::Arc;

use serde_json::Value;

use super::application::{Application, ApplicationKind, ApplicationName};
use super::argocd::{self, ApplicationNamespaces, ArgocdSettings, Permissions};
use super::fields::{items, optional_text, text, texts};
use super::index::Applications;
use super::observed::{ObservedKind, PARAMETERS, SETTINGS};
use super::rule_budget::RuleBudget;
use super::selector::Selector;
use crate::desired::ObjectKey;
use crate::diff::Path;

/// What a write takes from what is protected, and the fields by which it does; none where it deletes the object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loosened {
    pub(crate) loss: Loss,
    pub(crate) paths: Vec<Path>,
    /// Whether applications that are known are protected less at once; of a project, some may come to be in it.
    pub(crate) is_at_once: bool,
}

impl Loosened {
    fn at_once(loss: Loss, paths: Vec<Path>) -> Self {
        Self { loss, paths, is_at_once: true }
    }
}

/// A way to be protected less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A service account writes for a tool that did not.
    Account,
    /// Differences that were drift are ignored.
    Ignored,
    /// Objects that were compared are not any more.
    Unseen,
}

/// What is lost by a write of the object with this key; `old` or `new` is `None` where there is none.
/// `is_of_argocd`: Argo CD itself is known to be in the namespace.
pub(crate) fn loosened(
    applications: &Applications,
    key: ObjectKey<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
    is_of_argocd: bool,
) -> Vec<Loosened> {
    if applications.is_empty() {
        return Vec::new();
    }
    let (before, after) = (old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null));
    let is_argocd = || {
        let is_here =
            |name: &ApplicationName| name.kind == ApplicationKind::Application && name.namespace == key.namespace;
        is_of_argocd || applications.iter().any(|application| is_here(&application.name))
    };
    match ObservedKind::of(key.group, key.kind) {
        Some(ObservedKind::ArgocdSettings) if key.name == SETTINGS && is_argocd() => {
            of_settings(applications, before, after)
        }
        Some(ObservedKind::ArgocdSettings) if key.name == PARAMETERS && is_argocd() => {
            of_parameters(applications, key.namespace, before, after)
        }
        Some(ObservedKind::ArgocdProject) if is_argocd() => of_project(applications, key, before, after),
        Some(ObservedKind::Application(kind)) => {
            let name = ApplicationName { kind, namespace: key.namespace.to_owned(), name: key.name.to_owned() };
            match (applications.get(&name), new) {
                (Some(known), Some(_)) if known.is_here() => of_application(known, before, after),
                (Some(known), None) if known.is_here() && !known.objects.objects.is_empty() => {
                    vec![Loosened::at_once(Loss::Unseen, Vec::new())]
                }
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// By the ConfigMap `argocd-cm`.
fn of_settings(applications: &Applications, before: &Value, after: &Value) -> Vec<Loosened> {
    let [old, new] = [before, after].map(ArgocdSettings::parse);
    let changed = |keys: &[&str]| -> Vec<Path> {
        let is_changed = |key: &&&str| before["data"][**key] != after["data"][**key];
        keys.iter().filter(is_changed).map(|key| Path::of(&["data", key])).collect()
    };
    let kinds = applications.resources();
    let mut found = Vec::new();
    if kinds.iter().any(|it| old.watches_kind(it.group, it.kind) && !new.watches_kind(it.group, it.kind)) {
        found.push(Loosened::at_once(Loss::Unseen, changed(&["resource.exclusions", "resource.inclusions"])));
    }
    let mut paths = Vec::new();
    let known = argocd::ignored_entries(before);
    for entry in argocd::ignored_entries(after) {
        let is_covered = known.iter().any(|other| match (&other.rule, &entry.rule) {
            _ if other.is_same(&entry) => true,
            (Some(old), Some(new)) => other.target == entry.target && covers(old, new),
            _ => false,
        });
        let (group, kind) = &entry.target;
        let is_for_listed = || {
            // What cannot be read as a pattern may be for all.
            let selector = Selector::of_kind(group, kind, &mut RuleBudget::default()).unwrap_or(Selector::any());
            let is_for =
                |group, kind| selector.matches(ObjectKey { group, kind, namespace: "", name: "" }, &Value::Null);
            kinds.iter().any(|it| is_for(it.group, it.kind))
        };
        let path = Path::of(&["data", &entry.key]);
        // Of what cannot be read, drift is a warning at most.
        let ignores = entry.rule.as_ref().is_none_or(ignores_something);
        if ignores && !is_covered && is_for_listed() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    if !paths.is_empty() {
        found.push(Loosened::at_once(Loss::Ignored, paths));
    }
    if new.has_impersonation && !old.has_impersonation {
        found.push(Loosened::at_once(Loss::Account, changed(&["application.sync.impersonation.enabled"])));
    }
    found
}

/// By the ConfigMap `argocd-cmd-params-cm`, in the namespace of Argo CD.
fn of_parameters(applications: &Applications, namespace: &str, before: &Value, after: &Value) -> Vec<Loosened> {
    let [old, new] = [before, after].map(ApplicationNamespaces::parse);
    let is_lost = |name: &ApplicationName| {
        let is_elsewhere = name.kind == ApplicationKind::Application && name.namespace != namespace;
        is_elsewhere && old.contain(&name.namespace) && !new.contain(&name.namespace)
    };
    if !applications.iter().any(|application| application.is_here() && is_lost(&application.name)) {
        return Vec::new();
    }
    vec![Loosened::at_once(Loss::Unseen, vec![Path::of(&["data", "application.namespaces"])])]
}

/// By an `AppProject`: the first entry that matches names the account, so the order of them counts too. What the
/// project does not permit is no object of the application.
fn of_project(applications: &Applications, key: ObjectKey<'_>, before: &Value, after: &Value) -> Vec<Loosened> {
    const ACCOUNTS: &str = "/spec/destinationServiceAccounts";
    let mut found = Vec::new();
    let mut old = items(before, ACCOUNTS).iter();
    if !items(after, ACCOUNTS).iter().all(|entry| old.any(|it| it == entry)) {
        let paths = vec![Path::of(&["spec", "destinationServiceAccounts"])];
        let is_in = |application: &Application| application.project.as_deref() == Some(key.name);
        found.push(Loosened { loss: Loss::Account, paths, is_at_once: applications.iter().any(is_in) });
    }
    if permits_less(applications, key, after) {
        let is_changed = |field: &&&str| before["spec"][**field] != after["spec"][**field];
        let paths = PERMITTING.iter().filter(is_changed).map(|field| Path::of(&["spec", field])).collect();
        found.push(Loosened::at_once(Loss::Unseen, paths));
    }
    found
}

/// The fields by which a project says what its applications may deploy.
const PERMITTING: [&str; 6] = [
    "clusterResourceBlacklist",
    "clusterResourceWhitelist",
    "destinations",
    "namespaceResourceBlacklist",
    "namespaceResourceWhitelist",
    "sourceNamespaces",
];

/// Whether the project would not permit an object that an application lists, and that it permits. Where there is no
/// project yet, nothing is forbidden that was deployed already.
fn permits_less(applications: &Applications, key: ObjectKey<'_>, after: &Value) -> bool {
    let Some((_, project)) = argocd::parse_project(after) else { return false };
    let project = Arc::new(project);
    let is_of_project =
        |application: &&Application| application.is_here() && application.project.as_deref() == Some(key.name);
    applications.iter().filter(is_of_project).any(|application| {
        let before = &application.permissions;
        let is_taken = project.takes_from(&application.name.namespace, key.namespace);
        let after = Permissions::of_project(before.as_ref(), Arc::clone(&project), is_taken);
        let is_lost = |object: ObjectKey<'_>| application.may_deploy(object) && !after.include(object);
        application.objects.objects.iter().any(|object| is_lost(object.key()))
    })
}

/// By the object of an application itself.
fn of_application(known: &Application, before: &Value, after: &Value) -> Vec<Loosened> {
    let (rules, field) = match known.name.kind {
        ApplicationKind::Application => ("/spec/ignoreDifferences", "ignoreDifferences"),
        ApplicationKind::HelmRelease => ("/spec/driftDetection/ignore", "driftDetection"),
        ApplicationKind::Kustomization => ("/spec/ignore", "ignore"),
    };
    let is_for_listed = |rule: &Value| {
        let objects = &known.objects.objects;
        match known.name.kind {
            ApplicationKind::Application => match Selector::argo(rule, &mut RuleBudget::default()) {
                Ok(selector) => objects.is_empty() || objects.iter().any(|it| selector.matches(it.key(), &Value::Null)),
                Err(_) => true,
            },
            // Labels and annotations of the objects are not known here.
            ApplicationKind::HelmRelease | ApplicationKind::Kustomization => true,
        }
    };
    let is_new = |rule: &Value| {
        let is_covered = items(before, rules).iter().any(|old| is_same_target(old, rule) && covers(old, rule));
        ignores_something(rule) && !is_covered && is_for_listed(rule)
    };
    let mut found = Vec::new();
    let mut lose = |loss, field: &str| found.push(Loosened::at_once(loss, vec![Path::of(&["spec", field])]));
    if items(after, rules).iter().any(is_new) {
        lose(Loss::Ignored, field);
    }
    let changed = |pointer: &str| text(before, pointer) != text(after, pointer);
    match known.name.kind {
        ApplicationKind::Application => {
            if changed("/spec/destination/server") || changed("/spec/destination/name") {
                lose(Loss::Unseen, "destination");
            }
        }
        ApplicationKind::HelmRelease | ApplicationKind::Kustomization => {
            if changed("/spec/serviceAccountName") && optional_text(after, "/spec/serviceAccountName").is_some() {
                lose(Loss::Account, "serviceAccountName");
            }
            if after.pointer("/spec/kubeConfig").is_some_and(|config| !config.is_null()) {
                lose(Loss::Unseen, "kubeConfig");
            }
        }
    }
    found
}

/// The lists by which a rule says what is ignored.
const LISTS: [&str; 4] = ["/jsonPointers", "/jqPathExpressions", "/managedFieldsManagers", "/paths"];

fn ignores_something(rule: &Value) -> bool {
    LISTS.iter().any(|list| !texts(rule, list).is_empty())
}

/// Whether a rule ignores all that another one does, of the same objects.
fn covers(old: &Value, new: &Value) -> bool {
    LISTS.iter().all(|list| {
        let known = texts(old, list);
        texts(new, list).iter().all(|text| known.contains(text))
    })
}

fn is_same_target(old: &Value, new: &Value) -> bool {
    ["group", "kind", "namespace", "name", "target"].iter().all(|field| old[*field] == new[*field])
}
