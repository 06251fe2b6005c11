//! Objects that point a controller at another object: an autoscaler, a canary,
//! a rollout. A person who points one at a declared object, or tells one that
//! points there already to do something else, makes it change what Git declares.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_json::Value;

use super::assessment::{Assessment, Finding, Verdict, Violation};
use super::declared_object::DeclaredObject;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::lookup::Owner;
use super::mode::Outcome;
use super::named_targets::NamingKind;
use super::owners::declared_owner;
use super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use crate::desired::{Declared, ObjectKey, kinds};
use crate::diff::{ChangeKind, Difference, Path};

/// Kinds that point at other objects: group, kind, and the fields of `spec` that do.
const TARGETING_KINDS: [(&str, &str, &[&str]); 7] = [
    ("argoproj.io", "Rollout", &["workloadRef"]),
    ("autoscaling", "HorizontalPodAutoscaler", &["scaleTargetRef"]),
    ("autoscaling.gke.io", "MultidimPodAutoscaler", &["scaleTargetRef"]),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", &["targetRef"]),
    ("datadoghq.com", "WatermarkPodAutoscaler", &["scaleTargetRef"]),
    // <https://docs.flagger.app/usage/how-it-works>
    ("flagger.app", "Canary", &["autoscalerRef", "ingressRef", "routeRef", "targetRef"]),
    ("keda.sh", "ScaledObject", &["scaleTargetRef"]),
];

/// What the keys of annotations begin with that tell KEDA how many replicas there
/// are to be (<https://keda.sh/docs/latest/concepts/scaling-deployments/>).
const KEDA_ANNOTATIONS: &str = "autoscaling.keda.sh/";

/// The object that a `scaleTargetRef` or its kin names.
#[derive(Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TargetRef {
    api_version: String,
    kind: String,
    name: String,
}

impl TargetRef {
    fn of(object: &Value, field: &str) -> Self {
        Self::deserialize(&object["spec"][field]).unwrap_or_default()
    }

    /// Group and kind; KEDA's default is a Deployment.
    fn group_and_kind(&self) -> (&str, &str) {
        match (self.api_version.split_once('/'), self.kind.as_str()) {
            (_, "") => ("apps", "Deployment"),
            (Some((group, _)), kind) => (group, kind),
            (None, kind @ ("Deployment" | "ReplicaSet" | "StatefulSet")) if self.api_version.is_empty() => {
                ("apps", kind)
            }
            (None, kind) => ("", kind),
        }
    }

    /// The declared object that is pointed at: the target itself, or what it belongs
    /// to, as a ReplicaSet to a Deployment.
    fn declared<'a>(&self, evaluation: &Evaluation<'_, 'a>) -> Result<Option<DeclaredObject<'a>>, EvaluationError> {
        if self.name.is_empty() {
            return Ok(None);
        }
        let (group, kind) = self.group_and_kind();
        let key = ObjectKey { group, kind, namespace: evaluation.namespace, name: &self.name };
        match DeclaredObject::find(evaluation.context.snapshot, key) {
            Some(found) => Ok(Some(found)),
            None => declared_owner(
                evaluation,
                Owner { group: group.to_owned(), kind: kind.to_owned(), name: self.name.clone() },
            ),
        }
    }
}

/// Kinds whose objects act on all of their namespace: group, kind, and the kinds that they scale.
const NAMESPACE_WIDE: [(&str, &str, &[&str]); 1] =
    // <https://kube-green.dev/docs/configuration/>
    [("kube-green.com", "SleepInfo", &["CronJob", "Deployment", "StatefulSet"])];

/// The verdict on a CREATE or UPDATE of such an object that acts on a declared
/// one; `None` where it does not.
pub(super) fn evaluate_target<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let Some(fields) = target_fields(evaluation) else { return Ok(None) };
    let old = parse_old_parts(evaluation.write)?;
    let new = parse_new(evaluation.write)?;
    if only_recommends(evaluation, &new) || old.as_ref().is_some_and(is_being_deleted) {
        return Ok(None);
    }
    let changes = changed_fields(evaluation, old.as_ref(), &new, fields);
    if !changes.is_empty() {
        for field in fields {
            if let Some(declared) = TargetRef::of(&new, field).declared(evaluation)? {
                return Ok(Some(acts_on(evaluation, &declared, changes, Outcome::Deny)));
            }
        }
    }
    if let Some((.., kinds)) = NAMESPACE_WIDE.iter().find(|(group, kind, _)| evaluation.is_kind(group, kind)) {
        let snapshot = evaluation.context.snapshot;
        let is_scaled = |declared: &Declared| kinds.contains(&&*declared.kind);
        let first = snapshot.declared_in(evaluation.namespace, &is_scaled).min_by(|a, b| a.name.cmp(&b.name));
        let declared = first.and_then(|declared| DeclaredObject::find(snapshot, declared.key()));
        let changes = changed_fields(evaluation, old.as_ref(), &new, &["sleepAt", "weekdays"]);
        // It may leave some alone, and is made for working hours: told, not stopped.
        let declared = declared.filter(|_| !changes.is_empty());
        return Ok(declared.map(|declared| acts_on(evaluation, &declared, changes, Outcome::Warn)));
    }
    let Some(naming) = NamingKind::of(evaluation) else { return Ok(None) };
    let changes = changed_fields(evaluation, old.as_ref(), &new, naming.fields);
    if changes.is_empty() {
        return Ok(None);
    }
    Ok(naming.declared(evaluation, &new).map(|declared| acts_on(evaluation, &declared, changes, Outcome::Deny)))
}

/// The fields of `spec` that point at other objects; `None` for a kind that has none. A custom resource with a
/// `scaleTargetRef` scales, whatever operator reads it.
fn target_fields(evaluation: &Evaluation<'_, '_>) -> Option<&'static [&'static str]> {
    match TARGETING_KINDS.iter().find(|(group, kind, _)| evaluation.is_kind(group, kind)) {
        Some((.., fields)) => Some(*fields),
        None => kinds::is_custom_group(&evaluation.write.resource.group).then_some(&["scaleTargetRef"][..]),
    }
}

/// The verdict on these changes of an object that acts on a declared one.
fn acts_on<'a>(
    evaluation: &Evaluation<'_, 'a>,
    declared: &DeclaredObject<'a>,
    changes: Vec<Difference>,
    max_outcome: Outcome,
) -> Assessment<'a> {
    let permitted = |difference: &Difference| evaluation.is_permitted(&difference.path);
    if changes.iter().all(permitted) {
        return evaluation.verdict(Verdict::Unmanaged);
    }
    let mut findings: Vec<Finding> = Vec::new();
    for difference in changes.into_iter().filter(|difference| !permitted(difference)) {
        findings.push(evaluation.finding(&difference, declared.location(), max_outcome));
    }
    let uncertainty = declared.uncertainty(evaluation.context.snapshot);
    let violation = Violation::TargetDeclared { target: declared.kubectl_name.clone() };
    let drift = evaluation.verdict(Verdict::Drift).with_violation(violation).with_findings(findings);
    drift.with_uncertainty(uncertainty).with_declared_object(declared)
}

/// What the write changes of what the object does: where it is new, or did nothing
/// before, where it points; else the fields of its `spec`, and what steers it by annotation.
fn changed_fields(
    evaluation: &Evaluation<'_, '_>,
    old: Option<&Value>,
    new: &Value,
    target_fields: &[&str],
) -> Vec<Difference> {
    let extra = |path: Path, value: Option<&Value>| {
        let change = if value.is_some() { ChangeKind::Extra } else { ChangeKind::RemovedExtra };
        Difference { path, change, new: value.cloned(), declared: None }
    };
    let Some(old) = old.filter(|old| !only_recommends(evaluation, old)) else {
        let pointing = target_fields.iter().filter(|field| !new["spec"][**field].is_null());
        return pointing.map(|field| extra(Path::of(&["spec", field]), Some(&new["spec"][*field]))).collect();
    };
    let mut changes = Vec::new();
    for (at, object) in [("/spec", &["spec"][..]), ("/metadata/annotations", &["metadata", "annotations"])] {
        let fields = |value: &Value| value.pointer(at).and_then(Value::as_object).cloned().unwrap_or_default();
        let (before, after) = (fields(old), fields(new));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let steers = at == "/spec" || name.starts_with(KEDA_ANNOTATIONS);
            if steers && before.get(name) != after.get(name) {
                changes.push(extra(Path::of(object).field(name), after.get(name)));
            }
        }
    }
    changes
}

/// Whether the object is a VerticalPodAutoscaler that only recommends and changes nothing.
fn only_recommends(evaluation: &Evaluation<'_, '_>, object: &Value) -> bool {
    evaluation.is_kind("autoscaling.k8s.io", "VerticalPodAutoscaler")
        && object["spec"]["updatePolicy"]["updateMode"] == "Off"
}
