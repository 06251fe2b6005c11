//! Equality as Kubernetes means it: when two values are the same.

use std::collections::HashSet;
use std::ptr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::items::{ItemIndex, ItemKeys, order_counts};
use super::opaque::{fits_opaque, is_opaque};
use super::quantity::Quantity;
use super::schema::{DefaultValue, ScalarKind, SchemaRef};
use super::server_defaults::is_left_to_server;
use super::zero_values::{is_stored_when_zero, is_value_when_empty};
use crate::go_duration;

/// Whether `a` and `b` are the same value: scalars by value, `null` as absent,
/// keyed lists and sets in any order.
pub(super) fn values_equal(a: &Value, b: &Value, schema: SchemaRef<'_>) -> bool {
    equal(a, b, schema, &mut |_, _| false, &mut |_, _| ())
}

/// Pairs of objects and lists that are known to differ. A walk asks at every level
/// whether something differs below it: without these it would walk what is deep
/// again and again.
#[derive(Debug, Default)]
pub(super) struct KnownUnequal(HashSet<(usize, usize)>);

impl KnownUnequal {
    /// The same as [`values_equal`], of values that live as long as the walk.
    pub(super) fn values_equal(&mut self, a: &Value, b: &Value, schema: SchemaRef<'_>) -> bool {
        let address = |a: &Value, b: &Value| (ptr::from_ref(a).addr(), ptr::from_ref(b).addr());
        if self.0.contains(&address(a, b)) {
            return false;
        }
        let mut found = Vec::new();
        let is_equal = equal(a, b, schema, &mut |a, b| self.0.contains(&address(a, b)), &mut |a, b| {
            found.push(address(a, b));
        });
        self.0.extend(found);
        is_equal
    }
}

/// `is_unequal` says of two objects or lists whether they are known to differ, and
/// `note` is told of those that do.
fn equal(
    a: &Value,
    b: &Value,
    schema: SchemaRef<'_>,
    is_unequal: &mut dyn FnMut(&Value, &Value) -> bool,
    note: &mut dyn FnMut(&Value, &Value),
) -> bool {
    let is_equal = match (a, b) {
        (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) if is_unequal(a, b) => return false,
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(name, value)| match b.get(name) {
                Some(other) => equal(value, other, schema.field(name), is_unequal, note),
                None => value.is_null(),
            }) && b.iter().all(|(name, value)| value.is_null() || a.contains_key(name))
        }
        (Value::Array(a), Value::Array(b)) => {
            // Items are told apart by texts: that is not needed where the lists are alike.
            a.len() == b.len() && (are_alike(a, b, &mut { MAX_ALIKE }) || items_equal(a, b, schema, is_unequal, note))
        }
        _ => return scalars_equal(a, b, schema.scalar()),
    };
    if !is_equal {
        note(a, b);
    }
    is_equal
}

/// Values that are compared as they are before items are told apart. Lists in lists are looked at again at
/// each level, so there has to be a bound.
const MAX_ALIKE: usize = 256;

/// Whether all items are the same in the same order, as far as `left` more values tell.
fn are_alike(a: &[Value], b: &[Value], left: &mut usize) -> bool {
    a.iter().zip(b).all(|(a, b)| is_alike(a, b, left))
}

fn is_alike(a: &Value, b: &Value, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((a_name, a), (b_name, b))| a_name == b_name && is_alike(a, b, left))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && are_alike(a, b, left),
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => false,
        _ => a == b,
    }
}

/// Looks into each item only once: a second look at every level of nested
/// lists would double the work level by level.
fn items_equal(
    a: &[Value],
    b: &[Value],
    schema: SchemaRef<'_>,
    is_unequal: &mut dyn FnMut(&Value, &Value) -> bool,
    note: &mut dyn FnMut(&Value, &Value),
) -> bool {
    let keys = ItemKeys::of(schema, &[a, b]).filter(|keys| match keys {
        ItemKeys::Fields(_) => !order_counts(schema, a) && !order_counts(schema, b),
        ItemKeys::WholeItem => true,
    });
    let Some(keys) = keys else {
        return a.iter().zip(b).all(|(a, b)| equal(a, b, schema.items(), is_unequal, note));
    };
    let (a, b) = (ItemIndex::of(a, &keys), ItemIndex::of(b, &keys));
    a.iter().all(|(id, item)| match (b.get(id), &keys) {
        (Some(other), ItemKeys::Fields(_)) => equal(item, other, schema.items(), is_unequal, note),
        // Members of a set are scalars: the same identity is the same value.
        (Some(_), ItemKeys::WholeItem) => true,
        (None, _) => false,
    })
}

/// Whether `new` has all that `declared` says. What Git leaves out belongs to
/// the server.
pub(super) fn matches_declared(declared: &Value, new: &Value, schema: SchemaRef<'_>) -> bool {
    match (declared, new) {
        (Value::Null, _) => true,
        // What Git leaves empty is matched by any value; the walk reports it as filled.
        (Value::String(text), _) if text.is_empty() => true,
        (Value::Array(items), Value::Array(_)) if items.is_empty() => true,
        (Value::String(text), _) if is_opaque(text) => fits_opaque(text, new, schema),
        (Value::Object(declared), Value::Object(new)) => declared.iter().all(|(name, value)| match new.get(name) {
            Some(new_value) if is_value_when_empty(name, value) => {
                let default = schema.default_of(name).filter(|default| is_left_to_server(name, value, Some(default)));
                is_zero_value(new_value)
                    || default.is_some_and(|default| *default == DefaultValue::Value(new_value.clone()))
            }
            Some(new_value) => matches_declared(value, new_value, schema.field(name)),
            None => is_zero_value(value) && !is_stored_when_zero(name, value, schema),
        }),
        (Value::Array(declared), Value::Array(new)) => match ItemKeys::of(schema, &[declared, new]) {
            Some(keys) if keys.are_opaque_in(declared) => true,
            Some(keys) => {
                let has_order = matches!(keys, ItemKeys::Fields(_)) && order_counts(schema, declared);
                let [declared, new] = [declared, new].map(|list| ItemIndex::of(list, &keys));
                let is_matched =
                    |id, item| new.get(id).is_some_and(|new_item| matches_declared(item, new_item, schema.items()));
                declared.iter().all(|(id, item)| is_matched(id, item)) && (!has_order || new.is_in_order_of(&declared))
            }
            None => {
                declared.len() == new.len()
                    && declared.iter().zip(new).all(|(declared, new)| item_matches(declared, new, schema.items()))
            }
        },
        _ => scalars_equal(declared, new, schema.scalar()),
    }
}

/// Whether an item of a list has all that Git says of it. An empty text is a member like any
/// other, as in RBAC's `apiGroups: [""]`.
fn item_matches(declared: &Value, new: &Value, schema: SchemaRef<'_>) -> bool {
    match declared {
        Value::String(text) if text.is_empty() => declared == new,
        _ => matches_declared(declared, new, schema),
    }
}

/// Whether a value is one that Go's `omitempty` drops, so that the server does
/// not store it: `null`, `false`, `0`, `""`, `[]`, `{}`, or a map of such values.
pub(crate) fn is_zero_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_zero_value),
    }
}

fn scalars_equal(a: &Value, b: &Value, scalar: ScalarKind) -> bool {
    if a == b {
        return true;
    }
    match (a, b, scalar) {
        (Value::Number(a), Value::Number(b), _) => numbers_equal(a, b),
        (_, _, ScalarKind::Quantity) => match (quantity(a), quantity(b)) {
            (Some(a), Some(b)) => a.is_equal(b),
            _ => false,
        },
        (Value::String(a), Value::String(b), ScalarKind::Base64) => match (bytes(a), bytes(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        (Value::String(a), Value::String(b), ScalarKind::Duration) => {
            match (go_duration::nanoseconds(a), go_duration::nanoseconds(b)) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            }
        }
        _ => false,
    }
}

/// The bytes of a text in base64, read as the API server reads it (Go's `encoding/base64`):
/// line breaks do not count, nor do the bits after the last byte.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let engine = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let digits: Vec<_> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    engine.decode(digits).ok()
}

fn numbers_equal(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    // Whole numbers beyond 2^53 are not the same because their nearest float is.
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{OPAQUE, builtin_schema, unknown_schema};
    use super::*;

    #[test]
    fn a_value_matches_git_where_it_has_all_that_git_says() {
        for (declared, new, expected) in [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), false),
            (json!({"a": 1, "b": 0, "c": {}, "d": null}), json!({"a": 1}), true),
            (json!({"a": ""}), json!({"a": "b"}), true),
            (json!({"a": []}), json!({"a": ["b"]}), true),
            (json!({"a": []}), json!({"a": "b"}), false),
            (json!({"a": format!("-x={OPAQUE}")}), json!({"a": "-x=b"}), true),
            (json!({"a": format!("-x={OPAQUE}")}), json!({"a": "b"}), false),
            (json!(["a", "b"]), json!(["a"]), false),
            (json!(["a", "b"]), json!(["b", "a"]), false),
            (json!([{"name": "a"}]), json!([{"name": "b"}, {"name": "a", "c": 1}]), true),
            (json!([{"name": "a"}, {"name": "b"}]), json!([{"name": "a"}]), false),
        ] {
            assert_eq!(matches_declared(&declared, &new, unknown_schema()), expected, "{declared} by {new}");
        }
    }

    #[test]
    fn values_are_compared_by_the_schema_of_their_field() {
        let limits = builtin_schema("", "v1", "Pod").unwrap().field("spec").field("containers").items();
        let cpu = limits.field("resources").field("limits").field("cpu");
        for (a, b, schema, expected) in [
            (json!(1), json!(1.0), unknown_schema(), true),
            (json!(u64::MAX), json!(u64::MAX - 1), unknown_schema(), false),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), unknown_schema(), false),
            (json!({"a": null}), json!({}), unknown_schema(), true),
            (json!({"a": 1}), json!({}), unknown_schema(), false),
            (json!([]), json!({}), unknown_schema(), false),
            (json!(0.5), json!("500m"), cpu, true),
            (json!(0.5), json!("500m"), unknown_schema(), false),
            (json!("a"), json!("b"), cpu, false),
        ] {
            assert_eq!(values_equal(&a, &b, schema), expected, "{a} and {b}");
            assert_eq!(values_equal(&b, &a, schema), expected, "{b} and {a}");
        }
    }

    #[test]
    fn zero_values_are_those_that_the_server_does_not_store() {
        for zero in [json!(null), json!(false), json!(0), json!(-0.0), json!(""), json!([]), json!({"a": {"b": 0}})] {
            assert!(is_zero_value(&zero), "{zero}");
        }
        for value in [json!(true), json!(0.1), json!(" "), json!([0]), json!({"a": {"b": 1}})] {
            assert!(!is_zero_value(&value), "{value}");
        }
    }
}
