//! Changes of a CustomResourceDefinition after which its objects are served otherwise, or not at all.

use serde_json::Value;

use super::evaluation::Evaluation;
use crate::diff::{self, Allocations, ChangeKind, Difference, DifferenceRef, Path, PathElement, each_difference};

/// Fields of a version that say whether and in which form its objects are served. Not among them:
/// printed columns, deprecation, which version is stored.
const OF_VERSION: [&str; 3] = ["schema", "served", "subresources"];

/// Fields of `spec` that do so for all versions.
const OF_ALL_VERSIONS: [&[&str]; 5] = [
    &["spec", "conversion"],
    &["spec", "names", "kind"],
    &["spec", "names", "plural"],
    &["spec", "preserveUnknownFields"],
    &["spec", "scope"],
];

/// What a write changes in how a definition serves its objects; nothing where the object is none.
/// A version that comes to those that are there changes none of them.
pub(super) fn changes_of_definition(evaluation: &Evaluation<'_, '_>, old: &Value, new: &Value) -> Vec<Difference> {
    if !evaluation.is_kind("apiextensions.k8s.io", "CustomResourceDefinition") {
        return Vec::new();
    }
    let (path, schema) = (Path::of(&["spec"]), diff::unknown_schema());
    let mut changes: Vec<Difference> = Vec::new();
    // A schema may differ in thousands of places.
    let add = &mut |difference: DifferenceRef<'_>| {
        let Some(path) = served_part(difference) else { return };
        if changes.last().is_none_or(|last| last.path != path) {
            let change = if path == *difference.path { difference.change } else { ChangeKind::Extra };
            changes.push(Difference { path, change, ..difference.to_owned() });
        }
    };
    // To the API server the list of versions is one value; here each is compared by its name.
    each_difference(None, Some(&old["spec"]), Some(&new["spec"]), schema, &path, Allocations::Writer, add);
    changes
}

/// The part of the definition that the difference is in, if it is one that says how objects are served.
fn served_part(difference: DifferenceRef<'_>) -> Option<Path> {
    let path = difference.path;
    if let Some(part) = OF_ALL_VERSIONS.iter().find(|part| path.starts_with(part)) {
        return Some(Path::of(part));
    }
    let [_, PathElement::Field(list), version, inside @ ..] = path.elements() else { return None };
    if **list != *"versions" {
        return None;
    }
    let mut part = Path::of(&["spec", "versions"]);
    part.push(version.clone());
    match inside.first() {
        None => (difference.change == ChangeKind::RemovedExtra).then_some(part),
        Some(PathElement::Field(field)) if **field == *"served" && difference.new == Some(&Value::Bool(true)) => None,
        Some(PathElement::Field(field)) if OF_VERSION.contains(&&**field) => {
            part.push(PathElement::Field(field.clone()));
            Some(part)
        }
        Some(_) => None,
    }
}
