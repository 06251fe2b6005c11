//! A person's object that a controller takes for one of a declared object's own: it claims to be owned by it, or has the
//! labels that it selects. From then on it runs in the place of what Git says.

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::declared_object::DeclaredObject;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::findings::Findings;
use super::metadata::metadata_of;
use super::mode::Outcome;
use super::owners::declared_owner;
use super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use crate::admission::Operation;
use crate::desired::Declared;
use crate::diff::{self, Allocations, ChangeKind, DifferenceRef, Path, PathElement, each_difference};
use crate::label_selector::LabelSelector;

/// A kind whose objects are taken over, where in them a Pod's `spec` is, and the answer where another one is there.
struct Adopted {
    group: &'static str,
    kind: &'static str,
    pod_spec: &'static [&'static str],
    /// A Job that is made of a `CronJob` by hand claims it, often enough with other arguments.
    max_outcome: Outcome,
}

const ADOPTED: [Adopted; 3] = [
    Adopted { group: "", kind: "Pod", pod_spec: &["spec"], max_outcome: Outcome::Deny },
    Adopted { group: "apps", kind: "ReplicaSet", pod_spec: &["spec", "template", "spec"], max_outcome: Outcome::Deny },
    Adopted { group: "batch", kind: "Job", pod_spec: &["spec", "template", "spec"], max_outcome: Outcome::Warn },
];

/// A kind whose controllers take over what has the labels of `spec.selector`
/// (`k8s.io/kubernetes/pkg/controller/controller_ref_manager.go`).
struct Selecting {
    group: &'static str,
    kind: &'static str,
    /// Of a kind that makes ReplicaSets, the label that their Pods have beside those of the selector.
    hash_label: Option<&'static str>,
}

const SELECTING: [Selecting; 6] = [
    Selecting { group: "", kind: "ReplicationController", hash_label: None },
    Selecting { group: "apps", kind: "DaemonSet", hash_label: None },
    Selecting { group: "apps", kind: "Deployment", hash_label: Some("pod-template-hash") },
    Selecting { group: "apps", kind: "ReplicaSet", hash_label: None },
    Selecting { group: "apps", kind: "StatefulSet", hash_label: None },
    Selecting { group: "argoproj.io", kind: "Rollout", hash_label: Some("rollouts-pod-template-hash") },
];

/// What says, of a container, what it runs.
const RUN_BY: [&str; 3] = ["args", "command", "image"];

/// What else says, of a container, how it runs: admission adds to it, and changes nothing of it.
const RUN_WITH: [&str; 6] = ["env", "envFrom", "lifecycle", "securityContext", "volumeMounts", "workingDir"];

/// The same of the Pod.
const POD_RUN_WITH: [&str; 6] =
    ["hostIPC", "hostNetwork", "hostPID", "securityContext", "serviceAccountName", "volumes"];

/// What admission sets for nobody.
const NOT_ADDED: [&str; 3] = ["hostIPC", "hostNetwork", "hostPID"];

/// The verdict on a CREATE or UPDATE of an undeclared object that no controller has yet, where one of a declared
/// object takes it over and it runs something else than Git says; `None` otherwise.
pub(super) fn evaluate_adoption<'a>(
    evaluation: &Evaluation<'_, 'a>,
) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let Some(adopted) = ADOPTED.iter().find(|adopted| evaluation.is_kind(adopted.group, adopted.kind)) else {
        return Ok(None);
    };
    let write = evaluation.write;
    // What has a controller already is judged as its own.
    if metadata_of(write.old_object)?.controller().is_some() {
        return Ok(None);
    }
    let old = parse_old_parts(write)?;
    let new = parse_new(write)?;
    if old.as_ref().is_some_and(is_being_deleted) || new["status"]["phase"] == "Succeeded" {
        return Ok(None);
    }
    let Some(declared) = taken_by(evaluation, adopted, old.as_ref(), &new)? else { return Ok(None) };
    let Some(git) = declared.declared.filter(|_| !declared.opts_out()) else { return Ok(None) };
    let git = evaluation.context.snapshot.object(git);
    let Some(template) = pod_spec_of(&git) else { return Ok(None) };
    let path = Path::of(adopted.pod_spec);
    let runs = adopted.pod_spec.iter().fold(&new, |value, field| &value[*field]);
    let schema = diff::builtin_schema("", "v1", "Pod").map_or(diff::unknown_schema(), |pod| pod.field("spec"));
    let mut findings = Findings::default();
    let add = &mut |difference: DifferenceRef<'_>| {
        if says_what_runs(difference, path.elements().len(), write.operation)
            && !evaluation.is_permitted(difference.path)
        {
            findings.add(evaluation, difference, declared.location(), adopted.max_outcome);
        }
    };
    each_difference(Some(template), None, Some(runs), schema, &path, Allocations::Writer, add);
    if findings.is_empty() {
        return Ok(None);
    }
    let uncertainty = declared.uncertainty(evaluation.context.snapshot);
    let violation = Violation::ChangeDerived { owner: declared.kubectl_name.clone() };
    let drift = evaluation.verdict(Verdict::Drift).with_violation(violation).with_bounded_findings(findings);
    Ok(Some(drift.with_uncertainty(uncertainty).with_declared_object(&declared)))
}

/// The declared object whose controller takes the new object for its own by this write.
fn taken_by<'a>(
    evaluation: &Evaluation<'_, 'a>,
    adopted: &Adopted,
    old: Option<&Value>,
    new: &Value,
) -> Result<Option<DeclaredObject<'a>>, EvaluationError> {
    if let Some(owner) = metadata_of(evaluation.write.object)?.controller() {
        return declared_owner(evaluation, owner);
    }
    let snapshot = evaluation.context.snapshot;
    if adopted.kind == "Job" {
        // A Job of the name of the next run is taken for that run (`getJobName`, in
        // `k8s.io/kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go`).
        let is_next = |declared: &Declared| {
            (&*declared.group, &*declared.kind) == ("batch", "CronJob")
                && old.is_none()
                && is_ordinal_of(&declared.name, &evaluation.name)
        };
        let next = snapshot.declared_in(evaluation.namespace, &is_next).next();
        return Ok(next.and_then(|declared| DeclaredObject::find(snapshot, declared.key())));
    }
    let labels = |object: &Value| object["metadata"]["labels"].clone();
    if old.is_some_and(|old| labels(old) == labels(new)) {
        return Ok(None);
    }
    let labels = labels(new);
    let is_selecting = |declared: &Declared| selecting(&declared.group, &declared.kind).is_some();
    for declared in snapshot.declared_in(evaluation.namespace, &is_selecting) {
        let Some(by) = selecting(&declared.group, &declared.kind) else { continue };
        // A StatefulSet takes what has a name of its own.
        let is_named = declared.kind != "StatefulSet" || is_ordinal_of(&declared.name, &evaluation.name);
        let has_hash = by.hash_label.is_none_or(|label| labels[label].is_string());
        let is_of_set = adopted.kind == "Pod" && has_hash && is_named;
        let is_set = adopted.kind == "ReplicaSet" && by.hash_label.is_some();
        if (is_of_set || is_set) && selects(&snapshot.object(declared)["spec"]["selector"], &labels) {
            return Ok(DeclaredObject::find(snapshot, declared.key()));
        }
    }
    Ok(None)
}

fn selecting(group: &str, kind: &str) -> Option<&'static Selecting> {
    SELECTING.iter().find(|selecting| (selecting.group, selecting.kind) == (group, kind))
}

/// Whether an object has a name as a `StatefulSet` gives its Pods (`getParentNameAndOrdinal`, in
/// `k8s.io/kubernetes/pkg/controller/statefulset/stateful_set_utils.go`), and a `CronJob` its Jobs.
fn is_ordinal_of(owner: &str, name: &str) -> bool {
    let ordinal = name.strip_prefix(owner).and_then(|rest| rest.strip_prefix('-'));
    ordinal.is_some_and(|ordinal| !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a controller with this selector takes an object with these labels; one without requirements takes none.
fn selects(selector: &Value, labels: &Value) -> bool {
    LabelSelector::of(selector).is_some_and(|selector| !selector.is_empty() && selector.matches(labels))
}

/// The `spec` of the Pods that a declared object makes.
fn pod_spec_of(declared: &Value) -> Option<&Value> {
    declared.pointer("/spec/jobTemplate/spec/template/spec").or_else(|| declared.pointer("/spec/template/spec"))
}

/// Whether a difference below the `spec` of a Pod, at this depth, says that something else runs, or in another way.
/// Admission adds containers, so that one more counts only where the object is new.
fn says_what_runs(difference: DifferenceRef<'_>, depth: usize, operation: Operation) -> bool {
    let DifferenceRef { path, change, .. } = difference;
    let is_extra = change == ChangeKind::Extra;
    match path.elements().get(depth..).unwrap_or_default() {
        [PathElement::Field(list), PathElement::Item(_), inside @ ..]
            if matches!(&**list, "containers" | "initContainers") =>
        {
            match inside {
                [] => !is_extra || operation == Operation::Create,
                [PathElement::Field(field), ..] => {
                    RUN_BY.contains(&&**field) || (!is_extra && RUN_WITH.contains(&&**field))
                }
                _ => false,
            }
        }
        [PathElement::Field(field), ..] if is_extra => NOT_ADDED.contains(&&**field),
        [PathElement::Field(field), ..] => POD_RUN_WITH.contains(&&**field),
        _ => false,
    }
}
