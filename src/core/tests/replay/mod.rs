//! Replays recorded reviews against the tools' objects, which are in the recording themselves.

mod undone;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::sync::{Arc, Mutex};

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::{Resource, decode};
use driftwall_core::applications::{Applications, ObservedKind, ObservedTools};
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{ObjectKey, Snapshot};
use driftwall_core::diff::{CustomResource, Path};
use driftwall_core::policy::{
    ClusterLookup, EvaluationContext, LookupError, Outcome, Owner, OwnerReference, Policy, evaluate,
};
use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::RawValue;
use undone::Edits;

pub(crate) use undone::Row;

/// The lines of a recording.
pub(crate) fn lines(file: &std::path::Path) -> impl Iterator<Item = String> {
    let file = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    BufReader::new(flate2::read::GzDecoder::new(file)).lines().map(Result::unwrap)
}

/// A line of a recording.
#[derive(serde::Deserialize)]
struct Line<'a> {
    step: String,
    #[serde(borrow)]
    review: &'a RawValue,
}

/// One write that is of interest: a person's, or one that was not allowed in silence.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) class: &'static str,
    pub(crate) what: String,
    pub(crate) answer: &'static str,
    pub(crate) fields: Vec<String>,
    pub(crate) paths: Vec<Path>,
    pub(crate) is_dry_run: bool,
}

impl Step {
    /// Whether a person writes; Argo CD's server writes for whoever clicks in its page.
    pub(crate) fn is_of_somebody(&self) -> bool {
        self.class == "person" || self.user.ends_with(":argocd-server")
    }
}

/// The cluster as the reviews tell it.
#[derive(Default)]
struct Cluster {
    /// By key as it is displayed.
    objects: Mutex<HashMap<String, Value>>,
    /// By the name of the CustomResourceDefinition.
    definitions: Mutex<HashMap<String, Arc<CustomResource>>>,
}

impl ClusterLookup for Cluster {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        let objects = self.objects.lock().unwrap();
        let Some(object) = objects.get(&object.to_string()) else { return Ok(None) };
        let references = Vec::<OwnerReference>::deserialize(&object["metadata"]["ownerReferences"]);
        Ok(Owner::controller(references.unwrap_or_default()))
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        let definitions = self.definitions.lock().unwrap();
        Ok(definitions.values().find(|it| it.group == group && it.kind == kind).cloned())
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        let definitions = self.definitions.lock().unwrap();
        Ok(definitions.values().find(|it| it.group == group && it.plural == plural).map(|it| it.kind.clone()))
    }

    fn object(&self, key: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        Ok(self.objects.lock().unwrap().get(&key.to_string()).cloned())
    }
}

/// What is known at one moment of a recording.
pub(crate) struct Replay {
    tool: &'static str,
    actors: ActorRules,
    policy: Policy,
    cluster: Cluster,
    tools: ObservedTools,
    snapshot: Snapshot,
}

impl Replay {
    pub(crate) fn new(preset: &'static str) -> Self {
        Self {
            tool: preset,
            actors: ActorRules::new(Vec::new(), &[preset.to_owned()]).unwrap(),
            policy: Policy::default(),
            cluster: Cluster::default(),
            tools: ObservedTools::new("argocd", &[], false),
            snapshot: Snapshot::default(),
        }
    }

    /// Judges each review, then lets it happen: what is of interest, and what tools undid of people's edits.
    pub(crate) fn run(mut self, lines: impl Iterator<Item = String>) -> (Vec<Step>, Vec<Row>) {
        let mut steps = Vec::new();
        let mut edits = Edits::of(self.tool);
        for line in lines {
            let Line { step, review } = serde_json::from_str(&line).unwrap();
            let judged = self.judge(&step, review.get());
            let review: Value = serde_json::from_str(review.get()).unwrap();
            let request = &review["request"];
            if let Some(step) = judged {
                let key = key_of(request);
                if step.is_of_somebody() && !step.is_dry_run {
                    edits.add(&key, request, &step);
                } else if step.class == "gitops" && !step.is_dry_run {
                    edits.undo(&key, request);
                }
                if step.is_of_somebody() || step.answer != "allow" {
                    steps.push(step);
                }
            }
            self.happen(request);
        }
        (steps, edits.into_rows())
    }

    fn judge(&self, name: &str, body: &str) -> Option<Step> {
        let write = decode(body.as_bytes()).unwrap();
        let Self { actors, policy, cluster, snapshot, .. } = self;
        let assessment = evaluate(&write, EvaluationContext { snapshot, actors, policy, cluster });
        let decision = decide(&write, &assessment, policy, DecisionContext::default());
        let answer = match decision.outcome {
            Outcome::Allow => "allow",
            Outcome::Warn => "warn",
            Outcome::Deny => "deny",
        };
        if matches!(assessment.class.as_str(), "control plane" | "autoscaler") {
            return None;
        }
        let resource = &write.resource;
        let subresource =
            if resource.subresource.is_empty() { String::new() } else { format!("/{}", resource.subresource) };
        Some(Step {
            name: name.to_owned(),
            user: write.user.name.to_string(),
            class: assessment.class.as_str(),
            what: format!(
                "{} {}{subresource} {}/{}",
                write.operation.as_str(),
                resource.plural,
                write.namespace,
                write.name
            ),
            answer,
            fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
            paths: assessment.findings.iter().map(|finding| finding.path.clone()).collect(),
            is_dry_run: write.dry_run,
        })
    }

    /// What the write leaves behind, as a watch would tell it.
    fn happen(&mut self, request: &Value) {
        if request["dryRun"] == true {
            return;
        }
        let subresource = request["subResource"].as_str().unwrap_or_default();
        let is_delete = request["operation"] == "DELETE";
        let object = if is_delete { &request["oldObject"] } else { &request["object"] };
        if subresource == "scale" {
            self.scale(request);
            return;
        }
        if !matches!(subresource, "" | "status") || !object.is_object() {
            return;
        }
        let metadata = &object["metadata"];
        let has_finalizers = metadata["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let is_gone = !has_finalizers && (is_delete || !metadata["deletionTimestamp"].is_null());
        let group = request["resource"]["group"].as_str().unwrap_or_default();
        let kind = object["kind"].as_str().unwrap_or_default();
        let key = ObjectKey {
            group,
            kind,
            namespace: metadata["namespace"].as_str().unwrap_or_default(),
            name: metadata["name"].as_str().unwrap_or_default(),
        };
        let mut objects = self.cluster.objects.lock().unwrap();
        if is_gone {
            objects.remove(&key.to_string());
        } else if !is_delete {
            objects.insert(key.to_string(), object.clone());
        }
        drop(objects);
        if kind == "CustomResourceDefinition" && !is_gone {
            let definition = CustomResource::from_crd(object).unwrap();
            self.cluster.definitions.lock().unwrap().insert(key.name.to_owned(), Arc::new(definition));
        }
        let Some(observed) = ObservedKind::of(group, kind) else { return };
        let changes = if is_gone {
            self.tools.forget(observed, object)
        } else if is_delete {
            Vec::new()
        } else {
            self.tools.observe(observed, object.clone())
        };
        if !changes.is_empty() {
            let applications: Applications = self.snapshot.applications().after(changes);
            self.snapshot = self.snapshot.with_applications(Arc::new(applications));
        }
    }

    fn scale(&mut self, request: &Value) {
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = self.snapshot.kind_of(text("/resource/group"), text("/resource/resource"));
        let Some(kind) = kind else { return };
        let key =
            ObjectKey { group: text("/resource/group"), kind, namespace: text("/namespace"), name: text("/name") };
        if let Some(parent) = self.cluster.objects.lock().unwrap().get_mut(&key.to_string()) {
            parent["spec"]["replicas"] = request["object"]["spec"]["replicas"].clone();
        }
    }
}

/// The object under review, also where the review brings its `Scale`.
fn key_of(request: &Value) -> String {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (group, plural) = (text("/resource/group"), text("/resource/resource"));
    format!("{plural}.{group} {}/{}", text("/namespace"), text("/name"))
}
