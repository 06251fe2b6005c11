//! Where a declared Service leads: Endpoints and `EndpointSlice`s that Git does not declare, written by a person.

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::declared_object::DeclaredObject;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::findings::Findings;
use super::metadata::metadata_of;
use super::mode::Outcome;
use super::object_diff::changed_content;
use super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use crate::desired::ObjectKey;
use crate::diff::{ChangeKind, DifferenceRef, Path};

/// The label by which an `EndpointSlice` belongs to a Service, whoever made it
/// (<https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#ownership>).
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// The verdict on a CREATE or UPDATE by which a declared Service comes to lead elsewhere; `None` where none does.
/// Somebody has to say where a Service without a selector leads, and may do so by hand.
pub(super) fn evaluate_endpoints<'a>(
    evaluation: &Evaluation<'_, 'a>,
) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let is_slice = evaluation.is_kind("discovery.k8s.io", "EndpointSlice");
    if !is_slice && !evaluation.is_kind("", "Endpoints") {
        return Ok(None);
    }
    // What the control plane made is judged as the Service's own.
    if metadata_of(evaluation.write.old_object)?.controller().is_some() {
        return Ok(None);
    }
    let old = parse_old_parts(evaluation.write)?.unwrap_or_default();
    let new = parse_new(evaluation.write)?;
    if is_being_deleted(&old) {
        return Ok(None);
    }
    let service_of = |object: &Value| object["metadata"]["labels"][SERVICE_LABEL].as_str().map(str::to_owned);
    let service = if is_slice { service_of(&new) } else { Some(evaluation.name.clone()) };
    let Some(service) = service else { return Ok(None) };
    let key = ObjectKey { group: "", kind: "Service", namespace: evaluation.namespace, name: &service };
    let snapshot = evaluation.context.snapshot;
    let Some(declared) = DeclaredObject::find(snapshot, key).filter(|declared| !declared.opts_out()) else {
        return Ok(None);
    };
    let has_selector = declared.declared.is_some_and(|declared| {
        let service = snapshot.object(declared);
        service["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty())
    });
    let max_outcome = if has_selector { Outcome::Deny } else { Outcome::Warn };
    let nothing = Value::Null;
    let before = if is_slice && service_of(&old).as_ref() != Some(&service) { &nothing } else { &old };
    let mut findings = Findings::default();
    for field in changed_content(before, &new) {
        let path = Path::of(&[field]);
        if !evaluation.is_permitted(&path) {
            let change = if new.get(field).is_some() { ChangeKind::Extra } else { ChangeKind::RemovedExtra };
            let difference = DifferenceRef { path: &path, change, new: new.get(field), declared: None };
            findings.add(evaluation, difference, declared.location(), max_outcome);
        }
    }
    if findings.is_empty() {
        return Ok(None);
    }
    let uncertainty = declared.uncertainty(snapshot);
    let violation = Violation::TargetDeclared { target: declared.kubectl_name.clone() };
    let drift = evaluation.verdict(Verdict::Drift).with_violation(violation).with_bounded_findings(findings);
    Ok(Some(drift.with_uncertainty(uncertainty).with_declared_object(&declared)))
}
