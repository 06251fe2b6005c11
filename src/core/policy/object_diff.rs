//! A whole object's differences: its content by schema, its metadata by the
//! rules that metadata has.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::diff::{ChangeKind, Difference, Path, PathElement, SchemaRef, differences, object_meta_schema};

/// How much of an object a write can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All but the status.
    Object,
    /// Labels and annotations: what the `status` subresource lets through besides the status.
    LabelsAndAnnotations,
}

/// Fields of an object's root that are no content.
const NO_CONTENT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// What a write does to an object, held against what Git declares of it.
pub(super) fn object_differences(
    declared: Option<&Value>,
    old: Option<&Value>,
    new: &Value,
    place: SchemaRef<'_>,
    scope: Scope,
) -> Vec<Difference> {
    let [git, before, after] = [declared, old, Some(new)].map(|object| object.map(|object| &object["metadata"]));
    let mut found = Vec::new();
    for name in ["annotations", "labels"] {
        let [git, before, after] = [git, before, after].map(|metadata| Some(or_empty(metadata?.get(name))));
        let place = object_meta_schema().field(name);
        found.extend(differences(git, before, after, place, &Path::of(&["metadata", name])));
    }
    if scope == Scope::LabelsAndAnnotations {
        return found;
    }
    for name in ["finalizers", "ownerReferences"] {
        let [git, before, after] =
            [git, before, after].map(|metadata| metadata.and_then(|metadata| metadata.get(name)));
        let path = Path::of(&["metadata", name]);
        let inside = differences(git, before, after, object_meta_schema().field(name), &path);
        // Items of these lists are named by their list: their keys are uids.
        let worst = inside.iter().map(|difference| difference.change).max_by_key(|change| weight(*change));
        let (new, declared) = (after.cloned(), git.cloned());
        found.extend(worst.map(|change| Difference { path, change, new, declared }));
    }
    let [git, before, after] = [declared, old, Some(new)].map(|object| object.map(content));
    found.extend(differences(git.as_ref(), before.as_ref(), after.as_ref(), place, &Path::default()));
    found
}

static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// An empty map stands for a missing one, so that every key is named by itself.
fn or_empty(value: Option<&Value>) -> &Value {
    value.filter(|value| !value.is_null()).unwrap_or(&EMPTY)
}

fn content(object: &Value) -> Value {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    fields.retain(|name, _| !NO_CONTENT.contains(&name.as_str()));
    Value::Object(fields)
}

/// Natures by how much they violation to whoever may not add.
fn weight(change: ChangeKind) -> u8 {
    match change {
        ChangeKind::Changed | ChangeKind::RemovedDeclared | ChangeKind::Opaque => 2,
        ChangeKind::Extra | ChangeKind::Filled | ChangeKind::Extended => 1,
        ChangeKind::RemovedExtra => 0,
    }
}

/// The value at a path of field names.
pub(super) fn value_at<'v>(object: &'v Value, path: &Path) -> Option<&'v Value> {
    path.elements().iter().try_fold(object, |at, element| match element {
        PathElement::Field(name) => at.get(&**name),
        PathElement::Index(index) => at.get(index),
        PathElement::Item(_) => None,
    })
}
