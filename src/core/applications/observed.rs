//! The objects of Argo CD and Flux as they were seen last, and the applications that they come to. Each event says
//! which applications are other ones now.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::application::{Application, ApplicationKind, ApplicationName, ListedObjects};
use super::argocd::{ApplicationNamespaces, ArgocdContext, ArgocdProject, ArgocdSettings, IN_CLUSTER};
use super::flux::{FluxSourceName, FluxSources};
use super::index::ApplicationsChange;
use super::{argocd, fields, flux};

/// The objects of both tools, as far as they are needed.
#[derive(Debug)]
pub struct ObservedTools {
    /// The addresses and names by which Argo CD knows the cluster that is asked about.
    this_cluster: Vec<String>,
    /// The namespace of Argo CD: its settings and projects are there.
    argocd_namespace: String,
    /// Where the controller of Argo CD takes Applications from, beside its own namespace.
    application_namespaces: ApplicationNamespaces,
    settings: ArgocdSettings,
    projects: HashMap<String, ArgocdProject>,
    sources: FluxSources,
    applications: BTreeMap<ApplicationName, Observed>,
}

/// An application's object without what is not needed, and its list.
#[derive(Debug)]
struct Observed {
    object: Value,
    listed: ListedObjects,
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
const SETTINGS: &str = "argocd-cm";
const PARAMETERS: &str = "argocd-cmd-params-cm";

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
                    self.projects.insert(name.clone(), project);
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
        let listed = match kind {
            ApplicationKind::Application => argocd::parse_listed_objects(&object),
            ApplicationKind::HelmRelease | ApplicationKind::Kustomization => flux::parse_inventory(&object),
        };
        prune(&mut object);
        let mut observed = Observed { object, listed };
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

    fn application(&self, kind: ApplicationKind, Observed { object, listed }: &Observed) -> Option<Application> {
        match kind {
            ApplicationKind::Application => {
                let Self { settings, projects, this_cluster, .. } = self;
                argocd::parse_application(object, listed, ArgocdContext { settings, projects, this_cluster })
            }
            ApplicationKind::HelmRelease => flux::parse_helm_release(object, listed, &self.sources),
            ApplicationKind::Kustomization => flux::parse_kustomization(object, listed, &self.sources),
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

    fn of_source(&self, source: &FluxSourceName) -> Vec<ApplicationsChange> {
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

/// Takes out of an application's object what is large and not needed again.
fn prune(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| {
            matches!(name.as_str(), "annotations" | "creationTimestamp" | "labels" | "name" | "namespace")
        });
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|name, _| name == "argocd.argoproj.io/skip-reconcile");
        }
    }
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    for name in ["inventory", "operationState", "resources", "summary"] {
        status.remove(name);
    }
    if let Some(sync) = status.get_mut("sync").and_then(Value::as_object_mut) {
        sync.remove("comparedTo");
    }
}
