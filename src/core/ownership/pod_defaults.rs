//! What the API server makes of other fields of a new Pod, after it has noted what the writer brings, or as a default
//! that it notes as the writer's: confinement under its newer name, label keys in selectors, resources of the whole Pod.

use serde_json::{Map, Value, json};

use crate::diff::Quantity;

/// What the keys of annotations begin with that confined containers before there was a field for it.
const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The lists of a Pod whose items select other Pods by `labelSelector`, and where in an item that is.
const SELECTING: [(&str, &str); 5] = [
    ("/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution", "/podAffinityTerm"),
    ("/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution", ""),
    ("/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution", "/podAffinityTerm"),
    ("/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution", ""),
    ("/spec/topologySpreadConstraints", ""),
];

/// The fields whose label keys are merged into a selector, and with which operator.
const LABEL_KEYS: [(&str, &str); 2] = [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")];

/// Removes the field or the annotation that stands for the other one, which Git has (1.30 and newer;
/// `applyAppArmorVersionSkew` in `pkg/registry/core/pod/strategy.go`).
pub(super) fn remove_confinement(pod: &mut Value, git: Option<&Value>) {
    let Some(git) = git else { return };
    let of_pod = pod.pointer("/spec/securityContext/appArmorProfile").cloned();
    for list in ["containers", "initContainers"] {
        let names: Vec<_> = names(&pod["spec"][list]).collect();
        for (index, name) in names.into_iter().enumerate() {
            let key = format!("{APPARMOR}{name}");
            let declared = git["metadata"]["annotations"].get(&key).and_then(Value::as_str);
            let mut containers = git["spec"][list].as_array().into_iter().flatten();
            let context = containers.find(|container| container["name"] == *name);
            let context = context.map_or(&Value::Null, |container| &container["securityContext"]);
            let at = format!("/spec/{list}/{index}/securityContext");
            let profile = pod.pointer(&at).and_then(|context| context.get("appArmorProfile")).cloned();
            if declared.is_some() && profile.is_some() && declared.map(profile_of) == profile {
                if context["appArmorProfile"].is_null()
                    && let Some(Value::Object(fields)) = pod.pointer_mut(&at)
                {
                    fields.remove("appArmorProfile");
                    if fields.is_empty() && context.is_null() {
                        remove(pod, &at);
                    }
                }
                continue;
            }
            // Of a field that differs from Git the field itself tells.
            let annotation = pod["metadata"]["annotations"].get(&key).and_then(Value::as_str).map(profile_of);
            if declared.is_none() && annotation.is_some() && annotation == profile.or_else(|| of_pod.clone()) {
                remove(pod, &format!("/metadata/annotations/{}", key.replace('/', "~1")));
            }
        }
    }
}

/// The field that the value of an annotation stands for.
fn profile_of(annotation: &str) -> Value {
    match annotation.split_once('/') {
        Some(("localhost", profile)) => json!({"type": "Localhost", "localhostProfile": profile}),
        _ if annotation == "runtime/default" => json!({"type": "RuntimeDefault"}),
        _ if annotation == "unconfined" => json!({"type": "Unconfined"}),
        _ => Value::Null,
    }
}

/// Removes what selectors got from `matchLabelKeys` and `mismatchLabelKeys`: a new Pod's own labels (1.29 and newer,
/// 1.34 for topology spread; `applyMatchLabelKeysAndMismatchLabelKeys` in `pkg/registry/core/pod/strategy.go`).
pub(super) fn remove_merged_label_keys(pod: &mut Value, git: Option<&Value>) {
    let labels = pod["metadata"]["labels"].clone();
    for (list, inside) in SELECTING {
        let count = pod.pointer(list).and_then(Value::as_array).map_or(0, Vec::len);
        for index in 0..count {
            let at = format!("{list}/{index}{inside}");
            let Some(term) = pod.pointer_mut(&at) else { continue };
            let merged = merged(term, &labels);
            let declared = git.and_then(|git| git.pointer(&at)).map_or(&Value::Null, |term| &term["labelSelector"]);
            let declared = declared["matchExpressions"].as_array();
            let Some(Value::Object(selector)) = term.get_mut("labelSelector") else { continue };
            let Some(Value::Array(expressions)) = selector.get_mut("matchExpressions") else { continue };
            expressions.retain(|expression| {
                !merged.contains(expression) || declared.is_some_and(|declared| declared.contains(expression))
            });
            if expressions.is_empty() && declared.is_none() {
                selector.remove("matchExpressions");
            }
        }
    }
}

/// The requirements that the keys of a term stand for.
fn merged(term: &Value, labels: &Value) -> Vec<Value> {
    let mut merged = Vec::new();
    for (field, operator) in LABEL_KEYS {
        for key in term[field].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Some(value) = labels.get(key) {
                merged.push(json!({"key": key, "operator": operator, "values": [value]}));
            }
        }
    }
    merged
}

/// Removes what the whole Pod requests, where Git says only what it is limited to: what its containers request
/// together, else the limit; and the limit of huge pages, which is what is requested (1.32 and newer;
/// `defaultPodRequests`, `defaultHugePagePodLimits` in `pkg/apis/core/v1/defaults.go`).
pub(super) fn remove_pod_level_resources(pod: &mut Map<String, Value>, git: Option<&Value>) {
    let declared = git.map_or(&Value::Null, |git| &git["resources"]);
    if !declared.is_object() {
        return;
    }
    let Some(resources) = pod.get("resources").cloned() else { return };
    let is_default = |of: &str, name: &str, value: &Value| match of {
        "requests" => match requested_by_containers(pod, name) {
            Some(sum) => amount(value).is_some_and(|value| value.is_equal(sum)),
            None => resources["limits"].get(name) == Some(value),
        },
        _ => name.starts_with("hugepages-") && resources["requests"].get(name) == Some(value),
    };
    let mut left = resources.clone();
    for of in ["limits", "requests"] {
        let Some(Value::Object(values)) = left.get_mut(of) else { continue };
        values.retain(|name, value| !declared[of][name].is_null() || !is_default(of, name, value));
        if values.is_empty()
            && declared[of].is_null()
            && let Value::Object(left) = &mut left
        {
            left.remove(of);
        }
    }
    pod.insert("resources".to_owned(), left);
}

/// What the containers of a Pod request together: those that run side by side, or one that runs before them if that
/// is more. `None` where none requests any.
fn requested_by_containers(pod: &Map<String, Value>, name: &str) -> Option<Quantity> {
    let request = |container: &Value| amount(container["resources"]["requests"].get(name)?);
    let list = |name: &str| pod.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let add = |sum: Option<Quantity>, more: Option<Quantity>| match (sum, more) {
        (Some(sum), Some(more)) => sum.checked_add(more),
        (sum, more) => sum.or(more),
    };
    let (mut sidecars, mut before) = (None, None);
    for container in list("initContainers") {
        if container["restartPolicy"] == "Always" {
            sidecars = add(sidecars, request(container));
            before = before.max(sidecars);
        } else {
            before = before.max(add(sidecars, request(container)));
        }
    }
    let beside = list("containers").iter().fold(sidecars, |sum, container| add(sum, request(container)));
    beside.max(before)
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        _ => None,
    }
}

fn names(containers: &Value) -> impl Iterator<Item = String> {
    let names = containers.as_array().into_iter().flatten();
    names.map(|container| container["name"].as_str().unwrap_or_default().to_owned())
}

/// Removes what is at a JSON pointer to a field.
fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(fields)) = object.pointer_mut(parent) {
        fields.remove(&name.replace("~1", "/"));
    }
}
