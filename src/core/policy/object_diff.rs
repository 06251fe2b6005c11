//! The differences of a whole object: its content by schema, its metadata by
//! the rules for metadata.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::diff::{
    Allocations, ChangeKind, DifferenceRef, Path, PathElement, SchemaRef, each_difference, object_meta_schema,
    without_pruned_fields,
};

/// How much of an object a write can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All but the status.
    Object,
    /// The metadata: what every subresource that takes the whole object may change besides its own part.
    Metadata,
}

/// Top-level fields that are not content.
pub(super) const NOT_CONTENT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// Calls `each` for what a write changes in an object, compared with what Git declares of it.
pub(super) fn each_object_difference(
    declared: Option<&Value>,
    old: Option<&Value>,
    new: &Value,
    schema: SchemaRef<'_>,
    scope: Scope,
    allocations: Allocations,
    each: &mut dyn FnMut(DifferenceRef<'_>),
) {
    let [git, before, after] = [declared, old, Some(new)].map(|object| object.map(|object| &object["metadata"]));
    for name in ["annotations", "labels"] {
        let [git, before, after] = [git, before, after].map(|metadata| Some(or_empty(metadata?.get(name))));
        let path = Path::of(&["metadata", name]);
        each_difference(git, before, after, object_meta_schema().field(name), &path, allocations, each);
    }
    for name in ["finalizers", "ownerReferences"] {
        let [git, before, after] =
            [git, before, after].map(|metadata| metadata?.get(name).filter(|list| **list != Value::Array(Vec::new())));
        let path = Path::of(&["metadata", name]);
        // The list is named instead of its items, whose keys are uids.
        let mut worst: Option<ChangeKind> = None;
        let of_items = &mut |item: DifferenceRef<'_>| {
            worst = worst.into_iter().chain([item.change]).max_by_key(|change| severity(*change));
        };
        each_difference(git, before, after, object_meta_schema().field(name), &path, allocations, of_items);
        if let Some(change) = worst {
            each(DifferenceRef { path: &path, change, new: after, declared: git });
        }
    }
    if scope == Scope::Metadata {
        return;
    }
    let declared = declared.map(|declared| without_pruned_fields(declared, old, new, schema));
    let [git, before, after] = [declared.as_deref(), old, Some(new)].map(|object| object.map(content));
    each_difference(git.as_ref(), before.as_ref(), after.as_ref(), schema, &Path::default(), allocations, each);
}

static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// An empty map stands for a missing one, so that every key is named by itself.
fn or_empty(value: Option<&Value>) -> &Value {
    value.filter(|value| !value.is_null()).unwrap_or(&EMPTY)
}

/// The object without its metadata and status.
pub(super) fn content(object: &Value) -> Value {
    let mut fields = object.as_object().cloned().unwrap_or_default();
    fields.retain(|name, _| !NOT_CONTENT.contains(&name.as_str()));
    Value::Object(fields)
}

/// The names of the top-level fields of content that differ.
pub(super) fn changed_content<'v>(old: &'v Value, new: &'v Value) -> Vec<&'v str> {
    let names = [old, new].into_iter().filter_map(Value::as_object).flat_map(Map::keys).map(String::as_str);
    let names: BTreeSet<_> = names.filter(|name| !NOT_CONTENT.contains(name)).collect();
    names.into_iter().filter(|name| old.get(name) != new.get(name)).collect()
}

/// How much a kind of change matters to a writer who may not add anything.
fn severity(kind: ChangeKind) -> u8 {
    match kind {
        ChangeKind::Changed | ChangeKind::RemovedDeclared | ChangeKind::Opaque => 2,
        ChangeKind::Extra | ChangeKind::Filled | ChangeKind::Extended => 1,
        ChangeKind::RemovedExtra => 0,
    }
}

/// The value at a path; an item of a keyed list by its keys.
pub(super) fn value_at<'v>(object: &'v Value, path: &Path) -> Option<&'v Value> {
    let mut value = object;
    for element in path.elements() {
        value = match element {
            PathElement::Field(name) => value.get(&**name)?,
            PathElement::Index(index) => value.get(index)?,
            PathElement::Item(position) => {
                // A key that is left out has its default.
                let has_key = |item: &Value, key: &str, wanted: &Value| item.get(key).is_none_or(|it| it == wanted);
                let is_it = |item: &&Value| position.keys().iter().all(|(key, wanted)| has_key(item, key, wanted));
                value.as_array()?.iter().find(is_it)?
            }
        };
    }
    Some(value)
}
