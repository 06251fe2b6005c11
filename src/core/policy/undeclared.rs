//! A write to an object that Git does not declare: it may belong to one that
//! Git declares, hold some, or steer one.

use serde::Deserialize as _;
use serde_json::Value;

use super::declared::{is_kept, parsed};
use super::evaluation::{Assessment, Verdict, Violation};
use super::lookup::Owner;
use super::metadata::{Metadata, metadata_of};
use super::object_diff::{Scope, object_differences};
use super::{Evaluation, EvaluationError, Outcome, exempt_token};
use crate::admission::Operation;
use crate::desired::{Declared, ObjectKey, Source};
use crate::diff::{ChangeKind, Difference, Path};

/// Kinds that aim a controller at another object: group, kind, and the field that aims.
const STEERING: [(&str, &str, &str); 5] = [
    ("argoproj.io", "Rollout", "workloadRef"),
    ("autoscaling", "HorizontalPodAutoscaler", "scaleTargetRef"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "targetRef"),
    ("flagger.app", "Canary", "targetRef"),
    ("keda.sh", "ScaledObject", "scaleTargetRef"),
];

/// Owner chains are followed this far: the longest that is known (Application →
/// operator → StatefulSet → Pod) is half of it.
const CHAIN: usize = 8;

/// Groups whose objects are notes of what runs, not configuration.
const NOTES: [&str; 4] = ["authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "events.k8s.io"];

pub(super) fn evaluate<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    if !write.resource.subresource.is_empty() {
        return if evaluation.actor.is_person() {
            derived(evaluation)
        } else {
            Ok(evaluation.verdict(Verdict::Unmanaged))
        };
    }
    if let Some(assessment) = exempt_token::secret(evaluation)? {
        return Ok(assessment);
    }
    match write.operation {
        Operation::Delete if holds_objects(evaluation) => {
            let old = parsed("oldObject", write.old_object)?.unwrap_or_default();
            match taken_along(evaluation, &old) {
                Some((objects, source)) if old["metadata"]["deletionTimestamp"].is_null() => {
                    Ok(evaluation.verdict(Verdict::Drift).about(Violation::CascadingDelete { objects }).of(source))
                }
                _ => Ok(evaluation.verdict(Verdict::Unmanaged)),
            }
        }
        Operation::Create | Operation::Update if evaluation.actor.is_person() && steering(evaluation).is_some() => {
            steers(evaluation)
        }
        Operation::Create => create(evaluation),
        _ if evaluation.actor.is_person() => derived(evaluation),
        _ => Ok(evaluation.verdict(Verdict::Unmanaged)),
    }
}

fn holds_objects(evaluation: &Evaluation<'_, '_>) -> bool {
    matches!(
        (&*evaluation.write.resource.group, evaluation.kind.as_str()),
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition")
    )
}

/// How many objects of Git a deletion takes along, and a source that declares
/// some: those of a Namespace, or of the kind that a CustomResourceDefinition
/// defines. `None` where there are none.
pub(super) fn taken_along<'a>(evaluation: &Evaluation<'_, 'a>, old: &Value) -> Option<(usize, &'a Source)> {
    let snapshot = evaluation.context.snapshot;
    match (&*evaluation.write.resource.group, evaluation.kind.as_str()) {
        ("", "Namespace") => snapshot.count_in_namespace(&evaluation.name),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let spec = &old["spec"];
            snapshot.count_of_kind(spec["group"].as_str()?, spec["names"]["kind"].as_str()?)
        }
        _ => None,
    }
}

/// A new object: a strict namespace asks for a reason to let it in.
fn create<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let unmanaged = evaluation.verdict(Verdict::Unmanaged);
    if evaluation.namespace.is_empty()
        || is_note(&evaluation.write.resource.group, &evaluation.kind)
        || evaluation.context.policy.unmanaged_in(evaluation.namespace) == Outcome::Allow
    {
        return Ok(unmanaged);
    }
    if !evaluation.actor.is_person() {
        if is_address(&evaluation.write.resource.group, &evaluation.kind) {
            return Ok(unmanaged);
        }
        // What a controller makes for an object of Git is that object's. Not
        // every operator calls itself the controller of what it makes.
        let owners = metadata_of(evaluation.write.object)?.owners();
        let found: Vec<_> = owners.map(|owner| declared_above(evaluation, owner)).collect();
        if found.iter().any(|found| matches!(found, Ok(Some(_)))) {
            return Ok(evaluation.verdict(Verdict::Conforms));
        }
        found.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(unmanaged.about(Violation::CreateUndeclared))
}

/// Whether objects of a kind say where something runs: controllers and meshes
/// write them, and leaders are elected by them.
fn is_address(group: &str, kind: &str) -> bool {
    matches!((group, kind), ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice"))
}

/// Whether objects of a kind are notes of what runs: no namespace is too strict for them.
fn is_note(group: &str, kind: &str) -> bool {
    NOTES.contains(&group) || (group.is_empty() && kind == "Event")
}

// === steering ===

fn steering(evaluation: &Evaluation<'_, '_>) -> Option<&'static str> {
    let is =
        |(group, kind, _): &&(&str, &str, &str)| *group == evaluation.write.resource.group && *kind == evaluation.kind;
    STEERING.iter().find(is).map(|(_, _, field)| *field)
}

fn steers<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let Some(field) = steering(evaluation) else { return Ok(evaluation.verdict(Verdict::Unmanaged)) };
    let old = parsed("oldObject", evaluation.write.old_object)?;
    let new = parsed("object", evaluation.write.object)?.ok_or(EvaluationError::Absent("object"))?;
    // A recommender that changes nothing steers nothing.
    let is_off = |object: &Value| object["spec"]["updatePolicy"]["updateMode"] == "Off";
    let aim = |object: &Value| Aim::deserialize(&object["spec"][field]).unwrap_or_default();
    let (before, after) = (old.as_ref().filter(|old| !is_off(old)).map(aim), aim(&new));
    let (group, kind) = after.target();
    let target = ObjectKey { group, kind, namespace: evaluation.namespace, name: &after.name };
    match evaluation.context.snapshot.get(target) {
        Some((declared, source)) if !is_off(&new) && before.as_ref() != Some(&after) => {
            let path = Path::of(&["spec", field]);
            let sent = Some(new["spec"][field].clone());
            let difference = Difference { path, change: ChangeKind::Extra, new: sent, declared: None };
            if evaluation.may_move(&difference.path) {
                return Ok(evaluation.verdict(Verdict::Unmanaged));
            }
            let mut finding = evaluation.finding(difference, None, Outcome::Deny);
            finding.place = Some(declared.start());
            let violation = Violation::TargetDeclared { target: target.kubectl_name() };
            Ok(evaluation.verdict(Verdict::Drift).about(violation).finding(vec![finding]).of(source))
        }
        _ if evaluation.write.operation == Operation::Create => create(evaluation),
        _ => derived(evaluation),
    }
}

/// The object that a `scaleTargetRef` names.
#[derive(Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Aim {
    api_version: String,
    kind: String,
    name: String,
}

impl Aim {
    /// Group and kind; KEDA's default is a Deployment.
    fn target(&self) -> (&str, &str) {
        match (self.api_version.split_once('/'), self.kind.as_str()) {
            (_, "") => ("apps", "Deployment"),
            (Some((group, _)), kind) => (group, kind),
            (None, kind @ ("Deployment" | "ReplicaSet" | "StatefulSet")) if self.api_version.is_empty() => {
                ("apps", kind)
            }
            (None, kind) => ("", kind),
        }
    }
}

// === what belongs to an object of Git ===

/// A person's write to an object that may belong to one that Git declares.
fn derived<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let metadata = match &*write.resource.subresource {
        // A Scale does not name the owner of what it scales.
        "scale" => None,
        _ => Some(metadata_of(write.old_object.or(write.object))?),
    };
    let is_going = metadata.as_ref().is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    let found = match metadata {
        Some(metadata) => ancestor(evaluation, metadata),
        None => match evaluation.context.cluster.owner(evaluation.key()) {
            Ok(owner) => owner.map_or(Ok(None), |owner| declared_above(evaluation, owner)),
            Err(error) => Err(error.into()),
        },
    };
    let passing = match write.operation {
        Operation::Delete => Some(Verdict::Runtime),
        _ => is_going.then_some(Verdict::Conforms),
    };
    if let Some(verdict) = passing {
        // Whatever it belongs to it passes, also where that cannot be looked up.
        let is_of_git = found.is_ok_and(|found| found.is_some());
        return Ok(evaluation.verdict(if is_of_git { verdict } else { Verdict::Unmanaged }));
    }
    let Some((declared, source)) = found? else { return Ok(evaluation.verdict(Verdict::Unmanaged)) };
    let findings = moved(evaluation)?;
    if findings.is_empty() {
        return Ok(evaluation.verdict(Verdict::Conforms));
    }
    let findings = findings.into_iter().map(|(difference, hardest)| {
        let mut finding = evaluation.finding(difference, None, hardest);
        finding.place = Some(declared.start());
        finding
    });
    let violation = Violation::ChangeDerived { owner: declared.key().kubectl_name() };
    Ok(evaluation.verdict(Verdict::Drift).about(violation).finding(findings.collect()).of(source))
}

/// The fields of a derived object that a write moves, each with its hardest answer.
fn moved(evaluation: &Evaluation<'_, '_>) -> Result<Vec<(Difference, Outcome)>, EvaluationError> {
    let old = parsed("oldObject", evaluation.write.old_object)?;
    let new = parsed("object", evaluation.write.object)?.ok_or(EvaluationError::Absent("object"))?;
    let moved = match &*evaluation.write.resource.subresource {
        "scale" => {
            let replicas = |scale: &Value| scale["spec"].get("replicas").cloned().unwrap_or_else(|| 0.into());
            let (path, sent) = (Path::of(&["spec", "replicas"]), replicas(&new));
            let moves = old.as_ref().map(replicas) != Some(sent.clone());
            let difference = Difference { path, change: ChangeKind::Extra, new: Some(sent), declared: None };
            if moves { vec![difference] } else { Vec::new() }
        }
        "status" => {
            object_differences(None, old.as_ref(), &new, crate::diff::unknown_schema(), Scope::LabelsAndAnnotations)
        }
        _ => evaluation.with_schema(|place, _| object_differences(None, old.as_ref(), &new, place, Scope::Object))?,
    };
    let is_soft = |path: &Path| {
        path.starts_with(&["metadata", "annotations"])
            || path.starts_with(&["metadata", "labels"])
            || path.starts_with(&["spec", "ephemeralContainers"])
    };
    let weighed =
        moved.into_iter().filter(|difference| !is_kept(&difference.path) && !evaluation.may_move(&difference.path));
    Ok(weighed
        .map(|difference| {
            let hardest = if is_soft(&difference.path) { Outcome::Warn } else { Outcome::Deny };
            (difference, hardest)
        })
        .collect())
}

/// The object of Git that an object's owner chain leads to.
fn ancestor<'a>(
    evaluation: &Evaluation<'_, 'a>,
    metadata: Metadata,
) -> Result<Option<(&'a Declared, &'a Source)>, EvaluationError> {
    metadata.controller().map_or(Ok(None), |owner| declared_above(evaluation, owner))
}

fn declared_above<'a>(
    evaluation: &Evaluation<'_, 'a>,
    first: Owner,
) -> Result<Option<(&'a Declared, &'a Source)>, EvaluationError> {
    let mut owner = first;
    for _ in 0..CHAIN {
        let in_namespace =
            ObjectKey { group: &owner.group, kind: &owner.kind, namespace: evaluation.namespace, name: &owner.name };
        let cluster_wide = ObjectKey { namespace: "", ..in_namespace };
        let snapshot = evaluation.context.snapshot;
        if let Some(found) = snapshot.get_scoped(in_namespace).or_else(|| snapshot.get_scoped(cluster_wide)) {
            return Ok(Some(found));
        }
        match evaluation.context.cluster.owner(in_namespace)? {
            Some(above) => owner = above,
            None => break,
        }
    }
    Ok(None)
}
