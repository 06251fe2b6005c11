//! Charts can make values anew in every rendering: passwords, certificates,
//! times. Rendered twice, they show themselves, and Git does not tell them then.

use std::collections::HashMap;

use serde_json::Value;

use driftwall_core::diff::OPAQUE;
use driftwall_core::manifest::Object;

/// What two renderings have in common.
#[derive(Debug, Default)]
pub(super) struct Settled<T> {
    /// The objects of both; what differs inside is opaque.
    pub(super) objects: Vec<(T, Object)>,
    /// The fields that are opaque: the object, then the way to the field.
    pub(super) opaque: Vec<String>,
    /// What was left out, and why.
    pub(super) warnings: Vec<String>,
}

/// Holds two renderings of the same chart against each other. The marks of
/// objects with opaque fields no longer fit their values.
pub(super) fn settle<T>(first: Vec<(T, Object)>, second: Vec<Object>) -> Settled<T> {
    let mut again: HashMap<String, Vec<Object>> = HashMap::new();
    // Backwards, so that objects that are declared twice meet in their order.
    for object in second.into_iter().rev() {
        again.entry(name(&object)).or_default().push(object);
    }
    let mut settled = Settled { objects: Vec::new(), opaque: Vec::new(), warnings: Vec::new() };
    for (origin, mut object) in first {
        let name = name(&object);
        match again.get_mut(&name).and_then(Vec::pop) {
            Some(other) => {
                let mut way = name;
                hide(&mut object.value, &other.value, &mut way, &mut settled.opaque);
                settled.objects.push((origin, object));
            }
            None => settled.warnings.push(format!("{name} is left out: every rendering gives it another name")),
        }
    }
    settled
}

fn name(object: &Object) -> String {
    let Object { api_version, kind, namespace, name, .. } = object;
    let slash = if namespace.is_some() { "/" } else { "" };
    format!("{api_version} {kind} {}{slash}{name}", namespace.as_deref().unwrap_or_default())
}

/// Puts [`OPAQUE`] in the place of all that differs. Keys stay, but for those
/// that only one rendering has.
fn hide(value: &mut Value, other: &Value, way: &mut String, found: &mut Vec<String>) {
    let length = way.len();
    match (&mut *value, other) {
        (Value::Object(fields), Value::Object(others)) => {
            fields.retain(|name, _| others.contains_key(name));
            for (name, value) in fields {
                way.push_str(if way.contains(": ") { "." } else { ": " });
                way.push_str(name);
                hide(value, &others[name], way, found);
                way.truncate(length);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter_mut().zip(others).enumerate() {
                way.push('[');
                way.push_str(&index.to_string());
                way.push(']');
                hide(item, other, way, found);
                way.truncate(length);
            }
        }
        (value, other) if value == other => {}
        (value, _) => {
            *value = OPAQUE.into();
            found.push(way.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftwall_core::manifest::parse;

    fn rendering(secret: &str, job: &str, args: &str) -> Vec<Object> {
        let text = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata: {{user: dQ==, password: {secret}, {secret}: x}}\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {job}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: b}}\nspec: {{containers: [{{name: c, args: {args}}}]}}\n"
        );
        parse("x", text.as_bytes()).objects
    }

    #[test]
    fn what_two_renderings_do_not_share_is_opaque() {
        let first = rendering("one", "job-1", "[a, b]").into_iter().map(|object| ((), object)).collect();
        let settled = settle(first, rendering("two", "job-2", "[a]"));
        let values: Vec<_> = settled.objects.iter().map(|((), object)| object.value.clone()).collect();
        assert_eq!(values[0]["data"], serde_json::json!({"user": "dQ==", "password": OPAQUE}));
        assert_eq!(values[1]["spec"]["containers"][0], serde_json::json!({"name": "c", "args": OPAQUE}));
        assert_eq!(settled.opaque, ["v1 Secret a: data.password", "v1 Pod b/a: spec.containers[0].args"]);
        assert_eq!(settled.warnings, ["batch/v1 Job job-1 is left out: every rendering gives it another name"]);
    }
}
