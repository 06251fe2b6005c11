//! What the server itself puts into fields that a manifest leaves out: no
//! writer's doing.

use serde_json::{Map, Value};

use super::equal::{is_nothing, same};
use super::schema::{DefaultValue, SchemaRef};

/// Whether a field that Git leaves out has, after the write, just what the server puts there.
pub(super) fn is_filled(
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    parent: &Map<String, Value>,
    place: SchemaRef<'_>,
) -> bool {
    let Some(new) = new else { return false };
    match place.fill(name) {
        None => false,
        Some(DefaultValue::Allocated) => old.is_none_or(|old| is_blank(old, Some(&DefaultValue::Allocated))),
        Some(DefaultValue::PolicyTypes) => same(&policy_types(parent), new, place.field(name)),
        Some(DefaultValue::PullPolicy) => new.as_str() == Some(pull_policy(parent)),
        Some(DefaultValue::Sibling(other)) => parent.get(*other) == Some(new),
        Some(DefaultValue::Value(value)) => same(value, new, place.field(name)),
    }
}

/// Whether a field is written out but left to the server: `clusterIP: ""`,
/// `nodePort: 0`, `roleRef.apiGroup: ""`. A zero with a default is a zero.
pub(super) fn is_blank(value: &Value, fill: Option<&DefaultValue>) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Number(_) => {
            is_nothing(value) && matches!(fill, Some(DefaultValue::Allocated | DefaultValue::Sibling(_)))
        }
        _ => false,
    }
}

/// Whether a new value is all defaults: the server makes it as soon as its parent is there.
pub(super) fn is_server_made(value: &Value, place: SchemaRef<'_>) -> bool {
    let Value::Object(fields) = value else { return false };
    !fields.is_empty()
        && fields.iter().all(|(name, value)| {
            is_filled(name, None, Some(value), fields, place) || is_server_made(value, place.field(name))
        })
}

/// `Ingress`, and `Egress` too where there are rules for it.
fn policy_types(policy: &Map<String, Value>) -> Value {
    let has_egress = policy.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    if has_egress { serde_json::json!(["Ingress", "Egress"]) } else { serde_json::json!(["Ingress"]) }
}

/// Whether a field means `true` where it is left out, so that a declared `false` must be there.
pub(super) fn is_true_by_default(name: Option<&str>) -> bool {
    let fields = [
        "allocateLoadBalancerNodePorts",
        "allowPrivilegeEscalation",
        "automountServiceAccountToken",
        "enableServiceLinks",
    ];
    name.is_some_and(|name| fields.contains(&name))
}

/// `Always` for an image without a tag or with `latest`, `IfNotPresent` for all else.
fn pull_policy(container: &Map<String, Value>) -> &'static str {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    match tag {
        Some("latest") => "Always",
        None if !digest => "Always",
        _ => "IfNotPresent",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pull_policy_follows_the_tag() {
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
