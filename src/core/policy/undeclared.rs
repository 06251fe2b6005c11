//! A write to an object that Git does not declare. It may belong to a declared
//! object, hold some, or point a controller at one.

use super::adoption::evaluate_adoption;
use super::assessment::{Assessment, Verdict, Violation};
use super::break_glass::{BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL};
use super::cascade::{self, holds_objects};
use super::derived::evaluate_derived;
use super::endpoints::evaluate_endpoints;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::metadata::metadata_of;
use super::mode::Outcome;
use super::owners::declared_owner;
use super::target::evaluate_target;
use crate::admission::Operation;

/// Groups whose objects record what runs, and configure nothing.
const RUNTIME_RECORD_GROUPS: [&str; 4] =
    ["authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "events.k8s.io"];

/// The verdict on a write to an object that Git does not declare.
pub(super) fn evaluate_undeclared<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let is_person = evaluation.actor.is_person();
    if write.resource.subresource.is_empty() {
        if write.operation == Operation::Delete && holds_objects(evaluation) {
            return cascade::evaluate_deletion(evaluation);
        }
        if write.operation != Operation::Delete
            && is_person
            && let Some(assessment) = acts_on_declared(evaluation)?
        {
            return Ok(assessment);
        }
        if write.operation == Operation::Create {
            return create(evaluation);
        }
    }
    if is_person && write.operation == Operation::Update && holds_objects(evaluation) {
        return cascade::evaluate_update(evaluation);
    }
    if is_person { evaluate_derived(evaluation) } else { Ok(evaluation.verdict(Verdict::Unmanaged)) }
}

/// The verdict on a person's object that acts on a declared one, is taken over by its controller, or leads a declared
/// Service elsewhere; `None` where it does not, or where it is not even wanted.
fn acts_on_declared<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let mut acts = evaluate_target(evaluation)?;
    if acts.is_none() {
        acts = evaluate_adoption(evaluation)?;
    }
    if acts.is_none() {
        acts = evaluate_endpoints(evaluation)?;
    }
    let unwanted = match evaluation.write.operation {
        Operation::Create => evaluation.context.policy.unmanaged_outcome(evaluation.namespace, evaluation.actor.class),
        Operation::Connect | Operation::Delete | Operation::Update => Outcome::Allow,
    };
    Ok(acts.filter(|assessment| assessment.verdict != Verdict::Drift || assessment.max_outcome() >= unwanted))
}

/// A new object. Where a namespace is configured to take declared objects only,
/// it is allowed only for one of these reasons.
fn create<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let unmanaged = evaluation.verdict(Verdict::Unmanaged);
    if evaluation.namespace.is_empty()
        || is_runtime_record(evaluation)
        || is_break_glass(evaluation)
        || evaluation.context.policy.unmanaged_outcome(evaluation.namespace, evaluation.actor.class) == Outcome::Allow
    {
        return Ok(unmanaged);
    }
    if !evaluation.actor.is_person() {
        if is_endpoint(evaluation) {
            return Ok(unmanaged);
        }
        if is_owned_by_declared(evaluation)? {
            return Ok(evaluation.verdict(Verdict::Conforms));
        }
    }
    let snapshot = evaluation.context.snapshot;
    Ok(unmanaged
        .with_violation(Violation::CreateUndeclared)
        .with_uncertainty(snapshot.uncertainty_of_undeclared(evaluation.namespace))
        .with_partly_unread(snapshot.partly_unread_source(evaluation.namespace)))
}

/// Whether the new object belongs to a declared one. All owners count, for not
/// every operator calls itself the controller of what it makes. One owner that
/// is declared settles it, also where another cannot be looked up.
fn is_owned_by_declared(evaluation: &Evaluation<'_, '_>) -> Result<bool, EvaluationError> {
    let mut failed = None;
    for owner in metadata_of(evaluation.write.object)?.owners() {
        match declared_owner(evaluation, owner) {
            Ok(Some(_)) => return Ok(true),
            Ok(None) => {}
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(false),
    }
}

/// Whether the object says where something runs: controllers and meshes write
/// them, and leaders are elected by them.
fn is_endpoint(evaluation: &Evaluation<'_, '_>) -> bool {
    evaluation.is_kind("", "Endpoints") || evaluation.is_kind("discovery.k8s.io", "EndpointSlice")
}

/// Whether the object is the way out of an emergency, which Git cannot declare before it.
fn is_break_glass(evaluation: &Evaluation<'_, '_>) -> bool {
    evaluation.write.resource.group == BREAK_GLASS_GROUP && evaluation.write.resource.plural == BREAK_GLASS_PLURAL
}

/// Whether the object records what runs: these are never unwanted.
fn is_runtime_record(evaluation: &Evaluation<'_, '_>) -> bool {
    evaluation.is_kind("", "Event") || RUNTIME_RECORD_GROUPS.contains(&&*evaluation.write.resource.group)
}
