//! Where the fields of a rendered object stand in the files behind it.
//!
//! Nothing is guessed: a field is said to stand where a file has the same value
//! at the same path. What no file has like this (a changed name, an added label)
//! is said to come from the file that had the object rendered.

use std::sync::Arc;

use serde_json::Value;

use super::Object;
use super::positions::{Position, Positions, count};

/// An object, as a file has it, that a rendered one was made from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The file, from the repository's root.
    pub file: &'a Arc<str>,
    /// The object in that file.
    pub object: &'a Object,
}

/// Gives a rendered object the marks of the files it was made from: `origins`
/// in the order in which they were applied, the whole object before the patches
/// of it. Returns the file that the object as a whole stands in.
pub fn trace(object: Object, origins: &[Origin<'_>], otherwise: &Arc<str>) -> (Arc<str>, Object) {
    let mut tracing = Tracing { origins, found: Vec::with_capacity(count(&object.value)) };
    let here: Vec<_> = origins.iter().map(|origin| Some((&origin.object.value, 0))).collect();
    tracing.node(&object.value, &here);
    let found = tracing.found;

    let name = |origin: Option<usize>| origin.map_or(otherwise, |origin| origins[origin].file);
    let file = name(found.first().and_then(|(origin, _)| *origin)).clone();
    let mut strewn = Vec::new();
    for (index, (origin, _)) in found.iter().enumerate() {
        if name(*origin) != &file {
            strewn.extend(u32::try_from(index).ok().map(|index| (index, name(*origin).clone())));
        }
    }
    let positions = found.into_iter().map(|(_, position)| position).collect();
    (file, Object { marks: Positions::strewn(positions, strewn), ..object })
}

/// The start of the file for every field: all that is known of a template.
pub fn whole_file(object: Object) -> Object {
    let positions = vec![Position::START; count(&object.value)];
    Object { marks: Positions::new(positions), ..object }
}

/// A node of an origin, with its index among the origin's marks.
type At<'a> = Option<(&'a Value, usize)>;

struct Tracing<'a> {
    origins: &'a [Origin<'a>],
    /// For each node in pre-order: the origin, or none, and where in its file.
    found: Vec<(Option<usize>, Position)>,
}

impl Tracing<'_> {
    fn node(&mut self, node: &Value, here: &[At<'_>]) {
        let place = self.place(node, here);
        self.found.push(place.unwrap_or((None, Position::START)));
        match node {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let below: Vec<_> = here.iter().map(|at| field(*at, name)).collect();
                    self.node(value, &below);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let below: Vec<_> = here.iter().map(|at| entry(*at, items, index)).collect();
                    self.node(item, &below);
                }
            }
            _ => {}
        }
    }

    fn place(&self, node: &Value, here: &[At<'_>]) -> Option<(Option<usize>, Position)> {
        let mark = |origin: usize, at: At<'_>| Some((Some(origin), self.origins[origin].object.marks.at(at?.1)?));
        let mut places = here.iter().enumerate();
        match node {
            // A map or list begins where it was first written.
            Value::Object(_) | Value::Array(_) => {
                let alike = |at: &At<'_>| {
                    at.is_some_and(|(value, _)| value.is_object() == node.is_object() && !is_scalar(value))
                };
                places.find(|(_, at)| alike(at)).and_then(|(origin, at)| mark(origin, *at))
            }
            // A value is that of the last patch that gives it.
            _ => places
                .rfind(|(_, at)| at.is_some_and(|(value, _)| value == node))
                .and_then(|(origin, at)| mark(origin, *at)),
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn field<'a>(at: At<'a>, name: &str) -> At<'a> {
    let (Value::Object(fields), index) = at? else { return None };
    let value = fields.get(name)?;
    let elder = fields.iter().take_while(|(key, _)| *key != name);
    Some((value, index + 1 + elder.map(|(_, value)| count(value)).sum::<usize>()))
}

/// The item of an origin's list that became `items[index]`: that of the same
/// name, or else of the same index.
fn entry<'a>(at: At<'a>, items: &[Value], index: usize) -> At<'a> {
    let (Value::Array(own), start) = at? else { return None };
    let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    let same = match name(&items[index]) {
        Some(wanted) => {
            let mut alike = own.iter().enumerate().filter(|(_, item)| name(item).as_ref() == Some(&wanted));
            let (first, second) = (alike.next(), alike.next());
            // Variables may be named twice; then nobody can tell which is which.
            first.filter(|_| second.is_none()).map(|(index, _)| index)?
        }
        None => index,
    };
    let value = own.get(same)?;
    Some((value, start + 1 + own[..same].iter().map(count).sum::<usize>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Step, read};

    fn object(text: &str) -> Object {
        read("x.yaml", text.as_bytes()).objects.remove(0)
    }

    #[test]
    fn a_field_stands_where_a_file_has_its_value() {
        let base = object(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 1\n  template:\n    spec:\n      containers:\n      - name: web\n        image: web:1\n      - name: log\n        image: log:1\n",
        );
        let patch = object(
            "kind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n      - name: log\n        image: log:2\n  replicas: 5\n",
        );
        let rendered = object(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  labels: {a: b}\n  name: web\nspec:\n  replicas: 5\n  template:\n    spec:\n      containers:\n      - name: log\n        image: log:2\n      - name: web\n        image: web:1\n",
        );
        let [base_file, patch_file, top]: [Arc<str>; 3] =
            ["base.yaml", "patch.yaml", "kustomization.yaml"].map(Into::into);
        let origins = [Origin { file: &base_file, object: &base }, Origin { file: &patch_file, object: &patch }];
        let (file, object) = trace(rendered, &origins, &top);
        assert_eq!(&*file, "base.yaml");
        let spec = Step::Key("spec");
        let container = |index, field| {
            vec![spec, Step::Key("template"), spec, Step::Key("containers"), Step::Index(index), Step::Key(field)]
        };
        for (steps, place) in [
            (vec![], "base.yaml:1"),
            (vec![spec], "base.yaml:5"),
            (vec![spec, Step::Key("replicas")], "patch.yaml:11"),
            (container(0, "image"), "patch.yaml:10"),
            (container(1, "image"), "base.yaml:11"),
            (vec![Step::Key("metadata"), Step::Key("labels"), Step::Key("a")], "kustomization.yaml:1"),
        ] {
            let line = object.marks.find(&object.value, &steps).unwrap().line;
            let file = object.marks.file(&object.value, &steps).unwrap_or(&file);
            assert_eq!(format!("{file}:{line}"), place, "{steps:?}");
        }
    }
}
