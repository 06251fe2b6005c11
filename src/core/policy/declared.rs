//! A write to an object that Git declares.

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::brought::{keep_what_the_writer_brought, mark_what_admission_may_have_made};
use super::cascade::declared_objects_in;
use super::drift::{Drift, filter_drift, without_permitted};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::{Scope, changed_content, object_differences};
use super::other_version::{changes_of_same_fields, content_changes, is_comparable};
use super::review_object::{is_being_deleted, parse_deleted, parse_new, parse_old};
use super::scale::scale_of_declared;
use crate::admission::Operation;
use crate::desired::{Declared, SourceLocation, live_opt_out};
use crate::diff::{self, Allocations, Difference, Path, differences};

/// The verdict on a write to an object that Git declares.
pub(super) fn evaluate_declared<'a>(
    evaluation: &Evaluation<'_, 'a>,
    declared: &Declared,
) -> Result<Assessment<'a>, EvaluationError> {
    if declared.opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    let write = evaluation.write;
    if write.operation == Operation::Delete {
        let old = parse_deleted(write)?;
        return Ok(passes_as_it_is(evaluation, &old).unwrap_or_else(|| delete(evaluation, declared.start(), &old)));
    }
    let old = match parse_old(write) {
        Ok(old) => old,
        // What was stored unreadable must not keep Git's state from coming back: `object` is held against Git whole.
        Err(error) if error.is_of_write() && write.unreadable.is_none() => None,
        Err(error) => return Err(error),
    };
    if let Some(assessment) = old.as_ref().and_then(|old| passes_as_it_is(evaluation, old)) {
        return Ok(assessment);
    }
    let new = parse_new(write)?;
    if old.is_none() && is_being_deleted(&new) {
        return Ok(evaluation.verdict(Verdict::Conforms));
    }
    if write.operation == Operation::Update && write.old_object.is_none() {
        return Err(EvaluationError::MissingObject("oldObject"));
    }
    evaluate_change(evaluation, declared, old.as_ref(), new)
}

/// The verdict on what a write makes of an object, and how that was before.
pub(super) fn evaluate_change<'a>(
    evaluation: &Evaluation<'_, 'a>,
    declared: &Declared,
    old: Option<&Value>,
    mut new: Value,
) -> Result<Assessment<'a>, EvaluationError> {
    let allocations = keep_what_the_writer_brought(evaluation, &mut new, old, Some(&declared.object()))?;
    let Changes { metadata_and_content, status, in_other_version } =
        changes(evaluation, declared, old, &new, allocations)?;
    let violation = match evaluation.write.operation {
        _ if !in_other_version.is_empty() => Violation::OtherVersion { declared: declared.api_version() },
        Operation::Create => Violation::CreateDiffers,
        _ => Violation::ChangeDeclared,
    };
    let mut drift = filter_drift(evaluation, metadata_and_content, declared);
    drift.extend(without_permitted(evaluation, in_other_version, declared));
    drift.extend(without_permitted(evaluation, status, declared));
    let Drift { mut findings, has_runtime_operation } = drift;
    mark_what_admission_may_have_made(evaluation, &mut findings, &new, old);
    if findings.is_empty() {
        return Ok(evaluation.verdict(if has_runtime_operation { Verdict::Runtime } else { Verdict::Conforms }));
    }
    Ok(evaluation.verdict(Verdict::Drift).with_violation(violation).with_findings(findings))
}

/// What a write changes in a declared object.
#[derive(Default)]
struct Changes {
    /// Compared with Git.
    metadata_and_content: Vec<Difference>,
    /// A person's, of what only the object's controller may say.
    status: Vec<Difference>,
    /// A person's, of content that cannot be compared with Git's.
    in_other_version: Vec<Difference>,
}

fn changes(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
    allocations: Allocations,
) -> Result<Changes, EvaluationError> {
    let write = evaluation.write;
    if write.resource.subresource == "scale" {
        let metadata_and_content = scale_of_declared(evaluation, declared, old, new)?;
        return Ok(Changes { metadata_and_content, ..Changes::default() });
    }
    let git = declared.object();
    let metadata = || object_differences(Some(&git), old, new, diff::unknown_schema(), Scope::Metadata, allocations);
    // Whatever the version: no schema is needed where only metadata changes. In a write of the status the server
    // keeps the old content.
    if write.resource.subresource == "status" || old.is_some_and(|old| changed_content(old, new).is_empty()) {
        let status = job_status_changes(evaluation, old, new);
        return Ok(Changes { metadata_and_content: metadata(), status, ..Changes::default() });
    }
    if is_comparable(evaluation, declared)? {
        let metadata_and_content = evaluation
            .with_schema(|schema, _| object_differences(Some(&git), old, new, schema, Scope::Object, allocations))?;
        return Ok(Changes { metadata_and_content, ..Changes::default() });
    }
    if evaluation.actor.is_person() {
        let in_other_version = content_changes(old, new);
        return Ok(Changes { metadata_and_content: metadata(), in_other_version, ..Changes::default() });
    }
    let same_fields = old.map(|old| changes_of_same_fields(&git, old, new)).unwrap_or_default();
    if !same_fields.is_empty() {
        let metadata_and_content = metadata().into_iter().chain(same_fields).collect();
        return Ok(Changes { metadata_and_content, ..Changes::default() });
    }
    Err(EvaluationError::Version { sent: write.resource.version.to_string(), declared: declared.version.clone() })
}

/// What a person changes in the status of a Job: whoever calls it finished may delete it.
fn job_status_changes(evaluation: &Evaluation<'_, '_>, old: Option<&Value>, new: &Value) -> Vec<Difference> {
    let is_of_job = evaluation.write.resource.subresource == "status" && evaluation.is_kind("batch", "Job");
    if !is_of_job || !evaluation.actor.is_person() {
        return Vec::new();
    }
    let status = |object: &Value| object["status"].clone();
    let (before, after) = (old.map(status).unwrap_or_default(), status(new));
    let path = Path::of(&["status"]);
    differences(None, Some(&before), Some(&after), diff::unknown_schema(), &path, Allocations::Writer)
}

/// The verdict that the stored object has settled already: it is being deleted, or opts out.
pub(super) fn passes_as_it_is<'a>(evaluation: &Evaluation<'_, 'a>, old: &Value) -> Option<Assessment<'a>> {
    if is_being_deleted(old) {
        return Some(evaluation.verdict(Verdict::Conforms));
    }
    live_opt_out(old).map(|_| evaluation.verdict(Verdict::Unmanaged))
}

/// The verdict on the deletion of a declared object, which is written at `location`; an application that lists it
/// declares it too.
pub(super) fn delete<'a>(
    evaluation: &Evaluation<'_, 'a>,
    location: Option<SourceLocation>,
    old: &Value,
) -> Assessment<'a> {
    // A finished Job is deleted so that a GitOps tool can run it again.
    if evaluation.is_kind("batch", "Job") && is_finished(old) {
        return evaluation.verdict(Verdict::Runtime);
    }
    if evaluation.may_delete() {
        return evaluation.verdict(Verdict::Conforms);
    }
    let violation = match declared_objects_in(evaluation, old) {
        Some((objects, _)) => Violation::CascadingDelete { objects },
        None => Violation::DeleteDeclared(location),
    };
    evaluation.verdict(Verdict::Drift).with_violation(violation)
}

fn is_finished(job: &Value) -> bool {
    let is_final = |condition: &Value| {
        matches!(condition["type"].as_str(), Some("Complete" | "Failed")) && condition["status"] == "True"
    };
    job["status"]["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(is_final))
}
