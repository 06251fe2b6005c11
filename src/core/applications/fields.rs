//! Fields of a tool's objects, read one by one: an unknown field is no error, and one of another shape than the
//! tool gives it is as if it were not there.

use serde_json::Value;

use crate::text;

/// Characters of a text of a tool that are kept.
const MAX_TEXT: usize = 512;

/// The text at a JSON pointer; empty where there is none. Shortened: texts are for people, and for comparing names.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text::truncate(text, MAX_TEXT),
        None => String::new(),
    }
}

/// The text at a JSON pointer as it is, to compare it with names of objects: some kinds allow any characters in them.
pub(super) fn name(object: &Value, pointer: &str) -> Box<str> {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().into()
}

/// The text at a JSON pointer for people; `None` where it is empty.
pub(super) fn optional_text(object: &Value, pointer: &str) -> Option<String> {
    Some(text(object, pointer)).filter(|text| !text.is_empty())
}

/// The items of the list at a JSON pointer; none where there is no list.
pub(super) fn items<'v>(object: &'v Value, pointer: &str) -> &'v [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts in the list at a JSON pointer.
pub(super) fn texts(object: &Value, pointer: &str) -> Vec<String> {
    items(object, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether there is `true` at a JSON pointer.
pub(super) fn is_true(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer) == Some(&Value::Bool(true))
}

/// Name and namespace of an object.
pub(super) fn identity(object: &Value) -> Option<(String, String)> {
    Some((optional_text(object, "/metadata/namespace")?, optional_text(object, "/metadata/name")?))
}
