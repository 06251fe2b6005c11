//! What the fake API server makes of a patch.

use serde_json::Value;

/// A server-side apply: what was not sent stays, and so do list items of other names.
pub(super) fn apply(into: &mut Value, sent: Value) {
    match (into, sent) {
        (Value::Object(into), Value::Object(sent)) => {
            for (key, value) in sent {
                apply(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(sent)) => {
            let is_other =
                |item: &Value| !item["name"].is_null() && sent.iter().all(|sent| sent["name"] != item["name"]);
            let others: Vec<_> = into.drain(..).filter(is_other).collect();
            *into = sent;
            into.extend(others);
        }
        (into, sent) => *into = sent,
    }
}

/// A JSON merge patch, as far as it is used here: nothing is removed.
pub(super) fn merge(into: &mut Value, sent: Value) {
    match (into, sent) {
        (Value::Object(into), Value::Object(sent)) => {
            for (key, value) in sent {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, sent) => *into = sent,
    }
}

/// A JSON patch; `None` where one of its tests fails.
pub(super) fn json_patch(mut object: Value, operations: &Value) -> Option<Value> {
    for operation in operations.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        if operation["op"] == "test" {
            if object.pointer(path) != Some(&operation["value"]) {
                return None;
            }
            continue;
        }
        let (parent, key) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[key] = operation["value"].clone();
    }
    Some(object)
}
