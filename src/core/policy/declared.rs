//! A write to an object that Git declares.

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::cascade::declared_objects_in;
use super::drift::filter_drift;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::{Scope, object_differences};
use super::review_object::{is_being_deleted, parse_new, parse_old};
use super::scale::scale_of_declared;
use crate::admission::Operation;
use crate::desired::{Declared, live_opt_out};
use crate::diff::{self, Difference};

/// The verdict on a write to an object that Git declares.
pub(super) fn evaluate_declared<'a>(
    evaluation: &Evaluation<'_, 'a>,
    declared: &Declared,
) -> Result<Assessment<'a>, EvaluationError> {
    if declared.opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    let write = evaluation.write;
    let old = parse_old(write)?;
    if let Some(old) = &old {
        if is_being_deleted(old) {
            return Ok(evaluation.verdict(Verdict::Conforms));
        }
        if live_opt_out(old).is_some() {
            return Ok(evaluation.verdict(Verdict::Unmanaged));
        }
    }
    if write.operation == Operation::Delete {
        let old = old.ok_or(EvaluationError::MissingObject("oldObject"))?;
        return Ok(delete(evaluation, declared, &old));
    }
    let new = parse_new(write)?;
    if write.operation == Operation::Update && old.is_none() {
        return Err(EvaluationError::MissingObject("oldObject"));
    }
    let differences = match &*write.resource.subresource {
        "scale" => scale_of_declared(evaluation, declared, old.as_ref(), &new)?,
        "status" => labels_and_annotations(declared, old.as_ref(), &new),
        _ if declared.version == *write.resource.version => {
            let git = declared.object();
            evaluation
                .with_schema(|schema, _| object_differences(Some(&git), old.as_ref(), &new, schema, Scope::Object))?
        }
        _ => in_other_version(evaluation, declared, old.as_ref(), &new)?,
    };
    let drift = filter_drift(evaluation, differences, declared);
    if drift.findings.is_empty() {
        let verdict = if drift.has_runtime_operation { Verdict::Runtime } else { Verdict::Conforms };
        return Ok(evaluation.verdict(verdict));
    }
    let violation =
        if write.operation == Operation::Create { Violation::CreateDiffers } else { Violation::ChangeDeclared };
    Ok(evaluation.verdict(Verdict::Drift).with_violation(violation).with_findings(drift.findings))
}

fn delete<'a>(evaluation: &Evaluation<'_, 'a>, declared: &Declared, old: &Value) -> Assessment<'a> {
    // A finished Job is deleted so that a GitOps tool can run it again.
    if evaluation.is_kind("batch", "Job") && is_finished(old) {
        return evaluation.verdict(Verdict::Runtime);
    }
    let violation = match declared_objects_in(evaluation, old) {
        Some((objects, _)) => Violation::CascadingDelete { objects },
        None => Violation::DeleteDeclared(declared.start()),
    };
    evaluation.verdict(Verdict::Drift).with_violation(violation)
}

fn is_finished(job: &Value) -> bool {
    let is_final = |condition: &Value| {
        matches!(condition["type"].as_str(), Some("Complete" | "Failed")) && condition["status"] == "True"
    };
    job["status"]["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(is_final))
}

/// What changes in labels and annotations alone.
fn labels_and_annotations(declared: &Declared, old: Option<&Value>, new: &Value) -> Vec<Difference> {
    object_differences(Some(&declared.object()), old, new, diff::unknown_schema(), Scope::LabelsAndAnnotations)
}

/// What a write in another version than Git's changes. Metadata is the same in
/// every version; content is not, so the write must leave it alone.
fn in_other_version(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Result<Vec<Difference>, EvaluationError> {
    let content = |object: &Value| {
        let fields = object.as_object().cloned().unwrap_or_default().into_iter();
        fields.filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "metadata" | "status")).collect::<Vec<_>>()
    };
    if old.map(content) == Some(content(new)) {
        return Ok(labels_and_annotations(declared, old, new));
    }
    Err(EvaluationError::Version {
        sent: evaluation.write.resource.version.to_string(),
        declared: declared.version.clone(),
    })
}
