//! A write to an object that Git declares.

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::brought::{
    keep_what_is_sent, managed_fields, mark_what_admission_may_have_made, notes_what_is_sent, take_managed_fields,
};
use super::cascade::declared_objects_in;
use super::changed_parts::ChangedParts;
use super::drift::{Drift, DriftFilter};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::mode::Outcome;
use super::object_diff::{Scope, changed_content, each_object_difference};
use super::other_version::{changes_of_same_fields, each_content_change, is_comparable};
use super::review_object::{is_being_deleted, parse_deleted, parse_new, parse_old};
use super::scale::scale_of_declared;
use crate::admission::Operation;
use crate::desired::{Declared, SourceLocation, live_opt_out};
use crate::diff::{self, Allocations, DifferenceRef, Path, each_difference};
use crate::ownership::ManagedLists;

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
    let git = evaluation.context.snapshot.object(declared);
    let is_strict = &|_: DifferenceRef<'_>, max_outcome| Some(max_outcome);
    if let Some(ChangedParts { old, new, managed_fields: [old_list, new_list] }) =
        ChangedParts::of(evaluation, declared, &git)
    {
        if let Some(assessment) = passes_as_it_is(evaluation, &old) {
            return Ok(assessment);
        }
        let lists = notes_what_is_sent(evaluation).then(|| ManagedLists::of_texts(old_list, new_list));
        return evaluate_difference(evaluation, (declared, &git), Some(&old), new, lists.as_ref(), is_strict);
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
    evaluate_change(evaluation, (declared, &git), old.as_ref(), new, is_strict)
}

/// The verdict on what a write makes of an object, and how that was before. `soften` makes the answer
/// to one difference softer; it is `None` where that is no drift.
pub(super) fn evaluate_change<'a>(
    evaluation: &Evaluation<'_, 'a>,
    (declared, git): (&Declared, &Value),
    old: Option<&Value>,
    mut new: Value,
    soften: &dyn Fn(DifferenceRef<'_>, Outcome) -> Option<Outcome>,
) -> Result<Assessment<'a>, EvaluationError> {
    let list = take_managed_fields(&mut new);
    let lists = notes_what_is_sent(evaluation).then(|| ManagedLists::of_values(managed_fields(old), Some(&list)));
    evaluate_difference(evaluation, (declared, git), old, new, lists.as_ref(), soften)
}

/// The same, with the lists of who owns what in both objects where that matters.
fn evaluate_difference<'a>(
    evaluation: &Evaluation<'_, 'a>,
    (declared, git): (&Declared, &Value),
    old: Option<&Value>,
    mut new: Value,
    lists: Option<&ManagedLists<'_>>,
    soften: &dyn Fn(DifferenceRef<'_>, Outcome) -> Option<Outcome>,
) -> Result<Assessment<'a>, EvaluationError> {
    let allocations = keep_what_is_sent(evaluation, &mut new, old, Some(git), lists)?;
    let mut filter = DriftFilter::new(evaluation, declared, old, soften);
    let changes_other_version = add_changes(evaluation, (declared, git), old, &new, allocations, &mut filter)?;
    let violation = match evaluation.write.operation {
        _ if changes_other_version => Violation::OtherVersion { declared: declared.api_version() },
        Operation::Create => Violation::CreateDiffers,
        _ => Violation::ChangeDeclared,
    };
    let Drift { mut findings, has_runtime_operation } = filter.finish();
    if findings.is_empty() {
        return Ok(evaluation.verdict(if has_runtime_operation { Verdict::Runtime } else { Verdict::Conforms }));
    }
    mark_what_admission_may_have_made(evaluation, findings.named_mut(), lists, old.is_none());
    Ok(evaluation.verdict(Verdict::Drift).with_violation(violation).with_bounded_findings(findings))
}

/// Adds what a write changes in a declared object. Whether it changes content that cannot be
/// compared with Git's.
fn add_changes(
    evaluation: &Evaluation<'_, '_>,
    (declared, git): (&Declared, &Value),
    old: Option<&Value>,
    new: &Value,
    allocations: Allocations,
    filter: &mut DriftFilter<'_, '_, '_>,
) -> Result<bool, EvaluationError> {
    let write = evaluation.write;
    if write.resource.subresource == "scale" {
        for difference in scale_of_declared(evaluation, declared, old, new)? {
            filter.add(difference.as_ref());
        }
        return Ok(false);
    }
    let add_metadata = |filter: &mut DriftFilter<'_, '_, '_>| {
        let add = &mut |difference: DifferenceRef<'_>| filter.add(difference);
        each_object_difference(Some(git), old, new, diff::unknown_schema(), Scope::Metadata, allocations, add);
    };
    // Whatever the version: no schema is needed where only metadata changes. In a write of the status the server
    // keeps the old content.
    if write.resource.subresource == "status" || old.is_some_and(|old| changed_content(old, new).is_empty()) {
        add_metadata(filter);
        add_job_status_changes(evaluation, old, new, filter);
        return Ok(false);
    }
    if is_comparable(evaluation, declared)? {
        evaluation.with_schema(|schema, _| {
            let add = &mut |difference: DifferenceRef<'_>| filter.add(difference);
            each_object_difference(Some(git), old, new, schema, Scope::Object, allocations, add);
        })?;
        return Ok(false);
    }
    if evaluation.actor.is_person() {
        add_metadata(filter);
        let mut changes_content = false;
        each_content_change(old, new, &mut |difference| {
            changes_content = true;
            filter.add_strictly(difference);
        });
        return Ok(changes_content);
    }
    let same_fields = old.map(|old| changes_of_same_fields(git, old, new)).unwrap_or_default();
    if !same_fields.is_empty() {
        add_metadata(filter);
        for difference in same_fields {
            filter.add(difference.as_ref());
        }
        return Ok(false);
    }
    Err(EvaluationError::Version { sent: write.resource.version.to_string(), declared: declared.version.clone() })
}

/// Adds what a person changes in the status of a Job: whoever calls it finished may delete it.
fn add_job_status_changes(
    evaluation: &Evaluation<'_, '_>,
    old: Option<&Value>,
    new: &Value,
    filter: &mut DriftFilter<'_, '_, '_>,
) {
    let is_of_job = evaluation.write.resource.subresource == "status" && evaluation.is_kind("batch", "Job");
    if !is_of_job || !evaluation.actor.is_person() {
        return;
    }
    let status = |object: &Value| object["status"].clone();
    let (before, after) = (old.map(status).unwrap_or_default(), status(new));
    let (path, schema) = (Path::of(&["status"]), diff::unknown_schema());
    let add = &mut |difference: DifferenceRef<'_>| filter.add_strictly(difference);
    each_difference(None, Some(&before), Some(&after), schema, &path, Allocations::Writer, add);
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
