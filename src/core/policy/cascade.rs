//! What happens to objects that hold declared ones: a Namespace, or a
//! CustomResourceDefinition. Their deletion takes declared objects along.

use serde_json::Value;

use super::assessment::{Assessment, Finding, Verdict, Violation};
use super::brought::keep_what_the_writer_brought;
use super::definition::changes_of_definition;
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::mode::Outcome;
use super::object_diff::{Scope, each_object_difference};
use super::review_object::{is_being_deleted, parse_deleted, parse_new, parse_old_parts};
use crate::desired::Source;
use crate::diff::{self, Allocations, ChangeKind, Difference, DifferenceRef};

/// Whether other objects go with objects of this kind.
pub(super) fn holds_objects(evaluation: &Evaluation<'_, '_>) -> bool {
    evaluation.is_kind("", "Namespace") || evaluation.is_kind("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// How many declared objects go with a deleted one, and a source that declares
/// some: those in a Namespace, or those of the kind that a
/// CustomResourceDefinition defines. `None` where there are none.
pub(super) fn declared_objects_in<'a>(evaluation: &Evaluation<'_, 'a>, old: &Value) -> Option<(usize, &'a Source)> {
    let snapshot = evaluation.context.snapshot;
    if evaluation.is_kind("", "Namespace") {
        // Where nothing tells the scope of a kind, its objects may be in the namespace of their source.
        let may_be_namespaced = |group: &str, kind: &str| match evaluation.context.cluster.custom_resource(group, kind)
        {
            Ok(Some(definition)) => definition.namespaced,
            Ok(None) | Err(_) => true,
        };
        return snapshot.count_in_namespace(&evaluation.name, may_be_namespaced);
    }
    if evaluation.is_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        let spec = &old["spec"];
        return snapshot.count_of_kind(spec["group"].as_str()?, spec["names"]["kind"].as_str()?);
    }
    None
}

/// The verdict on the deletion of an object that Git does not declare and that may hold declared ones.
pub(super) fn evaluate_deletion<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let old = parse_deleted(evaluation.write)?;
    match declared_objects_in(evaluation, &old) {
        Some((objects, source)) if !is_being_deleted(&old) && !evaluation.may_delete() => {
            let violation = Violation::CascadingDelete { objects };
            Ok(evaluation.verdict(Verdict::Drift).with_violation(violation).with_source(source))
        }
        _ => Ok(evaluation.verdict(Verdict::Unmanaged)),
    }
}

/// The verdict on a person's UPDATE of such an object. An owner that it gets may be one that does not
/// exist: then the garbage collector deletes it. A definition can also stop serving its objects.
pub(super) fn evaluate_update<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Assessment<'a>, EvaluationError> {
    let unmanaged = evaluation.verdict(Verdict::Unmanaged);
    let (old, mut new) = (parse_old_parts(evaluation.write)?.unwrap_or_default(), parse_new(evaluation.write)?);
    // A definition that cannot be read says of which kind it is where it is written anew.
    let held = declared_objects_in(evaluation, &old).or_else(|| declared_objects_in(evaluation, &new));
    let Some((objects, source)) = held else { return Ok(unmanaged) };
    if is_being_deleted(&old) {
        return Ok(unmanaged);
    }
    keep_what_the_writer_brought(evaluation, &mut new, Some(&old), None)?;
    let (mut owners, mut keys) = (Vec::new(), Vec::new());
    let add = &mut |difference: DifferenceRef<'_>| {
        if is_new_owner(difference) {
            owners.push(difference.to_owned());
        } else if is_protected_key(evaluation, difference) {
            keys.push(difference.to_owned());
        }
    };
    each_object_difference(None, Some(&old), &new, diff::unknown_schema(), Scope::Metadata, Allocations::Writer, add);
    let owners = findings(evaluation, owners, Outcome::Deny);
    let (violation, findings) = if !owners.is_empty() {
        (Violation::CascadingDelete { objects }, owners)
    } else if evaluation.is_kind("", "Namespace") {
        (Violation::ChangeNamespace { objects }, findings(evaluation, keys, Outcome::Warn))
    } else {
        let changes = changes_of_definition(evaluation, &old, &new);
        (Violation::ChangeDefinition { objects }, findings(evaluation, changes, Outcome::Warn))
    };
    if findings.is_empty() {
        return Ok(unmanaged);
    }
    Ok(evaluation.verdict(Verdict::Drift).with_violation(violation).with_findings(findings).with_source(source))
}

fn is_new_owner(difference: DifferenceRef<'_>) -> bool {
    difference.path.is_exactly(&["metadata", "ownerReferences"]) && difference.change != ChangeKind::RemovedExtra
}

/// Whether the label or annotation says something to a machine, which of a Namespace holds for all that is in it.
fn is_protected_key(evaluation: &Evaluation<'_, '_>, difference: DifferenceRef<'_>) -> bool {
    let path = difference.path;
    let is_key = path.starts_with(&["metadata", "labels"]) || path.starts_with(&["metadata", "annotations"]);
    let answer = |key: &str| evaluation.context.policy.protected_keys.answer_to(key, true, false);
    is_key && path.last_field().is_some_and(|key| answer(key).is_some())
}

fn findings(evaluation: &Evaluation<'_, '_>, differences: Vec<Difference>, max_outcome: Outcome) -> Vec<Finding> {
    let mut findings = Vec::new();
    for difference in differences {
        if !evaluation.is_permitted(&difference.path) {
            findings.push(evaluation.finding(&difference, None, max_outcome));
        }
    }
    findings
}
