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

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::declared::{delete, evaluate_change, passes_as_it_is};
use super::drift::{Drift, DriftFilter};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::mode::Outcome;
use super::object_diff::changed_content;
use super::review_object::{parse_deleted, parse_new, parse_old};
use super::scale::scale_of_declared;
use crate::admission::Operation;
use crate::applications::Application;
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
    if Declared::applied(evaluation.key(), &state.value).opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    // The tool never wrote it: somebody else made it.
    let limit = if state.known_by == KnownBy::Nothing { Outcome::Warn } else { Outcome::Deny };
    Ok(drift.with_limit(limit))
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
        let kept = |object: &Value| {
            let mut object = object.clone();
            ignored.remove_from(&mut object);
            object
        };
        let [before, after] = [&old, &new].map(|object| AppliedState::of(object, application, is_person, schema));
        let is_known = before.known_by.counts_for(is_person);
        let (before, after) = (before.map(kept), after.map(kept));
        let value = if is_known { before.value.clone() } else { state::nothing_of(&old) };
        let declared = Declared::applied(evaluation.key(), &value);
        if declared.opt_out.is_some() {
            return Ok(evaluation.verdict(Verdict::Unmanaged));
        }
        let softening = Softening { old: &old, new: &new, before: &before, is_known, ignored: &ignored, schema };
        let soften = softening.of_writer(evaluation);
        let assessment = evaluate_change(evaluation, &declared, Some(&kept(&old)), kept(&new), &soften)?;
        let assessment = softening.limit(assessment);
        if !is_person || !is_known {
            return Ok(assessment);
        }
        let tool = application.name.kind.tool();
        // Workloads are judged by less: that must stay known too.
        let sent = [&old, &new].map(|object| AppliedState::of(object, application, false, schema).map(kept));
        let forgotten = forgotten(evaluation, &softening, &after, &sent);
        Ok(forgotten::add(evaluation, assessment, forgotten, tool))
    })?
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
    let value = if is_known { state.value } else { state::nothing_of(&parent) };
    let declared = Declared::applied(evaluation.key(), &value);
    if declared.opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    let ignored = application.ignored.of(evaluation.key(), &parent);
    let mut without_ignored = parent.clone();
    ignored.remove_from(&mut without_ignored);
    let ignored_managers = ManagedBy::of(&parent, &ignored.managers(), None);
    let soften = |difference: DifferenceRef<'_>, max_outcome| {
        let is_there = |object: &Value| softened::value_at(object, difference.path).is_some();
        let is_removed = is_there(&parent) && !is_there(&without_ignored);
        let is_ignored = is_removed || ignored_managers.owns(difference.path, diff::unknown_schema());
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
    let limit = if is_known && !ignored.is_partly_unknown() { Outcome::Deny } else { Outcome::Warn };
    let drift = evaluation.verdict(Verdict::Drift).with_violation(Violation::ChangeDeclared);
    Ok(drift.with_bounded_findings(findings).with_limit(limit))
}
