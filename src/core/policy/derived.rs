//! A person's write to an object that may belong to a declared one: a Pod or a
//! ReplicaSet of a Deployment, or what an operator made of a custom resource.

use super::assessment::{Assessment, Verdict, Violation};
use super::brought::keep_what_the_writer_brought;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::findings::Findings;
use super::gitops_tools;
use super::metadata::metadata_of;
use super::mode::Outcome;
use super::object_diff::{Scope, changed_content, each_object_difference};
use super::owners::declared_owner;
use super::review_object::{parse_new, parse_old};
use super::run_controls::controls_a_run;
use super::runtime_fields::{is_runtime_field, is_runtime_operation};
use super::scale::scale_of_derived;
use crate::admission::Operation;
use crate::diff::{self, ChangeKind, DifferenceRef};

/// The verdict on a person's write to an object that Git does not declare, by
/// the declared object that owns it, if one does.
pub(super) fn evaluate_derived<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let is_scale = write.resource.subresource == "scale";
    if is_scale && !evaluation.context.snapshot.may_own_in(evaluation.namespace) {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    // A Scale does not name the owner of what it scales, nor does what cannot be read.
    let (owner, is_being_deleted) = if is_scale || write.unreadable.is_some() {
        (evaluation.context.cluster.owner(evaluation.key()).map_err(EvaluationError::from), false)
    } else {
        let metadata = metadata_of(write.old_object.or(write.object))?;
        let is_being_deleted = metadata.deletion_timestamp.is_some();
        (Ok(metadata.controller()), is_being_deleted)
    };
    let declared = match owner {
        Ok(Some(owner)) => declared_owner(evaluation, owner),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let passes_as = match write.operation {
        Operation::Delete => Some(Verdict::Runtime),
        _ if is_being_deleted => Some(Verdict::Conforms),
        _ => None,
    };
    if let Some(verdict) = passes_as {
        // The write passes whatever the owner is, also where it cannot be looked up.
        let is_derived = matches!(declared, Ok(Some(_)));
        return Ok(evaluation.verdict(if is_derived { verdict } else { Verdict::Unmanaged }));
    }
    let Some(declared) = declared?.filter(|declared| !declared.opts_out()) else {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    };
    let (mut findings, mut has_runtime_operation) = (Findings::default(), false);
    let location = declared.location();
    each_derived_difference(evaluation, &mut |difference| {
        let path = difference.path;
        let is_operation = is_runtime_operation(evaluation, path)
            || controls_a_run(evaluation, path)
            || gitops_tools::is_operation(evaluation, path);
        has_runtime_operation |= is_operation;
        if is_operation
            || is_runtime_field(path)
            || gitops_tools::is_own_field_of_intermediary(evaluation, difference)
            || evaluation.is_permitted(path)
        {
            return;
        }
        let max_outcome = if is_minor(difference) { Outcome::Warn } else { Outcome::Deny };
        findings.add(evaluation, difference, location.clone(), max_outcome);
    })?;
    if findings.is_empty() {
        return Ok(evaluation.verdict(if has_runtime_operation { Verdict::Runtime } else { Verdict::Conforms }));
    }
    let uncertainty = declared.uncertainty(evaluation.context.snapshot);
    let violation = Violation::ChangeDerived { owner: declared.kubectl_name.clone() };
    let drift = evaluation.verdict(Verdict::Drift).with_violation(violation).with_bounded_findings(findings);
    Ok(drift.with_uncertainty(uncertainty).with_declared_object(&declared))
}

/// Calls `each` for what the write changes in the object.
fn each_derived_difference(
    evaluation: &Evaluation<'_, '_>,
    each: &mut dyn FnMut(DifferenceRef<'_>),
) -> Result<(), EvaluationError> {
    let old = parse_old(evaluation.write)?;
    let mut new = parse_new(evaluation.write)?;
    let allocations = keep_what_the_writer_brought(evaluation, &mut new, old.as_ref(), None)?;
    let old = old.as_ref();
    match &*evaluation.write.resource.subresource {
        "scale" => {
            if let Some(difference) = scale_of_derived(old, &new) {
                each(difference.as_ref());
            }
        }
        subresource if subresource == "status" || old.is_some_and(|old| changed_content(old, &new).is_empty()) => {
            each_object_difference(None, old, &new, diff::unknown_schema(), Scope::Metadata, allocations, each);
        }
        _ => evaluation.with_schema(|schema, _| {
            each_object_difference(None, old, &new, schema, Scope::Object, allocations, each);
        })?,
    }
    Ok(())
}

/// Whether the change is warned about at most: labels take a Pod out of its
/// Service, an ephemeral container looks into one, a finalizer that goes frees what hangs.
fn is_minor(difference: DifferenceRef<'_>) -> bool {
    let path = difference.path;
    path.starts_with(&["metadata", "annotations"])
        || (difference.change == ChangeKind::RemovedExtra && path.is_exactly(&["metadata", "finalizers"]))
        || path.starts_with(&["metadata", "labels"])
        || path.starts_with(&["spec", "ephemeralContainers"])
}
