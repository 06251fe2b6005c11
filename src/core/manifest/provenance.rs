//! Where the fields of a rendered object are written in the files that it was
//! rendered from.
//!
//! Nothing is guessed: a field is located where a file has the same value at the
//! same path. What no file has like this (a changed name, an added label) is
//! attributed to the file that had the object rendered.

use std::sync::Arc;

use serde_json::Value;

use super::Object;
use super::positions::{Position, Positions, count, entry_offset, item_offset};

/// An object in a file, from which a rendered object was made.
#[derive(Clone, Copy, Debug)]
pub struct RenderInput<'a> {
    /// The file, from the repository's root.
    pub file: &'a Arc<str>,
    /// The object in that file.
    pub object: &'a Object,
}

/// Gives a rendered object the positions of the files that it was made from.
///
/// `inputs` are in the order in which they were applied, the whole object before
/// its patches. Returns the file of the object as a whole; what no input has is
/// attributed to `renderer`, the file that had it rendered.
pub fn trace_to_inputs(object: Object, inputs: &[RenderInput<'_>], renderer: &Arc<str>) -> (Arc<str>, Object) {
    let mut walk = Tracer { inputs, traced: Vec::with_capacity(count(&object.value)) };
    let roots: Vec<_> = inputs.iter().map(|input| Some((&input.object.value, 0))).collect();
    walk.trace(&object.value, &roots);
    let traced = walk.traced;

    let file_of = |input: Option<usize>| input.map_or(renderer, |input| inputs[input].file);
    let object_file = file_of(traced.first().and_then(|(input, _)| *input)).clone();
    let mut other_files = Vec::new();
    for (index, (input, _)) in traced.iter().enumerate() {
        let file = file_of(*input);
        if *file != object_file
            && let Ok(index) = u32::try_from(index)
        {
            other_files.push((index, file.clone()));
        }
    }
    let positions = traced.into_iter().map(|(_, position)| position).collect();
    (object_file, Object { positions: Positions::in_several_files(positions, other_files), ..object })
}

/// Gives every field the position of the file's start: all that is known of a template.
pub fn at_file_start(object: Object) -> Object {
    let positions = vec![Position::START; count(&object.value)];
    Object { positions: Positions::new(positions), ..object }
}

/// A node of an input, with its index among the input's positions; `None` where
/// the input has none at this path.
type InputNode<'a> = Option<(&'a Value, usize)>;

struct Tracer<'a> {
    inputs: &'a [RenderInput<'a>],
    /// For each node in pre-order: the input that has it, and the position there.
    traced: Vec<(Option<usize>, Position)>,
}

impl Tracer<'_> {
    /// Traces a node and all below it; `input_nodes` has the node of each input at the same path.
    fn trace(&mut self, node: &Value, input_nodes: &[InputNode<'_>]) {
        let origin = self.locate(node, input_nodes);
        self.traced.push(match origin {
            Some((input, position)) => (Some(input), position),
            None => (None, Position::START),
        });
        match node {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let below: Vec<_> = input_nodes.iter().map(|node| field(*node, name)).collect();
                    self.trace(value, &below);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let below: Vec<_> = input_nodes.iter().map(|node| matching_item(*node, items, index)).collect();
                    self.trace(item, &below);
                }
            }
            _ => {}
        }
    }

    /// The input that a node comes from, and its position there.
    fn locate(&self, node: &Value, input_nodes: &[InputNode<'_>]) -> Option<(usize, Position)> {
        let mut values = input_nodes.iter().map(|input_node| input_node.map(|(value, _)| value));
        let input = match node {
            // A map or list begins where it was first written.
            Value::Object(_) => values.position(|value| value.is_some_and(Value::is_object)),
            Value::Array(_) => values.position(|value| value.is_some_and(Value::is_array)),
            // A scalar is that of the last patch that gives it.
            _ => values.rposition(|value| value == Some(node)),
        }?;
        let (_, index) = input_nodes[input]?;
        Some((input, self.inputs[input].object.positions.at(index)?))
    }
}

/// The field `name` of an input's object.
fn field<'a>(node: InputNode<'a>, name: &str) -> InputNode<'a> {
    let (Value::Object(fields), index) = node? else { return None };
    Some((fields.get(name)?, index + entry_offset(fields, name)))
}

/// The item of an input's list that became `items[index]`: the one of the same
/// name, or else of the same index.
fn matching_item<'a>(node: InputNode<'a>, items: &[Value], index: usize) -> InputNode<'a> {
    let (Value::Array(input_items), start) = node? else { return None };
    let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    let input_index = match name(&items[index]) {
        Some(wanted) => {
            let mut same_name = input_items.iter().enumerate().filter(|(_, item)| name(item).as_ref() == Some(&wanted));
            let (first, second) = (same_name.next(), same_name.next());
            // Variables may be named twice; then nothing tells which is which.
            if second.is_some() {
                return None;
            }
            first?.0
        }
        None => index,
    };
    Some((input_items.get(input_index)?, start + item_offset(input_items, input_index)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Segment, parse};

    fn object(text: &str) -> Object {
        parse("x.yaml", text.as_bytes()).objects.remove(0)
    }

    #[test]
    fn a_field_is_located_where_a_file_has_its_value() {
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
        let inputs =
            [RenderInput { file: &base_file, object: &base }, RenderInput { file: &patch_file, object: &patch }];
        let (file, object) = trace_to_inputs(rendered, &inputs, &top);
        assert_eq!(&*file, "base.yaml");
        let spec = Segment::Key("spec");
        let container = |index, field| {
            vec![
                spec,
                Segment::Key("template"),
                spec,
                Segment::Key("containers"),
                Segment::Index(index),
                Segment::Key(field),
            ]
        };
        for (segments, expected) in [
            (vec![], "base.yaml:1"),
            (vec![spec], "base.yaml:5"),
            (vec![spec, Segment::Key("replicas")], "patch.yaml:11"),
            (container(0, "image"), "patch.yaml:10"),
            (container(1, "image"), "base.yaml:11"),
            (vec![Segment::Key("metadata"), Segment::Key("labels"), Segment::Key("a")], "kustomization.yaml:1"),
        ] {
            let line = object.positions.find(&object.value, &segments).unwrap().line;
            let file = object.positions.file(&object.value, &segments).unwrap_or(&file);
            assert_eq!(format!("{file}:{line}"), expected, "{segments:?}");
        }
    }
}
