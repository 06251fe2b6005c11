//! A write in another version than the one that Git declares. Metadata is the same in every version;
//! content is only where nothing converts it.

use serde_json::Value;

use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::{changed_content, content};
use crate::desired::Declared;
use crate::diff::{self, Allocations, ChangeKind, Difference, Path, differences};

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

/// What a write changes in the content of an object, where Git's content cannot be compared with it.
pub(super) fn content_changes(old: Option<&Value>, new: &Value) -> Vec<Difference> {
    let old = old.unwrap_or(&Value::Null);
    let mut found = Vec::new();
    for name in changed_content(old, new) {
        let path = Path::of(&[name]);
        let inside =
            differences(None, Some(&old[name]), Some(&new[name]), diff::unknown_schema(), &path, Allocations::Writer);
        if inside.is_empty() {
            // What the walk takes for a default may be none in this version.
            found.push(Difference { path, change: ChangeKind::Extra, new: new.get(name).cloned(), declared: None });
        }
        found.extend(inside);
    }
    found
}

/// What a write changes of the fields that are the same in both versions: those which the stored object, as this
/// version shows it, has just as Git says, under the same name. Of all others nothing is known.
pub(super) fn changes_of_same_fields(git: &Value, old: &Value, new: &Value) -> Vec<Difference> {
    let [git, old, new] = [git, old, new].map(content);
    let compared = |before: &Value, after: &Value| {
        differences(
            Some(&git),
            Some(before),
            Some(after),
            diff::unknown_schema(),
            &Path::default(),
            Allocations::MaybeServer,
        )
    };
    let unlike: Vec<Path> = compared(&git, &old).into_iter().map(|difference| difference.path).collect();
    let mut changes = compared(&old, &new);
    changes.retain(|difference| {
        matches!(difference.change, ChangeKind::Changed | ChangeKind::RemovedDeclared)
            && !unlike.iter().any(|path| path.overlaps(&difference.path))
    });
    changes
}

/// Whether an annotation holds a part of the object's content.
pub(super) fn is_content_annotation(evaluation: &Evaluation<'_, '_>, path: &Path) -> bool {
    evaluation.is_kind("autoscaling", "HorizontalPodAutoscaler")
        && evaluation.write.resource.version == "v1"
        && path.starts_with(&["metadata", "annotations"])
        && path.last_field().is_some_and(|key| AUTOSCALER_SPEC.contains(&key))
}
