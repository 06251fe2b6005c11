//! Some charts generate values anew in every rendering: passwords, certificates,
//! timestamps. Two renderings show which, and those count as not known from Git.

use std::collections::HashMap;

use serde_json::Value;

use driftwall_core::diff::OPAQUE;
use driftwall_core::manifest::Object;

/// What two renderings have in common.
#[derive(Debug, Default)]
pub(super) struct StableObjects<T> {
    /// The objects of both; what differs inside is opaque.
    pub(super) objects: Vec<(T, Object)>,
    /// The fields that are opaque: the object, then the path of the field.
    pub(super) opaque: Vec<String>,
    /// Which objects were left out, and why.
    pub(super) warnings: Vec<String>,
}

/// Compares two renderings of the same chart and masks what differs. The
/// positions of an object with masked fields no longer fit its values.
pub(super) fn mask_differences<T>(first: Vec<(T, Object)>, second: Vec<Object>) -> StableObjects<T> {
    let mut second_by_name: HashMap<String, Vec<Object>> = HashMap::new();
    // Backwards, so that `pop` pairs objects that are declared twice in their order.
    for object in second.into_iter().rev() {
        second_by_name.entry(full_name(&object)).or_default().push(object);
    }
    let mut stable = StableObjects { objects: Vec::new(), opaque: Vec::new(), warnings: Vec::new() };
    for (origin, mut object) in first {
        let name = full_name(&object);
        match second_by_name.get_mut(&name).and_then(Vec::pop) {
            Some(other) => {
                let mut path = name;
                mask(&mut object.value, &other.value, &mut path, &mut stable.opaque);
                stable.objects.push((origin, object));
            }
            None => stable.warnings.push(format!("{name} is left out: every rendering gives it another name")),
        }
    }
    stable
}

fn full_name(object: &Object) -> String {
    let Object { api_version, kind, namespace, name, .. } = object;
    let slash = if namespace.is_some() { "/" } else { "" };
    format!("{api_version} {kind} {}{slash}{name}", namespace.as_deref().unwrap_or_default())
}

/// Replaces all that differs by [`OPAQUE`]. Keys stay, except for those that
/// only one rendering has.
fn mask(value: &mut Value, other: &Value, path: &mut String, opaque: &mut Vec<String>) {
    let length = path.len();
    match (&mut *value, other) {
        (Value::Object(fields), Value::Object(others)) => {
            fields.retain(|name, _| others.contains_key(name));
            for (name, value) in fields {
                path.push_str(if path.contains(": ") { "." } else { ": " });
                path.push_str(name);
                mask(value, &others[name], path, opaque);
                path.truncate(length);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter_mut().zip(others).enumerate() {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                mask(item, other, path, opaque);
                path.truncate(length);
            }
        }
        (value, other) if value == other => {}
        (value, _) => {
            *value = OPAQUE.into();
            opaque.push(path.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use driftwall_core::manifest::parse;

    fn rendering(secret: &str, job: &str, args: &str) -> Vec<Object> {
        let text = format!(
            "apiVersion: v1
kind: Secret
metadata: {{name: a}}
data: {{user: dQ==, password: {secret}, {secret}: x}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: {job}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: a, namespace: b}}
spec: {{containers: [{{name: c, args: {args}}}]}}
"
        );
        parse("x", text.as_bytes()).objects
    }

    #[test]
    fn what_differs_between_two_renderings_is_opaque() {
        let first = rendering("one", "job-1", "[a, b]").into_iter().map(|object| ((), object)).collect();
        let stable = mask_differences(first, rendering("two", "job-2", "[a]"));
        let values: Vec<_> = stable.objects.iter().map(|((), object)| object.value.clone()).collect();
        assert_eq!(values[0]["data"], serde_json::json!({"user": "dQ==", "password": OPAQUE}));
        assert_eq!(values[1]["spec"]["containers"][0], serde_json::json!({"name": "c", "args": OPAQUE}));
        assert_eq!(stable.opaque, ["v1 Secret a: data.password", "v1 Pod b/a: spec.containers[0].args"]);
        assert_eq!(stable.warnings, ["batch/v1 Job job-1 is left out: every rendering gives it another name"]);
    }
}
