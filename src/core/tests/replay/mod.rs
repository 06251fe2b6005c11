//! Replays recorded reviews against the tools' objects, which are in the recording themselves.

mod undone;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
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

pub(crate) use undone::Unnamed;

/// The reviews of a tool, line by line; `None` where there are none.
pub(crate) fn recordings(tool: &str) -> Option<impl Iterator<Item = String>> {
    let Some(folder) = std::env::var_os("DRIFTWALL_GITOPS_RECORDINGS") else {
        eprintln!("skipped: DRIFTWALL_GITOPS_RECORDINGS is not set");
        return None;
    };
    let file = File::open(PathBuf::from(folder).join(tool).join("reviews.jsonl.gz")).unwrap();
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    Some(lines.map(Result::unwrap))
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
    pub(crate) verdict: &'static str,
    pub(crate) answer: &'static str,
    pub(crate) fields: Vec<String>,
    pub(crate) paths: Vec<Path>,
    pub(crate) message: String,
    pub(crate) is_dry_run: bool,
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
    actors: ActorRules,
    policy: Policy,
    cluster: Cluster,
    tools: ObservedTools,
    snapshot: Snapshot,
}

impl Replay {
    pub(crate) fn new(preset: &str) -> Self {
        Self {
            actors: ActorRules::new(Vec::new(), &[preset.to_owned()]).unwrap(),
            policy: Policy::default(),
            cluster: Cluster::default(),
            tools: ObservedTools::new("argocd", &[], false),
            snapshot: Snapshot::default(),
        }
    }

    /// Judges each review, then lets it happen: what is of interest, and what tools undid that was not named.
    pub(crate) fn run(mut self, lines: impl Iterator<Item = String>) -> (Vec<Step>, Vec<Unnamed>) {
        let (mut steps, mut unnamed) = (Vec::new(), Vec::new());
        let mut edits = Edits::default();
        for line in lines {
            let Line { step, review } = serde_json::from_str(&line).unwrap();
            let judged = self.judge(&step, review.get());
            let review: Value = serde_json::from_str(review.get()).unwrap();
            let request = &review["request"];
            if let Some(step) = judged {
                let key = key_of(request);
                if step.class == "person" && !step.is_dry_run {
                    edits.add(&key, request, &step);
                } else if step.class == "gitops" && !step.is_dry_run {
                    unnamed.extend(edits.undo(&key, request));
                }
                if step.class == "person" || step.answer != "allow" {
                    steps.push(step);
                }
            }
            self.happen(request);
        }
        (steps, unnamed)
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
        let message = match &decision.answer.denial {
            Some(denial) => denial.message.clone(),
            None => decision.answer.warnings.join("\n"),
        };
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
            verdict: assessment.verdict.as_str(),
            answer,
            fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
            paths: assessment.findings.iter().map(|finding| finding.path.clone()).collect(),
            message,
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

/// Prints the table: what persons did, and what else was answered.
pub(crate) fn print(steps: &[Step]) {
    for Step { name, user, class, what, verdict, answer, fields, message, is_dry_run, .. } in steps {
        let dry = if *is_dry_run { " (dry run)" } else { "" };
        println!(
            "{name}\t{user}\t{class}\t{what}{dry}\t{verdict}\t{answer}\t{}\t{}",
            fields.join(", "),
            message.replace('\n', " ⏎ ")
        );
    }
}
