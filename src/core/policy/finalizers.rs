//! Finalizers that a person takes away from a declared object.

use serde::Deserialize;
use serde_json::Value;

use super::evaluation::Evaluation;
use super::mode::Outcome;
use super::review_object::parse_old;
use crate::diff::Path;
use crate::ownership::is_name_of_people;

/// The options of a write, as far as they matter here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    field_manager: String,
}

/// The strictest answer to a person who takes away what is at `path` and Git does not declare; `None` where
/// nothing there keeps the object. A finalizer may keep it until something outside of the cluster is
/// cleaned up. Who put one there by kubectl takes it back without a warning: it was no controller's.
pub(super) fn max_outcome_for_removal(
    evaluation: &Evaluation<'_, '_>,
    path: &Path,
    new: Option<&Value>,
) -> Option<Outcome> {
    if evaluation.is_kind("", "Namespace") && path.is_exactly(&["spec", "finalizers"]) {
        return Some(Outcome::Warn);
    }
    if !path.is_exactly(&["metadata", "finalizers"]) || are_writers_own(evaluation, new) {
        return None;
    }
    Some(Outcome::Warn)
}

/// Whether each finalizer that goes was put there by the manager as which this write is made, and by no other. The
/// writer chooses the name of the latter, so the manager must be one by which people write.
fn are_writers_own(evaluation: &Evaluation<'_, '_>, new: Option<&Value>) -> bool {
    let manager = field_manager(evaluation.write.options);
    let Ok(Some(old)) = parse_old(evaluation.write) else { return false };
    let kept = new.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let finalizers = old["metadata"]["finalizers"].as_array().into_iter().flatten();
    finalizers.filter(|finalizer| !kept.contains(finalizer)).all(|finalizer| {
        let owners: Vec<_> = owners(&old, finalizer).collect();
        is_name_of_people(&manager) && !owners.is_empty() && owners.iter().all(|owner| *owner == manager)
    })
}

/// The managers that own a finalizer (`metadata.managedFields`).
fn owners<'v>(object: &'v Value, finalizer: &Value) -> impl Iterator<Item = &'v str> {
    let key = format!("v:{finalizer}");
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let owning = entries.filter(move |entry| entry["fieldsV1"]["f:metadata"]["f:finalizers"].get(&key).is_some());
    owning.filter_map(|entry| entry["manager"].as_str())
}

fn field_manager(options: Option<&str>) -> String {
    let parsed = options.and_then(|options| serde_json::from_str::<Options>(options).ok());
    parsed.unwrap_or_default().field_manager
}
