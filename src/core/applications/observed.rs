//! The objects of Argo CD and Flux as they were seen last, and the applications that they come to. Each event says
//! which applications are other ones now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

use super::application::{Application, ApplicationKind, ApplicationName, ListedObjects};
use super::argocd::{ApplicationNamespaces, ArgocdContext, ArgocdProject, ArgocdSettings, IN_CLUSTER};
use super::flux::{FluxSourceName, FluxSources};
use super::ignored::OwnRules;
use super::index::ApplicationsChange;
use super::{argocd, fields, flux};

/// The objects of both tools, as far as they are needed.
#[derive(Debug)]
pub struct ObservedTools {
    /// The addresses and names by which Argo CD knows the cluster that is asked about.
    this_cluster: Arc<[String]>,
    /// The namespace of Argo CD: its settings and projects are there.
    argocd_namespace: String,
    /// Where the controller of Argo CD takes Applications from, beside its own namespace.
    application_namespaces: ApplicationNamespaces,
    settings: ArgocdSettings,
    projects: HashMap<String, Arc<ArgocdProject>>,
    sources: FluxSources,
    applications: BTreeMap<ApplicationName, Observed>,
}

/// An application's object without what is large, and what was read of that.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) object: Value,
    pub(super) listed: ListedObjects,
    pub(super) rules: OwnRules,
}

/// A kind of object that is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObservedKind {
    /// An application.
    Application(ApplicationKind),
    /// A project of Argo CD.
    ArgocdProject,
    /// The settings of Argo CD.
    ArgocdSettings,
    /// A source of Flux.
    FluxSource,
}

/// Each a `ConfigMap`: the settings of Argo CD, and the parameters of its programs.
pub(super) const SETTINGS: &str = "argocd-cm";
pub(super) const PARAMETERS: &str = "argocd-cmd-params-cm";
pub(crate) const ARGOCD_SETTINGS: [&str; 2] = [SETTINGS, PARAMETERS];

impl ObservedKind {
    /// What an object of this kind is observed as; `None` where it is not.
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        let application = ApplicationKind::ALL.into_iter().find(|it| (it.group(), it.as_str()) == (group, kind));
        match (application, group, kind) {
            (Some(kind), ..) => Some(Self::Application(kind)),
            (None, "argoproj.io", "AppProject") => Some(Self::ArgocdProject),
            (None, "", "ConfigMap") => Some(Self::ArgocdSettings),
            (None, "source.toolkit.fluxcd.io", _) => Some(Self::FluxSource),
            _ => None,
        }
    }

    /// Whether an object of this name may be observed as this.
    pub(crate) fn is_named(self, name: &str) -> bool {
        self != Self::ArgocdSettings || ARGOCD_SETTINGS.contains(&name)
    }
}

impl ObservedTools {
    /// Nothing seen yet. `other_names` are those of the cluster that is asked about, beside what Argo CD itself calls
    /// the one that it runs in; with `is_hub_elsewhere`, in their place.
    pub fn new(argocd_namespace: &str, other_names: &[String], is_hub_elsewhere: bool) -> Self {
        let own = if is_hub_elsewhere { &[][..] } else { &IN_CLUSTER };
        let this_cluster = own.iter().map(|name| (*name).to_owned()).chain(other_names.iter().cloned()).collect();
        Self {
            this_cluster,
            argocd_namespace: argocd_namespace.to_owned(),
            application_namespaces: ApplicationNamespaces::default(),
            settings: ArgocdSettings::default(),
            projects: HashMap::new(),
            sources: FluxSources::new(),
            applications: BTreeMap::new(),
        }
    }

    /// What of Argo CD's settings is not understood.
    pub fn settings_notes(&self) -> &[String] {
        &self.settings.notes
    }

    /// An object is there, or is another one now.
    pub fn observe(&mut self, kind: ObservedKind, object: Value) -> Vec<ApplicationsChange> {
        match kind {
            ObservedKind::Application(kind) => self.observe_application(kind, object),
            ObservedKind::ArgocdProject => match argocd::parse_project(&object) {
                Some(((namespace, name), project)) if namespace == self.argocd_namespace => {
                    self.projects.insert(name.clone(), Arc::new(project));
                    self.of_project(&name)
                }
                _ => Vec::new(),
            },
            ObservedKind::ArgocdSettings => self.set_settings(&object, Some(&object)),
            ObservedKind::FluxSource => match flux::parse_source(&object) {
                Some((name, source)) if self.sources.get(&name) != Some(&source) => {
                    self.sources.insert(name.clone(), source);
                    self.of_source(&name)
                }
                _ => Vec::new(),
            },
        }
    }

    /// Whether the application is there.
    pub fn has_application(&self, name: &ApplicationName) -> bool {
        self.applications.contains_key(name)
    }

    /// An object is gone.
    pub fn forget(&mut self, kind: ObservedKind, object: &Value) -> Vec<ApplicationsChange> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        match kind {
            ObservedKind::Application(kind) => {
                let name = ApplicationName { kind, namespace, name };
                self.applications.remove(&name).map(|_| ApplicationsChange::Gone(name)).into_iter().collect()
            }
            ObservedKind::ArgocdProject if namespace == self.argocd_namespace => {
                self.projects.remove(&name);
                self.of_project(&name)
            }
            ObservedKind::ArgocdSettings => self.set_settings(object, None),
            ObservedKind::ArgocdProject => Vec::new(),
            ObservedKind::FluxSource => {
                let name = FluxSourceName { kind: text("/kind"), namespace, name };
                self.sources.remove(&name);
                self.of_source(&name)
            }
        }
    }

    fn observe_application(&mut self, kind: ApplicationKind, mut object: Value) -> Vec<ApplicationsChange> {
        let (listed, rules) = match kind {
            ApplicationKind::Application => (argocd::parse_listed_objects(&object), argocd::parse_own_rules(&object)),
            ApplicationKind::HelmRelease | ApplicationKind::Kustomization => {
                (flux::parse_inventory(&object), flux::parse_own_rules(kind, &object))
            }
        };
        prune(&mut object);
        let mut observed = Observed { object, listed, rules };
        let Some((namespace, name)) = fields::identity(&observed.object) else { return Vec::new() };
        let name = ApplicationName { kind, namespace, name };
        // A status is written again and again with the same list: that one is shared.
        if let Some(before) = self.applications.get(&name)
            && before.listed.objects == observed.listed.objects
        {
            observed.listed.objects = Arc::clone(&before.listed.objects);
        }
        let change = self.change(&name, &observed);
        self.applications.insert(name, observed);
        vec![change]
    }

    /// What an application comes to; one that its tool does not look at comes to nothing.
    fn change(&self, name: &ApplicationName, observed: &Observed) -> ApplicationsChange {
        let is_served = name.kind != ApplicationKind::Application
            || name.namespace == self.argocd_namespace
            || self.application_namespaces.contain(&name.namespace);
        match self.application(name.kind, observed) {
            Some(application) if is_served => ApplicationsChange::Present(Arc::new(application)),
            _ => ApplicationsChange::Gone(name.clone()),
        }
    }

    fn application(&self, kind: ApplicationKind, observed: &Observed) -> Option<Application> {
        match kind {
            ApplicationKind::Application => {
                let Self { settings, projects, this_cluster, argocd_namespace, .. } = self;
                argocd::parse_application(
                    observed,
                    ArgocdContext { settings, projects, argocd_namespace, this_cluster },
                )
            }
            ApplicationKind::HelmRelease => flux::parse_helm_release(observed, &self.sources),
            ApplicationKind::Kustomization => flux::parse_kustomization(observed, &self.sources),
        }
    }

    /// Takes new settings from a ConfigMap of this name; the usual ones, where it is gone.
    fn set_settings(&mut self, named: &Value, config_map: Option<&Value>) -> Vec<ApplicationsChange> {
        let metadata = &named["metadata"];
        if metadata["namespace"] != *self.argocd_namespace {
            return Vec::new();
        }
        match metadata["name"].as_str() {
            Some(SETTINGS) => self.settings = config_map.map(ArgocdSettings::parse).unwrap_or_default(),
            Some(PARAMETERS) => {
                self.application_namespaces = config_map.map(ApplicationNamespaces::parse).unwrap_or_default();
            }
            _ => return Vec::new(),
        }
        self.where_observed(|name, _| name.kind == ApplicationKind::Application)
    }

    fn of_project(&self, project: &str) -> Vec<ApplicationsChange> {
        let is_in = |object: &Value| object["spec"]["project"].as_str().unwrap_or("default") == project;
        self.where_observed(|name, observed| name.kind == ApplicationKind::Application && is_in(&observed.object))
    }

    /// Those that deploy from a source, or from a chart that comes from it.
    fn of_source(&self, source: &FluxSourceName) -> Vec<ApplicationsChange> {
        let charts = self.sources.iter().filter(|(_, chart)| chart.from.as_ref() == Some(source));
        let mut changes: Vec<_> = charts.flat_map(|(chart, _)| self.referring_to(chart)).collect();
        changes.extend(self.referring_to(source));
        changes
    }

    fn referring_to(&self, source: &FluxSourceName) -> Vec<ApplicationsChange> {
        let references = ["/spec/sourceRef/name", "/spec/chartRef/name", "/spec/chart/spec/sourceRef/name"];
        let names = |object: &Value| {
            references.iter().any(|at| object.pointer(at).and_then(Value::as_str) == Some(&source.name))
        };
        self.where_observed(|name, observed| name.kind != ApplicationKind::Application && names(&observed.object))
    }

    fn where_observed(&self, is_it: impl Fn(&ApplicationName, &Observed) -> bool) -> Vec<ApplicationsChange> {
        let mut changes = Vec::new();
        for (name, observed) in &self.applications {
            if is_it(name, observed) {
                changes.push(self.change(name, observed));
            }
        }
        changes
    }
}

/// What of an application's object is needed again, when its project, the settings or its source change.
const KEPT_OF_METADATA: [&str; 4] = ["annotations", "creationTimestamp", "name", "namespace"];
const KEPT_ANNOTATION: &str = "argocd.argoproj.io/skip-reconcile";
const KEPT_OF_SPEC: [&str; 13] = [
    "chart",
    "chartRef",
    "destination",
    "kubeConfig",
    "project",
    "releaseName",
    "serviceAccountName",
    "source",
    "sourceHydrator",
    "sourceRef",
    "sources",
    "suspend",
    "targetNamespace",
];
const KEPT_OF_SOURCE: [&str; 5] = ["chart", "path", "ref", "repoURL", "targetRevision"];
const KEPT_OF_STATUS: [&str; 6] =
    ["conditions", "history", "lastAppliedRevision", "lastAttemptedRevision", "reconciledAt", "sync"];

/// Takes out of an application's object what is large and not needed again.
fn prune(object: &mut Value) {
    let automated = object.pointer_mut("/spec/syncPolicy/automated").map(Value::take);
    for (pointer, kept) in [
        ("", &["metadata", "spec", "status"][..]),
        ("/metadata", &KEPT_OF_METADATA),
        ("/metadata/annotations", &[KEPT_ANNOTATION]),
        ("/spec", &KEPT_OF_SPEC),
        ("/spec/source", &KEPT_OF_SOURCE),
        ("/spec/sourceHydrator", &["drySource", "syncSource"]),
        ("/spec/sourceHydrator/drySource", &KEPT_OF_SOURCE),
        ("/status", &KEPT_OF_STATUS),
        ("/status/sync", &["revision", "revisions", "status"]),
    ] {
        if let Some(value) = object.pointer_mut(pointer) {
            retain(value, kept);
        }
    }
    for source in object.pointer_mut("/spec/sources").and_then(Value::as_array_mut).into_iter().flatten() {
        retain(source, &KEPT_OF_SOURCE);
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
        && let Some(automated) = automated
    {
        spec.insert("syncPolicy".to_owned(), json!({"automated": automated}));
    }
    // Argo CD's newest entry is the last one, Flux's the first one.
    if let Some(Value::Array(history)) = object.pointer_mut("/status/history") {
        let newest: Vec<_> = history.first().into_iter().chain(history.last()).cloned().collect();
        *history = newest;
        for entry in history {
            for name in ["source", "sources"] {
                entry.as_object_mut().map(|entry| entry.remove(name));
            }
        }
    }
}

fn retain(value: &mut Value, kept: &[&str]) {
    if let Value::Object(fields) = value {
        fields.retain(|name, _| kept.contains(&name.as_str()));
    }
}
