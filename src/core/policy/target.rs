//! Objects that point a controller at another object: an autoscaler, a canary,
//! a rollout. A person who points one at a declared object makes it change what
//! Git declares.

use serde::Deserialize as _;
use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::review_object::{parse_new, parse_old};
use super::settings::Outcome;
use crate::desired::ObjectKey;
use crate::diff::{ChangeKind, Difference, Path};

/// Kinds that point at another object: group, kind, and the field of `spec` that does.
const TARGETING_KINDS: [(&str, &str, &str); 5] = [
    ("argoproj.io", "Rollout", "workloadRef"),
    ("autoscaling", "HorizontalPodAutoscaler", "scaleTargetRef"),
    ("autoscaling.k8s.io", "VerticalPodAutoscaler", "targetRef"),
    ("flagger.app", "Canary", "targetRef"),
    ("keda.sh", "ScaledObject", "scaleTargetRef"),
];

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
}

/// The verdict on a CREATE or UPDATE that points such an object at a declared
/// one; `None` where it does not.
pub(super) fn evaluate_target<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let Some((_, _, field)) = TARGETING_KINDS.iter().find(|(group, kind, _)| evaluation.is_kind(group, kind)) else {
        return Ok(None);
    };
    let old = parse_old(evaluation.write)?;
    let new = parse_new(evaluation.write)?;
    if only_recommends(&new) {
        return Ok(None);
    }
    let target_ref = TargetRef::of(&new, field);
    let is_unchanged = old.is_some_and(|old| !only_recommends(&old) && TargetRef::of(&old, field) == target_ref);
    if is_unchanged {
        return Ok(None);
    }
    let (group, kind) = target_ref.group_and_kind();
    let target = ObjectKey { group, kind, namespace: evaluation.namespace, name: &target_ref.name };
    let Some((declared, source)) = evaluation.context.snapshot.get(target) else { return Ok(None) };
    let path = Path::of(&["spec", field]);
    if evaluation.is_permitted(&path) {
        return Ok(Some(evaluation.verdict(Verdict::Unmanaged)));
    }
    let difference =
        Difference { path, change: ChangeKind::Extra, new: Some(new["spec"][field].clone()), declared: None };
    let finding = evaluation.finding(difference, Some(declared.start()), Outcome::Deny);
    let violation = Violation::TargetDeclared { target: target.kubectl_name() };
    let uncertainty = evaluation.context.snapshot.uncertainty(source, declared);
    let drift = evaluation.verdict(Verdict::Drift).with_violation(violation).with_findings(vec![finding]);
    Ok(Some(drift.with_uncertainty(uncertainty).with_source(source)))
}

/// Whether a VerticalPodAutoscaler only recommends and changes nothing.
fn only_recommends(object: &Value) -> bool {
    object["spec"]["updatePolicy"]["updateMode"] == "Off"
}
