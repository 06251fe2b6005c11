//! Values that the server itself gives to fields that a manifest leaves out: no
//! writer is responsible for them.

use serde_json::{Map, Value};

use super::equal::{is_zero_value, values_equal};
use super::schema::{DefaultValue, SchemaRef};
use super::zero_values::is_text_when_empty;

/// Whose a value may be where the server has none of its own to compare with, but
/// allocates one: a cluster IP, a node port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocations {
    /// Nothing is known of who brought them.
    MaybeServer,
    /// What the server allocated has been taken out of the object: the rest is the writer's.
    Writer,
}

/// Whether a field that Git leaves out has, after the write, the value that the
/// server gives it. `parent` is the object that has the field, as it is written.
pub(crate) fn is_server_default(
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    parent: &Map<String, Value>,
    schema: SchemaRef<'_>,
    allocations: Allocations,
) -> bool {
    let Some(new) = new else { return false };
    let sibling = |name: &str| parent.get(name).and_then(Value::as_str).unwrap_or_default();
    match schema.default_of(name) {
        None => false,
        Some(DefaultValue::Allocated) if allocations == Allocations::Writer => false,
        Some(DefaultValue::Lowercase(other)) => new.as_str() == Some(&sibling(other).to_lowercase()),
        Some(DefaultValue::WithList(other)) => {
            new.as_str().and_then(|new| new.strip_suffix("List")) == Some(sibling(other))
        }
        Some(DefaultValue::Allocated) => {
            old.is_none_or(|old| is_left_to_server(name, old, Some(&DefaultValue::Allocated)))
        }
        Some(DefaultValue::PolicyTypes) => values_equal(&policy_types(parent), new, schema.field(name)),
        Some(DefaultValue::PullPolicy) => new.as_str() == Some(pull_policy(parent)),
        Some(DefaultValue::Sibling(other)) => parent.get(*other) == Some(new),
        // Of a Job that says how many run at a time, how many have to succeed is left open
        // (`pkg/apis/batch/v1/defaults.go`).
        Some(DefaultValue::Value(_))
            if name == "completions" && parent.get("parallelism").is_some_and(|it| *it != 1) =>
        {
            false
        }
        // A count that Git leaves out is an autoscaler's: back to the default is a change like any other.
        Some(DefaultValue::Value(value)) if name == "replicas" && old.is_some_and(|old| old != value) => false,
        Some(DefaultValue::Value(value)) => is_default(value, new, schema.field(name)),
    }
}

/// Whether the default of the field `name` depends on more than is in the same object, so that a stored object without
/// the field has none: an autoscaler's CPU where its annotations have other metrics
/// (`pkg/apis/autoscaling/v1/conversion.go`).
pub(super) fn is_conditional_default(name: &str, may_be_defaulted: bool) -> bool {
    name == "targetCPUUtilizationPercentage" && !may_be_defaulted
}

/// Whether a value is this default, or as much of it as an older server has: before 1.21 a `DaemonSet`
/// has no `maxSurge`.
fn is_default(default: &Value, value: &Value, schema: SchemaRef<'_>) -> bool {
    match (default, value) {
        (Value::Object(default), Value::Object(fields)) if !fields.is_empty() => fields.iter().all(|(name, value)| {
            default.get(name).is_some_and(|default| is_default(default, value, schema.field(name)))
        }),
        _ => values_equal(default, value, schema),
    }
}

/// Whether the declared value of the field `name` says that the server is to allocate one.
pub(crate) fn is_allocated_by_server(name: &str, declared: &Value, schema: SchemaRef<'_>) -> bool {
    let default = schema.default_of(name);
    default == Some(&DefaultValue::Allocated) && is_left_to_server(name, declared, default)
}

/// Whether a field is written, but empty so that the server chooses its value:
/// `clusterIP: ""`, `nodePort: 0`, `roleRef.apiGroup: ""`. Where the default is a
/// fixed value, a zero is meant as a zero.
pub(super) fn is_left_to_server(name: &str, value: &Value, default: Option<&DefaultValue>) -> bool {
    match value {
        // That of a role's or a subject's kind is filled in.
        Value::String(text) => text.is_empty() && (name == "apiGroup" || !is_text_when_empty(name)),
        Value::Array(items) => items.is_empty(),
        Value::Number(_) => {
            is_zero_value(value) && matches!(default, Some(DefaultValue::Allocated | DefaultValue::Sibling(_)))
        }
        _ => false,
    }
}

/// Whether a new value consists of defaults only: the server makes it as soon as its parent is there.
pub(super) fn is_all_defaults(value: &Value, schema: SchemaRef<'_>, allocations: Allocations) -> bool {
    let Value::Object(fields) = value else { return false };
    !fields.is_empty()
        && fields.iter().all(|(name, value)| {
            is_server_default(name, None, Some(value), fields, schema, allocations)
                || is_all_defaults(value, schema.field(name), allocations)
        })
}

/// The policy types of a `NetworkPolicy` that names none: `Ingress`, and `Egress` too where there are rules for it.
fn policy_types(policy: &Map<String, Value>) -> Value {
    let has_egress = policy.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    if has_egress { serde_json::json!(["Ingress", "Egress"]) } else { serde_json::json!(["Ingress"]) }
}

/// The pull policy of a container that names none: `Always` for an image without
/// a tag or with `latest`, `IfNotPresent` for all others.
fn pull_policy(container: &Map<String, Value>) -> &'static str {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let (name, has_digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    // A colon before the last slash belongs to a port.
    let last = name.rsplit('/').next().unwrap_or(name);
    let tag = last.split_once(':').map(|(_, tag)| tag);
    match tag {
        Some("latest") => "Always",
        None if !has_digest => "Always",
        _ => "IfNotPresent",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_server_has_less_of_a_default() {
        let daemon_set = crate::diff::builtin_schema("apps", "v1", "DaemonSet").unwrap();
        let schema = daemon_set.field("spec").field("updateStrategy");
        let default = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"});
        for (value, expected) in [
            (default.clone(), true),
            (json!({"rollingUpdate": {"maxUnavailable": 1}, "type": "RollingUpdate"}), true),
            (json!({"type": "RollingUpdate"}), true),
            (json!({"rollingUpdate": {"maxUnavailable": 2}, "type": "RollingUpdate"}), false),
            (json!({"type": "OnDelete"}), false),
            (json!({"type": "RollingUpdate", "other": 1}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_default(&default, &value, schema), expected, "{value}");
        }
    }

    #[test]
    fn the_default_pull_policy_follows_the_tag() {
        for (image, policy) in [
            ("a", "Always"),
            ("a:latest", "Always"),
            ("a:1", "IfNotPresent"),
            ("host:5000/a", "Always"),
            ("host:5000/a:1", "IfNotPresent"),
            ("a@sha256:b", "IfNotPresent"),
            ("a:latest@sha256:b", "Always"),
        ] {
            assert_eq!(pull_policy(json!({"image": image}).as_object().unwrap()), policy, "{image}");
        }
    }
}
