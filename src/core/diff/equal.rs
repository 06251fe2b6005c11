//! When two values are the same to Kubernetes.

use serde_json::{Map, Value};

use super::items::{Items, Keys};
use super::opaque::is_hidden;
use super::quantity::Quantity;
use super::schema::{Scalar, SchemaRef};

/// Whether `a` and `b` are the same value: scalars by value, `null` as absent,
/// keyed lists and sets in any order.
pub(super) fn same(a: &Value, b: &Value, place: SchemaRef<'_>) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let inside = |one: &Map<_, _>, other: &Map<_, _>| {
                one.iter().all(|(name, value)| match other.get(name) {
                    Some(there) => same(value, there, place.field(name)),
                    None => value.is_null(),
                })
            };
            inside(a, b) && b.iter().all(|(name, value)| value.is_null() || a.contains_key(name))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && same_items(a, b, place),
        _ => same_scalar(a, b, place.scalar()),
    }
}

/// Looks into each item once only: a second look at every level of nested
/// lists would double the work level by level.
fn same_items(a: &[Value], b: &[Value], place: SchemaRef<'_>) -> bool {
    let in_order = || a.iter().zip(b).all(|(a, b)| same(a, b, place.items()));
    match Keys::of(place, &[a, b]) {
        None => in_order(),
        Some(keys) => {
            let (one, other) = (Items::of(a, &keys), Items::of(b, &keys));
            one.iter().all(|(id, item)| match (other.get(id), &keys) {
                (Some(there), Keys::Fields(_)) => same(item, there, place.items()),
                // Members of a set are scalars, told apart by all that they are.
                (there, Keys::Whole) => there.is_some(),
                (None, Keys::Fields(_)) => false,
            })
        }
    }
}

/// Whether `sent` has all that `declared` says, at this place: what Git leaves
/// out is the server's.
pub(super) fn covers(declared: &Value, sent: &Value, place: SchemaRef<'_>) -> bool {
    match (declared, sent) {
        (Value::Null, _) => true,
        // What Git leaves open is covered by any value; the walk tells it apart.
        (Value::String(text), _) if text.is_empty() => true,
        (Value::Array(items), Value::Array(_)) if items.is_empty() => true,
        // What Git does not tell cannot be missed.
        _ if is_hidden(declared) => true,
        (Value::Object(declared), Value::Object(sent)) => declared.iter().all(|(name, value)| match sent.get(name) {
            Some(there) => covers(value, there, place.field(name)),
            None => is_nothing(value),
        }),
        (Value::Array(declared), Value::Array(sent)) => match Keys::of(place, &[declared, sent]) {
            Some(keys) if keys.hidden_in(declared) => true,
            Some(keys) => {
                let sent = Items::of(sent, &keys);
                let covered = |id, item| sent.get(id).is_some_and(|there| covers(item, there, place.items()));
                Items::of(declared, &keys).iter().all(|(id, item)| covered(id, item))
            }
            None => {
                declared.len() == sent.len()
                    && declared.iter().zip(sent).all(|(declared, sent)| covers(declared, sent, place.items()))
            }
        },
        _ => same_scalar(declared, sent, place.scalar()),
    }
}

/// Whether a value says nothing that the server would keep: `null`, `false`,
/// `0`, `""`, `[]`, `{}`, or a map of such values.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

fn same_scalar(a: &Value, b: &Value, scalar: Scalar) -> bool {
    if a == b {
        return true;
    }
    match (a, b, scalar) {
        (Value::Number(a), Value::Number(b), _) => same_number(a, b),
        (_, _, Scalar::Quantity) => match (amount(a), amount(b)) {
            (Some(a), Some(b)) => a.same(b),
            _ => false,
        },
        (Value::String(a), Value::String(b), Scalar::Base64) => {
            let packed = |text: &str| text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
            packed(a) == packed(b)
        }
        (Value::String(a), Value::String(b), Scalar::Duration) => match (nanoseconds(a), nanoseconds(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        _ => false,
    }
}

fn same_number(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    // Whole numbers beyond 2^53 are not the same because their nearest float is.
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

fn amount(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text),
        Value::Number(number) => Quantity::parse(&number.to_string()),
        _ => None,
    }
}

/// A Go duration (`1h30m`, `1.5s`) in nanoseconds.
fn nanoseconds(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    match rest {
        "" => return None,
        "0" => return Some(0),
        _ => {}
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |end| digits + end);
        let scale = match &rest[digits..unit] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(Quantity::parse(&rest[..digits])?.nanos().checked_mul(scale)? / 1_000_000_000)?;
        rest = &rest[unit..];
    }
    Some(sign * total)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{builtin, unknown};
    use super::*;
    use crate::diff::is_opaque;

    #[test]
    fn what_git_leaves_open_is_covered_and_what_it_says_is_not() {
        for (declared, sent, covered) in [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), true),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), false),
            (json!({"a": 1, "b": 0, "c": {}, "d": null}), json!({"a": 1}), true),
            (json!({"a": ""}), json!({"a": "b"}), true),
            (json!({"a": []}), json!({"a": ["b"]}), true),
            (json!({"a": []}), json!({"a": "b"}), false),
            (json!({"a": "-x=${A}"}), json!({"a": "b"}), true),
            (json!(["a", "b"]), json!(["a"]), false),
            (json!(["a", "b"]), json!(["b", "a"]), false),
            (json!([{"name": "a"}]), json!([{"name": "b"}, {"name": "a", "c": 1}]), true),
            (json!([{"name": "a"}, {"name": "b"}]), json!([{"name": "a"}]), false),
        ] {
            assert_eq!(covers(&declared, &sent, unknown()), covered, "{declared} by {sent}");
        }
    }

    #[test]
    fn equality_is_by_value_and_by_place() {
        let limits = builtin("", "v1", "Pod").unwrap().field("spec").field("containers").items();
        let cpu = limits.field("resources").field("limits").field("cpu");
        for (a, b, place, expected) in [
            (json!(1), json!(1.0), unknown(), true),
            (json!(u64::MAX), json!(u64::MAX - 1), unknown(), false),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), unknown(), false),
            (json!({"a": null}), json!({}), unknown(), true),
            (json!({"a": 1}), json!({}), unknown(), false),
            (json!([]), json!({}), unknown(), false),
            (json!(0.5), json!("500m"), cpu, true),
            (json!(0.5), json!("500m"), unknown(), false),
            (json!("a"), json!("b"), cpu, false),
        ] {
            assert_eq!(same(&a, &b, place), expected, "{a} and {b}");
            assert_eq!(same(&b, &a, place), expected, "{b} and {a}");
        }
    }

    #[test]
    fn nothing_is_what_the_server_would_not_keep() {
        for nothing in [json!(null), json!(false), json!(0), json!(-0.0), json!(""), json!([]), json!({"a": {"b": 0}})]
        {
            assert!(is_nothing(&nothing), "{nothing}");
        }
        for something in [json!(true), json!(0.1), json!(" "), json!([0]), json!({"a": {"b": 1}})] {
            assert!(!is_nothing(&something), "{something}");
        }
    }

    #[test]
    fn a_go_duration_is_read_or_refused() {
        const HOUR: i128 = 3_600_000_000_000;
        for (text, expected) in [
            ("1h", Some(HOUR)),
            ("+1h", Some(HOUR)),
            ("-1h0m", Some(-HOUR)),
            ("0.5h30m", Some(HOUR)),
            ("0", Some(0)),
            ("1µs", Some(1_000)),
            ("", None),
            ("-", None),
            ("+", None),
            ("1", None),
            ("h", None),
            ("1d", None),
            ("1h ", None),
            ("--1h", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn an_opaque_value_is_told_by_its_form() {
        for (text, opaque) in [
            ("ENC[AES256_GCM,data:a]", true),
            ("${A}", true),
            ("a-${A:=b}-c", true),
            ("<path:a#b>", true),
            ("$A", false),
            ("}${", false),
            ("a ENC[b]", false),
            ("<a>", false),
        ] {
            assert_eq!(is_opaque(text), opaque, "{text}");
        }
    }
}
