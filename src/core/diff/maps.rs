//! What the walk asks about maps and lists as they are, whatever their schema.

use serde_json::{Map, Value};

/// The names in these maps, each once, in their order.
pub(super) fn names_of(maps: [Option<&Map<String, Value>>; 3]) -> Vec<&str> {
    let mut names: Vec<_> = maps.into_iter().flatten().flat_map(Map::keys).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether the write only removes entries of a list or map of plain values.
pub(super) fn only_removes(old: Option<&Value>, new: &Value) -> bool {
    match (old, new) {
        (Some(Value::Object(old)), Value::Object(new)) => new.iter().all(|(name, value)| old.get(name) == Some(value)),
        (Some(Value::Array(old)), Value::Array(new)) => {
            let mut old = old.iter();
            new.iter().all(|item| old.any(|old_item| old_item == item))
        }
        _ => false,
    }
}

/// Whether a map holds plain values only.
pub(super) fn is_flat(fields: &Map<String, Value>) -> bool {
    fields.values().all(|value| !value.is_object() && !value.is_array())
}
