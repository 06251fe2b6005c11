//! Scalar resolution as in Kubernetes: which value a scalar stands for. The rules
//! are those of goyaml v2 (YAML 1.1 with Go's numbers), measured with kubectl.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Number, Value};

use super::error::Reason;
use super::tree::{Scalar, Tag};

/// What a scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Resolved {
    Bool(bool),
    Float(f64),
    Int(i64),
    Null,
    Text,
    /// Above the range of `Int`. Kubernetes turns it into a float; as a key it
    /// is refused.
    Uint(u64),
}

/// Resolves a scalar by its style and tag; returns its text too, for [`Resolved::Text`].
pub(super) fn resolve<'t>(scalar: &'t Scalar<'_>) -> Result<(Resolved, Cow<'t, str>), Reason> {
    let Scalar { text, plain, tag } = scalar;
    let text = Cow::Borrowed(text.as_ref());
    // With a tag even a quoted text is resolved as if it were plain.
    let resolved = match tag {
        Tag::Absent if *plain => resolve_plain(&text),
        Tag::Absent | Tag::Merge | Tag::Text => Resolved::Text,
        Tag::Binary => return Ok((Resolved::Text, Cow::Owned(decode_binary(&text)?))),
        Tag::Bool => match resolve_plain(&text) {
            resolved @ Resolved::Bool(_) => resolved,
            _ => return Err(Reason::InvalidTag("bool")),
        },
        Tag::Float => match resolve_plain(&text) {
            resolved @ Resolved::Float(_) => resolved,
            #[expect(clippy::cast_precision_loss, reason = "what the tag asks for")]
            Resolved::Int(value) => Resolved::Float(value as f64),
            _ => return Err(Reason::InvalidTag("float")),
        },
        Tag::Int => match resolve_plain(&text) {
            resolved @ (Resolved::Int(_) | Resolved::Uint(_)) => resolved,
            _ => return Err(Reason::InvalidTag("int")),
        },
        Tag::Null => match resolve_plain(&text) {
            Resolved::Null => Resolved::Null,
            _ => return Err(Reason::InvalidTag("null")),
        },
    };
    Ok((resolved, text))
}

/// The value of a resolved scalar.
pub(super) fn value(resolved: Resolved, text: Cow<'_, str>) -> Result<Value, Reason> {
    Ok(match resolved {
        Resolved::Bool(value) => Value::Bool(value),
        Resolved::Float(value) => float(value).ok_or(Reason::NotFinite)?,
        Resolved::Int(value) => value.into(),
        Resolved::Null => Value::Null,
        Resolved::Text => Value::String(text.into_owned()),
        #[expect(clippy::cast_precision_loss, reason = "what Kubernetes does")]
        Resolved::Uint(value) => float(value as f64).ok_or(Reason::NotFinite)?,
    })
}

/// The string that a resolved scalar becomes as a key.
pub(super) fn key(resolved: Resolved, text: Cow<'_, str>) -> Result<Cow<'_, str>, Reason> {
    Ok(match resolved {
        Resolved::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        Resolved::Float(value) => Cow::Owned(float_key(value)),
        Resolved::Int(value) => Cow::Owned(value.to_string()),
        Resolved::Text => text,
        Resolved::Null | Resolved::Uint(_) => return Err(Reason::InvalidKey),
    })
}

/// Resolves a plain scalar.
fn resolve_plain(text: &str) -> Resolved {
    let Some(first) = text.bytes().next() else {
        return Resolved::Null;
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => boolean_or_null(text),
        b'.' => dotted(text),
        b'+' | b'-' => match &text[1..] {
            ".inf" | ".Inf" | ".INF" if first == b'+' => Resolved::Float(f64::INFINITY),
            ".inf" | ".Inf" | ".INF" => Resolved::Float(f64::NEG_INFINITY),
            _ => number(text),
        },
        b'0'..=b'9' => number(text),
        _ => Resolved::Text,
    }
}

/// A float as Kubernetes stores it; `None` for infinity and not-a-number.
///
/// Go writes a float without fraction as an integer, in its shortest digits
/// and with zeros behind them, and the API server reads an integer back where
/// 64 bits hold it.
fn float(value: f64) -> Option<Value> {
    /// Below this every whole float is exactly an integer (2^53).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    /// From here on Go writes an exponent; `i64` ends before.
    const EXPONENT: f64 = 1e21;

    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "an integer of at most 53 bits")]
        let integer = value as i64;
        return Some(integer.into());
    }
    if value.fract() == 0.0
        && value.abs() < EXPONENT
        && let Ok(integer) = value.to_string().parse::<i64>()
    {
        return Some(integer.into());
    }
    Number::from_f64(value).map(Value::Number)
}

/// Go's `strconv.FormatFloat(value, 'g', -1, 32)`, which sigs.k8s.io/yaml uses
/// for keys: the digits of a 32-bit float, with an exponent from a million on.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "what Kubernetes does")]
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the format has an exponent");
    match exponent.parse::<i32>() {
        Ok(exponent) if (-4..6).contains(&exponent) => value.to_string(),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Err(_) => scientific,
    }
}

/// Booleans and null, in their three spellings and no other.
fn boolean_or_null(text: &str) -> Resolved {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Resolved::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Resolved::Bool(false),
        "~" | "null" | "Null" | "NULL" => Resolved::Null,
        _ => Resolved::Text,
    }
}

/// A scalar that begins with a dot: infinity, not-a-number or a float.
fn dotted(text: &str) -> Resolved {
    match text {
        ".inf" | ".Inf" | ".INF" => return Resolved::Float(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        _ => {}
    }
    // Only here underscores must be between digits: not a rule of YAML, but how Go
    // parses a float.
    let bytes = text.as_bytes();
    let digit = |at: Option<&u8>| at.is_some_and(u8::is_ascii_digit);
    let misplaced = bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'_' && !(digit(bytes.get(at.wrapping_sub(1))) && digit(bytes.get(at + 1))));
    if misplaced {
        return Resolved::Text;
    }
    decimal(&without_underscores(text))
}

/// A scalar that begins with a digit or a sign.
fn number(text: &str) -> Resolved {
    let text = without_underscores(text);
    integer(&text).unwrap_or_else(|| decimal(&text))
}

fn without_underscores(text: &str) -> Cow<'_, str> {
    if text.contains('_') { Cow::Owned(text.replace('_', "")) } else { Cow::Borrowed(text) }
}

/// An integer with Go's prefixes: `0x`, `0o`, `0b`, and `0` for octal.
fn integer(text: &str) -> Option<Resolved> {
    let (signed, negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, true, &text[1..]),
        [b'+', ..] => (true, false, &text[1..]),
        _ => (false, false, text),
    };
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&digits[2..], 16),
        [b'0', b'o' | b'O', _, ..] => (&digits[2..], 8),
        [b'0', b'b' | b'B', _, ..] => (&digits[2..], 2),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    // `from_str_radix` would accept one more sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Resolved::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Resolved::Int(value)),
        // With a sign it is not an unsigned number, but may be a float.
        Err(_) if signed => None,
        Err(_) => Some(Resolved::Uint(magnitude)),
    }
}

/// A decimal number; one too large for a float is a text.
fn decimal(text: &str) -> Resolved {
    // Rust's parser also accepts "inf", "nan" and "infinity".
    let number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    match text.parse::<f64>() {
        Ok(value) if number && value.is_finite() => Resolved::Float(value),
        _ => Resolved::Text,
    }
}

/// Base64 as Go decodes it: it ignores line breaks and the last bits.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// The text of a `!!binary` scalar. Bytes that are not UTF-8 are lost, as in
/// Kubernetes: a JSON string cannot hold them.
fn decode_binary(text: &str) -> Result<String, Reason> {
    let text: String = text.split(['\r', '\n']).collect();
    let bytes = BASE64.decode(text).map_err(|_| Reason::InvalidBase64)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
