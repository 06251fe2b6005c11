//! Zero values (`false`, `0`, `""`, `{}`): where one is the same as a field that is
//! left out, and where it is a value like any other.

use serde_json::Value;

use super::equal::is_zero_value;
use super::schema::{DefaultValue, SchemaRef};

/// Whether an empty value in the field `name` means something, so that whoever fills
/// it changes what Git says. Everywhere else Git leaves open what is to be filled in.
pub(super) fn is_value_when_empty(name: &str, declared: &Value) -> bool {
    match declared {
        Value::String(text) => text.is_empty() && is_text_when_empty(name),
        Value::Object(_) => is_zero_value(declared) && is_struct_when_empty(name),
        _ => false,
    }
}

/// Whether an empty text in the field `name` is one that the server does not replace: the
/// core API group, or a volume of no storage class
/// (<https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1>).
pub(super) fn is_text_when_empty(name: &str) -> bool {
    matches!(name, "apiGroup" | "group" | "storageClassName")
}

/// Whether an empty struct in the field `name` says something: a selector selects everything
/// (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/label-selector/>),
/// a volume is on disk and of any size, a pause has no end
/// (<https://argo-rollouts.readthedocs.io/en/stable/features/canary/>).
fn is_struct_when_empty(name: &str) -> bool {
    match name {
        "emptyDir" | "pause" | "selector" => true,
        // A Pod without a node selector and one with an empty one run anywhere; charts render both.
        "nodeSelector" => false,
        _ => name.ends_with("Selector") || name.ends_with("Selectors"),
    }
}

/// Whether a field that Git leaves out gets the zero value that leaving it out stands for:
/// the way back from `paused: true`.
pub(super) fn is_back_to_zero(
    name: &str,
    old: Option<&Value>,
    new: &Value,
    default: Option<&DefaultValue>,
    schema: SchemaRef<'_>,
) -> bool {
    let has_other_default = match default {
        None => false,
        Some(DefaultValue::Value(value)) => !is_zero_value(value),
        Some(_) => true,
    };
    if has_other_default || !is_zero_value(new) {
        return false;
    }
    match new {
        // A switch that is off already may be turned off again.
        Value::Bool(_) if old.is_none() => is_pause(name),
        // An endpoint of which nothing is said is ready (`k8s.io/api/discovery/v1`, `EndpointConditions`).
        Value::Bool(_) if schema.is_of_builtin_kind() && matches!(name, "ready" | "serving") => false,
        Value::Bool(_) => !is_true_by_default(Some(name)) && name != "runAsNonRoot",
        // The API server drops a zero from the fields of its own kinds, unless it means
        // something else there than a field that is left out.
        Value::Number(_) | Value::String(_) => {
            old.is_some() && !schema.is_of_builtin_kind() && !is_other_than_zero_by_default(name)
        }
        _ => false,
    }
}

/// Whether the field is a switch that holds a controller back, which all leave out to say `false`.
pub(super) fn is_pause(name: &str) -> bool {
    matches!(name, "pause" | "paused" | "suspend" | "suspended")
}

/// Whether the declared value of the field `name` is one that programs in Go leave out whenever they write the
/// whole object, and that means nothing else when it is left out, as far as the name tells.
pub(crate) fn is_droppable_zero(name: &str, declared: &Value) -> bool {
    let means_something = match name {
        // An API group that is left out is the empty one; the server would fill in any other.
        "apiGroup" | "group" => false,
        _ => {
            is_true_by_default(Some(name)) || is_value_when_empty(name, declared) || is_other_than_zero_by_default(name)
        }
    };
    is_zero_value(declared) && !means_something
}

/// Whether a field means `true` where it is left out, so that leaving a declared
/// `false` out changes it.
pub(super) fn is_true_by_default(name: Option<&str>) -> bool {
    let fields = [
        "allocateLoadBalancerNodePorts",
        "allowPrivilegeEscalation",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "hostUsers",
    ];
    name.is_some_and(|name| fields.contains(&name))
}

/// Whether the API server stores a zero in the field `name` of a kind of its own, and means something else by a field
/// that is left out: in Go these are pointers, and nothing is their default (`k8s.io/api`).
pub(super) fn is_stored_when_zero(name: &str, declared: &Value, schema: SchemaRef<'_>) -> bool {
    let numbers = [
        "activeDeadlineSeconds",
        "averageUtilization",
        "backoffLimitPerIndex",
        "borrowingLimitPercent",
        "completions",
        "fsGroup",
        "maxFailedIndexes",
        "maxUnavailable",
        "minAvailable",
        "runAsGroup",
        "runAsUser",
        "stabilizationWindowSeconds",
        "startingDeadlineSeconds",
        "tolerationSeconds",
        "ttlSecondsAfterFinished",
    ];
    // An endpoint of which nothing is said is ready; a container of which nothing is said is as its Pod says.
    let switches = ["ready", "runAsNonRoot", "serving"];
    let is_stored = match declared {
        Value::Number(_) => is_zero_value(declared) && numbers.contains(&name),
        Value::Bool(is_on) => !is_on && switches.contains(&name),
        _ => false,
    };
    is_stored && schema.is_of_builtin_kind()
}

/// Whether a number or text in the field `name` of a custom resource means something else than
/// zero where it is left out, as in the same field of a Pod or a workload.
fn is_other_than_zero_by_default(name: &str) -> bool {
    let fields = [
        "activeDeadlineSeconds",
        "backoffLimit",
        "fsGroup",
        "group",
        "progressDeadlineSeconds",
        "revisionHistoryLimit",
        "runAsGroup",
        "runAsUser",
        "storageClassName",
        "terminationGracePeriodSeconds",
    ];
    // How many there are is an autoscaler's or the operator's to say.
    fields.contains(&name) || name.to_lowercase().contains("replica") || name == "instances"
}
