//! What a tool undid of a person's edits, held against what the answer to the edit had named.

use std::collections::HashMap;

use driftwall_core::diff::{Allocations, Path, differences, unknown_schema};
use serde_json::Value;

use super::Step;

/// Persons' edits that nobody has undone yet, by the object's key.
#[derive(Default)]
pub(crate) struct Edits(HashMap<String, Vec<Edit>>);

struct Edit {
    step: String,
    /// Fields that it changes; none for a deletion.
    changed: Vec<Path>,
    named: Vec<Path>,
    is_deletion: bool,
    is_denied: bool,
}

/// What a tool undid although the answer had not named it.
#[derive(Debug, PartialEq)]
pub(crate) struct Unnamed {
    pub(crate) step: String,
    pub(crate) object: String,
    pub(crate) path: String,
}

impl Edits {
    /// A person's write.
    pub(crate) fn add(&mut self, key: &str, request: &Value, step: &Step) {
        let edit = Edit {
            step: step.name.clone(),
            changed: changed_fields(request),
            named: step.paths.clone(),
            is_deletion: request["operation"] == "DELETE",
            is_denied: step.answer == "deny",
        };
        self.0.entry(key.to_owned()).or_default().push(edit);
    }

    /// A tool's write: what of it undoes an edit that had not named it.
    pub(crate) fn undo(&mut self, key: &str, request: &Value) -> Vec<Unnamed> {
        let Some(edits) = self.0.get_mut(key) else { return Vec::new() };
        let unnamed = |edit: &Edit, path: String| Unnamed { step: edit.step.clone(), object: key.to_owned(), path };
        let mut found = Vec::new();
        if request["operation"] == "CREATE" {
            let deletions = edits.iter().filter(|edit| edit.is_deletion && !edit.is_denied);
            found.extend(deletions.map(|edit| unnamed(edit, "the object".to_owned())));
            edits.clear();
            return found;
        }
        for path in changed_fields(request) {
            for edit in edits.iter_mut() {
                let before = edit.changed.len();
                edit.changed.retain(|changed| !changed.overlaps(&path));
                let is_undone = edit.changed.len() < before;
                if is_undone && !edit.named.iter().any(|named| named.overlaps(&path)) && !is_left_open(&path) {
                    found.push(unnamed(edit, path.to_string()));
                }
            }
        }
        found
    }
}

/// Labels, annotations and finalizers that Git does not declare, and restarts, are nobody's drift, though Flux
/// takes away all that kubectl owns.
fn is_left_open(path: &Path) -> bool {
    path.starts_with(&["metadata"]) || path.starts_with(&["spec", "template", "metadata", "annotations"])
}

/// The fields that an UPDATE changes, but for bookkeeping.
fn changed_fields(request: &Value) -> Vec<Path> {
    if request["operation"] != "UPDATE" {
        return Vec::new();
    }
    let [old, new] = ["oldObject", "object"].map(|name| kept(&request[name]));
    let all = differences(None, Some(&old), Some(&new), unknown_schema(), &Path::default(), Allocations::Writer);
    all.into_iter().map(|difference| difference.path).collect()
}

fn kept(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        fields.remove("operation");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| matches!(name.as_str(), "annotations" | "finalizers" | "labels"));
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            annotations.remove("deployment.kubernetes.io/revision");
        }
    }
    object
}
