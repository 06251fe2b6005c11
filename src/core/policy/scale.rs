//! Writes to the `scale` subresource. A `Scale` says one thing: the value of the
//! replicas field of the object that it belongs to.

use serde_json::Value;

use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::value_at;
use crate::desired::Declared;
use crate::diff::{self, Allocations, ChangeKind, CustomResource, Difference, Path, differences};

/// What a `Scale` changes in a declared object.
pub(super) fn scale_of_declared(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Result<Vec<Difference>, EvaluationError> {
    let git = evaluation.context.snapshot.object(declared);
    let path = evaluation.with_schema(|_, definition| replicas_path(definition, &declared.version, &git))?;
    let Some(path) = path else {
        return Err(EvaluationError::UnknownReplicasField(declared.key().to_string()));
    };
    let (old, new) = (old.map(replicas), replicas(new));
    let schema = diff::unknown_schema();
    Ok(differences(value_at(&git, &path), old.as_ref(), Some(&new), schema, &path, Allocations::Writer))
}

/// What a `Scale` changes in an object that a declared one owns.
pub(super) fn scale_of_derived(old: Option<&Value>, new: &Value) -> Option<Difference> {
    let new = replicas(new);
    if old.map(replicas).as_ref() == Some(&new) {
        return None;
    }
    let path = Path::of(&["spec", "replicas"]);
    Some(Difference { path, change: ChangeKind::Extra, new: Some(new), declared: None })
}

/// The replicas of a `Scale`. Zero is left out on the wire.
fn replicas(scale: &Value) -> Value {
    scale["spec"].get("replicas").cloned().unwrap_or_else(|| 0.into())
}

/// The field that `scale` writes; `None` where nothing says which one it is.
fn replicas_path(definition: Option<&CustomResource>, version: &str, git: &Value) -> Option<Path> {
    if let Some(definition) = definition {
        return definition.replicas_path(version).cloned();
    }
    let usual = Path::of(&["spec", "replicas"]);
    let is_builtin = matches!(git["apiVersion"].as_str(), Some("v1" | "apps/v1"));
    (is_builtin || value_at(git, &usual).is_some()).then_some(usual)
}
