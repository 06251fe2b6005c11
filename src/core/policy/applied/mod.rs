//! A write to an object that an application of Argo CD or Flux lists, and that no source which
//! is read declares. What Git says of it is read from the object under review: what the tool
//! applied last (`state`).
//!
//! | what is known | who is judged by it |
//! | --- | --- |
//! | the tool's server-side apply, or its `last-applied-configuration` | persons and workloads |
//! | its other writes, which also own defaults | persons |
//! | nothing | nobody: a warning at most |

mod forgotten;
mod owning;
mod softened;
mod state;

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::declared::{delete, evaluate_change, passes_as_it_is};
use super::drift::{Drift, DriftFilter};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::mode::Outcome;
use super::object_diff::{changed_content, value_at};
use super::review_object::{parse_deleted, parse_new, parse_old};
use super::scale::scale_of_declared;
use crate::actor::GitopsTool;
use crate::admission::Operation;
use crate::applications::{Application, IgnoredOfObject};
use crate::desired::Declared;
use crate::diff::{self, DifferenceRef, SchemaRef};
use crate::ownership::ManagedBy;
use forgotten::forgotten;
use softened::Softening;
use state::{AppliedState, KnownBy};

pub(super) use owning::{is_own_write, owning_application};

/// The verdict on a write to an object that the application lists.
pub(super) fn evaluate_applied<'a>(
    evaluation: &Evaluation<'_, 'a>,
    application: &Application,
) -> Result<Assessment<'a>, EvaluationError> {
    match evaluation.write.operation {
        Operation::Connect | Operation::Create => Ok(create(evaluation)),
        Operation::Delete => deletion(evaluation, application),
        Operation::Update if evaluation.write.resource.subresource == "scale" => scale(evaluation, application),
        Operation::Update => update(evaluation, application),
    }
}

/// What Git says of a new object, nobody knows: nothing was applied to it.
fn create<'a>(evaluation: &Evaluation<'_, 'a>) -> Assessment<'a> {
    evaluation.verdict(Verdict::Drift).with_violation(Violation::CreateListed).with_limit(Outcome::Warn)
}

fn deletion<'a>(evaluation: &Evaluation<'_, 'a>, application: &Application) -> Result<Assessment<'a>, EvaluationError> {
    let old = parse_deleted(evaluation.write)?;
    if let Some(assessment) = passes_as_it_is(evaluation, &old) {
        return Ok(assessment);
    }
    if application.is_obsolete(evaluation.key()) {
        return Ok(evaluation.verdict(Verdict::Conforms));
    }
    let drift = delete(evaluation, None, &old);
    // What is not readable may be anything.
    let Ok(Some(old)) = parse_old(evaluation.write) else { return Ok(drift) };
    let state = AppliedState::of(&old, application, true, diff::unknown_schema());
    let is_ignored = application.ignored.of(evaluation.key(), &old).is_whole_object();
    if is_ignored || Declared::applied(evaluation.key(), &state.value).opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    // One that the tool never wrote, somebody else made; it may be for another application, too.
    let is_certain = state.known_by != KnownBy::Nothing && application.may_deploy(evaluation.key());
    let limit = if is_certain { Outcome::Deny } else { Outcome::Warn };
    Ok(drift.with_limit(limit).with_applied_labels(labels_for_modes(evaluation, &state)))
}

/// The labels that were applied, where the configuration asks for any.
fn labels_for_modes(evaluation: &Evaluation<'_, '_>, state: &AppliedState) -> BTreeMap<String, String> {
    if !evaluation.context.policy.has_modes_by_marks() {
        return BTreeMap::new();
    }
    let labels = state.value["metadata"]["labels"].as_object().into_iter().flatten();
    labels.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn update<'a>(evaluation: &Evaluation<'_, 'a>, application: &Application) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let old = match parse_old(write) {
        Ok(old) => old.ok_or(EvaluationError::MissingObject("oldObject"))?,
        // What was stored unreadable must not keep Git's state from coming back.
        Err(error) if error.is_of_write() && write.unreadable.is_none() => {
            let violation = Violation::NotEvaluated(error.to_string());
            return Ok(evaluation.verdict(Verdict::Error).with_violation(violation));
        }
        Err(error) => return Err(error),
    };
    if let Some(assessment) = passes_as_it_is(evaluation, &old) {
        return Ok(assessment);
    }
    let new = parse_new(write)?;
    let is_person = evaluation.actor.is_person();
    with_schema_of_change(evaluation, &old, &new, |schema| {
        let ignored = application.ignored.of(evaluation.key(), &old);
        if ignored.is_whole_object() {
            return Ok(evaluation.verdict(Verdict::Unmanaged));
        }
        let is_all_ignored = Cell::new(true);
        let kept = |object: &Value| {
            let mut object = object.clone();
            let is_all = ignored.remove_from(&mut object);
            is_all_ignored.set(is_all_ignored.get() && is_all);
            object
        };
        let [before, after] = [&old, &new].map(|object| AppliedState::of(object, application, is_person, schema));
        let is_known = before.known_by.counts_for(is_person);
        let labels = labels_for_modes(evaluation, &before);
        let (before, after) = (before.map(kept), after.map(kept));
        let value = if is_known { before.value.clone() } else { state::nothing_of(&old) };
        let declared = Declared::applied(evaluation.key(), &value);
        if declared.opt_out.is_some() {
            return Ok(evaluation.verdict(Verdict::Unmanaged));
        }
        let (old_kept, new_kept) = (kept(&old), kept(&new));
        let is_certain = is_known && is_all_ignored.get() && is_certain(evaluation, application, &ignored);
        let softening =
            Softening { old: &old, new: &new, before: &before, is_certain, ignored: &ignored, application, schema };
        let soften = softening.of_writer(evaluation);
        let git = declared.object();
        let assessment = evaluate_change(evaluation, (&declared, &git), Some(&old_kept), new_kept, &soften)?;
        let assessment = softening.limit(assessment).with_applied_labels(labels);
        let tool = application.name.kind.tool();
        if !is_known {
            return Ok(of_unknown(assessment, tool));
        }
        if !is_person {
            return Ok(assessment);
        }
        // Workloads are judged by less: that must stay known too.
        let sent = [&old, &new].map(|object| AppliedState::of(object, application, false, schema).map(kept));
        let forgotten = forgotten(evaluation, &softening, &after, &sent);
        Ok(forgotten::add(evaluation, assessment, forgotten, tool))
    })?
}

/// Drift from an object of which is not known what the tool applied.
fn of_unknown(assessment: Assessment<'_>, tool: GitopsTool) -> Assessment<'_> {
    match (assessment.verdict, &assessment.violation) {
        (Verdict::Drift, Violation::ChangeDeclared) => assessment.with_violation(Violation::ChangeUnknown { tool }),
        _ => assessment,
    }
}

/// Whether what the application says of the object is all understood, and the tool lets it deploy the object.
fn is_certain(evaluation: &Evaluation<'_, '_>, application: &Application, ignored: &IgnoredOfObject<'_>) -> bool {
    !ignored.is_partly_unknown() && application.may_deploy(evaluation.key())
}

/// Calls `with` with the schema of the kind; where only metadata changes, none is needed.
fn with_schema_of_change<T>(
    evaluation: &Evaluation<'_, '_>,
    old: &Value,
    new: &Value,
    with: impl FnOnce(SchemaRef<'_>) -> T,
) -> Result<T, EvaluationError> {
    if evaluation.write.resource.subresource == "status" || changed_content(old, new).is_empty() {
        return Ok(with(diff::unknown_schema()));
    }
    evaluation.with_schema(|schema, _| with(schema))
}

/// A `Scale` says nothing of the object that it belongs to: that is looked up.
fn scale<'a>(evaluation: &Evaluation<'_, 'a>, application: &Application) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let (old, new) = (parse_old(write)?, parse_new(write)?);
    let Some(parent) = evaluation.context.cluster.object(evaluation.key(), &write.resource)? else {
        // What does not exist has no scale either.
        return Ok(evaluation.verdict(Verdict::Conforms));
    };
    if let Some(assessment) = passes_as_it_is(evaluation, &parent) {
        return Ok(assessment);
    }
    let is_person = evaluation.actor.is_person();
    let state = evaluation.with_schema(|schema, _| AppliedState::of(&parent, application, is_person, schema))?;
    let is_known = state.known_by.counts_for(is_person);
    let labels = labels_for_modes(evaluation, &state);
    let value = if is_known { state.value } else { state::nothing_of(&parent) };
    let declared = Declared::applied(evaluation.key(), &value);
    let ignored = application.ignored.of(evaluation.key(), &parent);
    if ignored.is_whole_object() || declared.opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    let mut without_ignored = parent.clone();
    let is_all_ignored = ignored.remove_from(&mut without_ignored);
    let ignored_managers = ManagedBy::of(&parent, &ignored.managers(), None);
    let of_tool = softened::owned_by_tool(&parent, application);
    let soften = |difference: DifferenceRef<'_>, max_outcome| {
        let owns = |managed: &ManagedBy<'_>| managed.owns(difference.path, diff::unknown_schema());
        let is_shared = is_person && owns(&of_tool);
        let is_there = |object: &Value| value_at(object, difference.path).is_some();
        let is_removed = is_there(&parent) && !is_there(&without_ignored);
        let is_ignored = is_removed || (owns(&ignored_managers) && !is_shared);
        (!is_ignored).then_some(max_outcome)
    };
    let mut filter = DriftFilter::new(evaluation, &declared, Some(&parent), &soften);
    for difference in scale_of_declared(evaluation, &declared, old.as_ref(), &new)? {
        filter.add(difference.as_ref());
    }
    let Drift { findings, has_runtime_operation } = filter.finish();
    if findings.is_empty() {
        return Ok(evaluation.verdict(if has_runtime_operation { Verdict::Runtime } else { Verdict::Conforms }));
    }
    let is_certain = is_known && is_all_ignored && is_certain(evaluation, application, &ignored);
    let limit = if is_certain { Outcome::Deny } else { Outcome::Warn };
    let drift = evaluation.verdict(Verdict::Drift).with_violation(Violation::ChangeDeclared);
    let drift = drift.with_bounded_findings(findings).with_limit(limit).with_applied_labels(labels);
    Ok(if is_known { drift } else { of_unknown(drift, application.name.kind.tool()) })
}
