//! A write in another version than the one that Git declares. Metadata is the same in every version;
//! content is only where nothing converts it.

use serde_json::Value;

use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::{changed_content, content};
use crate::desired::Declared;
use crate::diff::{self, Allocations, ChangeKind, Difference, DifferenceRef, Path, each_difference};

/// Annotations in which the API server keeps those parts of a HorizontalPodAutoscaler's spec that
/// `autoscaling/v1` has no fields for (`k8s.io/kubernetes/pkg/apis/autoscaling/annotations.go`).
const AUTOSCALER_SPEC: [&str; 2] =
    ["autoscaling.alpha.kubernetes.io/behavior", "autoscaling.alpha.kubernetes.io/metrics"];

/// Whether the content of the write can be held against Git's as it is: both are of one version, or
/// the kind's definition converts nothing but `apiVersion` (`conversion.strategy: None`).
pub(super) fn is_comparable(evaluation: &Evaluation<'_, '_>, declared: &Declared) -> Result<bool, EvaluationError> {
    if declared.version == *evaluation.write.resource.version {
        return Ok(true);
    }
    evaluation.with_schema(|_, definition| definition.is_some_and(|definition| !definition.is_converted()))
}

/// Calls `each` for what a write changes in the content of an object, where Git's content cannot be compared with it.
pub(super) fn each_content_change(old: Option<&Value>, new: &Value, each: &mut dyn FnMut(DifferenceRef<'_>)) {
    let old = old.unwrap_or(&Value::Null);
    for name in changed_content(old, new) {
        let (path, schema) = (Path::of(&[name]), diff::unknown_schema());
        let mut is_named = false;
        let inside = &mut |difference: DifferenceRef<'_>| {
            is_named = true;
            each(difference);
        };
        each_difference(None, Some(&old[name]), Some(&new[name]), schema, &path, Allocations::Writer, inside);
        if !is_named {
            // What the walk takes for a default may be none in this version.
            each(DifferenceRef { path: &path, change: ChangeKind::Extra, new: new.get(name), declared: None });
        }
    }
}

/// What a write changes of the fields that are the same in both versions: those which the stored object, as this
/// version shows it, has just as Git says, under the same name. Of all others nothing is known.
pub(super) fn changes_of_same_fields(git: &Value, old: &Value, new: &Value) -> Vec<Difference> {
    let [git, old, new] = [git, old, new].map(content);
    let compared = |before: &Value, after: &Value, each: &mut dyn FnMut(DifferenceRef<'_>)| {
        let (path, schema) = (Path::default(), diff::unknown_schema());
        each_difference(Some(&git), Some(before), Some(after), schema, &path, Allocations::MaybeServer, each);
    };
    // No more than Git declares: what it does not is no such change.
    let mut changes = Vec::new();
    compared(&old, &new, &mut |difference| {
        if matches!(difference.change, ChangeKind::Changed | ChangeKind::RemovedDeclared) {
            changes.push(difference.to_owned());
        }
    });
    compared(&git, &old, &mut |unlike| changes.retain(|difference| !unlike.path.overlaps(&difference.path)));
    changes
}

/// Whether an annotation holds a part of the object's content.
pub(super) fn is_content_annotation(evaluation: &Evaluation<'_, '_>, path: &Path) -> bool {
    evaluation.is_kind("autoscaling", "HorizontalPodAutoscaler")
        && evaluation.write.resource.version == "v1"
        && path.starts_with(&["metadata", "annotations"])
        && path.last_field().is_some_and(|key| AUTOSCALER_SPEC.contains(&key))
}
