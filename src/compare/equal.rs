//! When two values are the same to Kubernetes.

use serde_json::{Map, Value};

use super::items::{Items, Keys};
use super::opaque::is_hidden;
use super::quantity::Quantity;
use super::schema::{Place, Scalar};

/// Whether `a` and `b` are the same value: scalars by value, `null` as absent,
/// keyed lists and sets in any order.
pub(super) fn same(a: &Value, b: &Value, place: Place<'_>) -> bool {
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

fn same_items(a: &[Value], b: &[Value], place: Place<'_>) -> bool {
    let in_order = a.iter().zip(b).all(|(a, b)| same(a, b, place.items()));
    in_order
        || Keys::of(place, &[a, b]).is_some_and(|keys| {
            let (a, b) = (Items::of(a, &keys), Items::of(b, &keys));
            a.iter().all(|(id, item)| b.get(id).is_some_and(|there| same(item, there, place.items())))
        })
}

/// Whether `sent` has all that `declared` says, at this place: what Git leaves
/// out is the server's.
pub(super) fn covers(declared: &Value, sent: &Value, place: Place<'_>) -> bool {
    match (declared, sent) {
        (Value::Null, _) => true,
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
    match (a.as_i64(), b.as_i64()) {
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
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest == "0" {
        return Some(0);
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
    (!text.is_empty()).then_some(sign * total)
}
