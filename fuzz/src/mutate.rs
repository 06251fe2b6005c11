//! Changes to JSON values that are guided by the fuzzer: plain bytes would almost never be JSON again.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Number, Value};

/// Names and texts that mean something to Kubernetes or to driftwall.
const WORDS: [&str; 72] = [
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "deletionTimestamp",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "manager",
    "operation",
    "Update",
    "Apply",
    "fieldsType",
    "FieldsV1",
    "fieldsV1",
    "subresource",
    "f:spec",
    "f:metadata",
    "f:replicas",
    ".",
    "k:{\"name\":\"web\"}",
    "v:\"a\"",
    "i:0",
    "spec",
    "status",
    "replicas",
    "template",
    "containers",
    "initContainers",
    "env",
    "value",
    "valueFrom",
    "image",
    "command",
    "ports",
    "port",
    "protocol",
    "TCP",
    "resources",
    "limits",
    "cpu",
    "500m",
    "0.5",
    "memory",
    "1Gi",
    "selector",
    "matchLabels",
    "data",
    "stringData",
    "binaryData",
    "type",
    "paused",
    "suspend",
    "rules",
    "apiGroups",
    "*",
    "controller",
    "kind",
    "apiVersion",
    "kubectl.kubernetes.io/restartedAt",
    "kubectl.kubernetes.io/last-applied-configuration",
    "driftwall.io/ignore",
    "argocd.argoproj.io/sync-options",
    "${VAR}",
    "<path:secret/data/a#b>",
    "ENC[AES256_GCM,data:x]",
    "conditions",
];

/// What no value of `serde_json` can hold, as it is to stand in the text instead of [`raw_marker`].
const RAW: [&str; 12] = [
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "1e999",
    "-0",
    "0.1e-400",
    "123456789012345678901234567890",
    "-",
    "{\"a\":1,\"a\":2}",
    "\"\\u0000\"",
    "01",
    "[1,]",
    "\"\t\"",
];

/// Levels of what is nested deep, in place of a marker.
const DEPTHS: [usize; 4] = [60, 200, 9_000, 11_000];

/// Changes a value in some places.
pub fn mutate(input: &mut Unstructured<'_>, value: &mut Value) -> Result<()> {
    for _ in 0..input.int_in_range(1..=6)? {
        change(input, value)?;
    }
    Ok(())
}

/// The fields of a request in the order in which an API server writes them: who and what stand before the objects.
const REQUEST_ORDER: [&str; 15] = [
    "uid",
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
    "options",
];

/// Writes a review as an API server does, with what stands for the markers in it.
pub fn to_json(review: &Value) -> Vec<u8> {
    let mut text = match review {
        Value::Object(review) if review.get("request").is_some_and(Value::is_object) => {
            let mut order: Vec<_> = review.keys().map(String::as_str).collect();
            order.sort_by_key(|name| *name == "request");
            object_in_order(review, &order, |name, value| match value {
                Value::Object(request) if name == "request" => {
                    let mut order: Vec<_> = request.keys().map(String::as_str).collect();
                    order.sort_by_key(|name| REQUEST_ORDER.iter().position(|known| known == name));
                    object_in_order(request, &order, |_, value| value.to_string())
                }
                value => value.to_string(),
            })
        }
        other => other.to_string(),
    };
    for index in 0..RAW.len() + DEPTHS.len() {
        let marker = format!("\"{}\"", raw_marker(index));
        if text.contains(&marker) {
            text = text.replace(&marker, &raw(index));
        }
    }
    text.into_bytes()
}

fn object_in_order(map: &Map<String, Value>, order: &[&str], write: impl Fn(&str, &Value) -> String) -> String {
    let entry = |name: &&str| format!("{}:{}", Value::from(*name), write(name, &map[*name]));
    format!("{{{}}}", order.iter().map(entry).collect::<Vec<_>>().join(","))
}

/// Any small value.
pub fn any_value(input: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    Ok(match input.int_in_range(0..=if depth == 0 { 6 } else { 9 })? {
        0 => Value::Null,
        1 => input.arbitrary::<bool>()?.into(),
        2 => input.arbitrary::<i64>()?.into(),
        3 => Number::from_f64(input.arbitrary()?).map_or(Value::Null, Value::Number),
        4 => word(input)?.into(),
        5 => input.arbitrary::<String>()?.into(),
        6 => raw_marker(input.choose_index(RAW.len() + DEPTHS.len())?).into(),
        7 => {
            let mut map = Map::new();
            for _ in 0..input.int_in_range(0..=3)? {
                map.insert(word(input)?, any_value(input, depth - 1)?);
            }
            map.into()
        }
        _ => {
            let mut items = Vec::new();
            for _ in 0..input.int_in_range(0..=3)? {
                items.push(any_value(input, depth - 1)?);
            }
            items.into()
        }
    })
}

/// Goes down to some place, and changes something there.
fn change(input: &mut Unstructured<'_>, value: &mut Value) -> Result<()> {
    let goes_down = input.ratio(7, 8)?;
    match value {
        Value::Object(map) if goes_down && !map.is_empty() => {
            let index = input.choose_index(map.len())?;
            if let Some(child) = map.values_mut().nth(index) {
                return change(input, child);
            }
        }
        Value::Array(items) if goes_down && !items.is_empty() => {
            let index = input.choose_index(items.len())?;
            return change(input, &mut items[index]);
        }
        _ => {}
    }
    match (input.int_in_range(0..=7)?, &mut *value) {
        (0 | 1, Value::Object(map)) => {
            map.insert(word(input)?, any_value(input, 3)?);
        }
        (2 | 3, Value::Object(map)) if !map.is_empty() => {
            let index = input.choose_index(map.len())?;
            if let Some(name) = map.keys().nth(index).cloned() {
                map.remove(&name);
            }
        }
        (0 | 1, Value::Array(items)) => items.push(any_value(input, 3)?),
        (2, Value::Array(items)) if !items.is_empty() => {
            items.remove(input.choose_index(items.len())?);
        }
        (3, Value::Array(items)) if !items.is_empty() => {
            let copy = items[input.choose_index(items.len())?].clone();
            items.push(copy);
        }
        (4, Value::Array(items)) if !items.is_empty() => {
            let (a, b) = (input.choose_index(items.len())?, input.choose_index(items.len())?);
            items.swap(a, b);
        }
        (5, other) => *other = Value::Array(vec![other.take()]),
        (6, other) => {
            let inner = other.take();
            *other = Map::from_iter([(word(input)?, inner)]).into();
        }
        (_, other) => *other = any_value(input, 3)?,
    }
    Ok(())
}

fn word(input: &mut Unstructured<'_>) -> Result<String> {
    if input.ratio(7, 8)? { Ok((*input.choose(&WORDS)?).to_owned()) } else { input.arbitrary() }
}

fn raw_marker(index: usize) -> String {
    format!("@raw {index}@")
}

fn raw(index: usize) -> String {
    match RAW.get(index) {
        Some(text) => (*text).to_owned(),
        None => {
            let depth = DEPTHS[index - RAW.len()];
            if index % 2 == 0 {
                "[".repeat(depth) + &"]".repeat(depth)
            } else {
                "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth)
            }
        }
    }
}
