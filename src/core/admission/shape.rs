//! What it takes to read a JSON text, told from the text: reading it to find out
//! would take it already.

use super::outline::Outline;

/// How deep a JSON text is nested, and what its parsed value takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonShape {
    /// Objects and lists inside each other.
    pub depth: usize,
    /// Bytes of memory that its [`serde_json::Value`] takes, at most about.
    pub memory: usize,
}

/// A `Value`, in a list that may have grown to twice its length.
const ITEM_BYTES: usize = 64;
/// A name and its value in a map: B-tree nodes are at least half full.
const FIELD_BYTES: usize = 110;
/// What the first field of a map takes beyond that: a node has room for eleven.
const NODE_BYTES: usize = 560;
/// What an allocation takes beside its content.
const ALLOCATION_BYTES: usize = 16;

impl JsonShape {
    /// The shape of a text. A text that is no JSON has some shape too; reading it fails.
    pub fn of(json: &str) -> Self {
        Outline::of(json).shape
    }

    /// The name of a field begins.
    pub(super) fn begin_name(&mut self, is_first: bool) {
        if is_first {
            self.memory += NODE_BYTES;
        }
    }

    /// A value begins.
    pub(super) fn begin_item(&mut self, is_first: bool) {
        if is_first {
            self.memory += ITEM_BYTES;
        }
    }

    /// A field of an object.
    pub(super) fn field(&mut self) {
        self.memory += FIELD_BYTES;
    }

    /// A further item or field.
    pub(super) fn item(&mut self) {
        self.memory += ITEM_BYTES;
    }

    /// A string of so many bytes.
    pub(super) fn string(&mut self, length: usize) {
        self.memory += ALLOCATION_BYTES + length;
    }
}

/// A string in a JSON text.
pub(super) struct StringText {
    /// The byte after its closing quote.
    pub(super) end: usize,
    /// How many bytes it holds at most.
    pub(super) length: usize,
    pub(super) has_escapes: bool,
    /// Whether it has escapes of halves of a character, of which each may lack the other one.
    pub(super) has_surrogates: bool,
    /// Whether it is one at all: it ends, and has neither control characters nor other escapes.
    pub(super) is_json: bool,
}

/// Skips a string, from after its opening quote.
pub(super) fn skip_string(bytes: &[u8], start: usize) -> StringText {
    let mut text = StringText { end: start, length: 0, has_escapes: false, has_surrogates: false, is_json: true };
    loop {
        let rest = bytes.get(text.end..).unwrap_or_default();
        let plain = length_of_plain(rest);
        // Without a branch for each, this takes many bytes at once.
        text.is_json &= rest[..plain].iter().fold(0, |controls, byte| controls | u8::from(*byte < b' ')) == 0;
        text.length += plain;
        text.end += plain;
        match &rest[plain..] {
            // `\u003c` stands for one character, which has at most three bytes.
            [b'\\', b'u', digits @ ..] => {
                text.has_escapes = true;
                text.has_surrogates |= matches!(digits, [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]);
                text.is_json &= digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit);
                text.length += 3;
                text.end += 6;
            }
            [b'\\', escaped @ ..] => {
                text.has_escapes = true;
                let is_known = matches!(escaped, [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..]);
                text.is_json &= is_known;
                text.length += 1;
                text.end += 2;
            }
            // The quote, or the end of what is no JSON.
            end => {
                text.is_json &= !end.is_empty();
                text.end = (text.end + 1).min(bytes.len());
                return text;
            }
        }
    }
}

/// How many bytes there are before a quote or a backslash. Most strings are shorter than it takes to start
/// a search for them; of the others, what is left is long.
fn length_of_plain(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    let (first, rest) = bytes.split_at(bytes.len().min(SHORT_BYTES));
    match first.iter().position(is_special) {
        Some(at) => at,
        None => first.len() + memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len()),
    }
}

/// See [`length_of_plain`].
const SHORT_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        for (json, depth) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{},[1]]}"#, 3),
            (r#"{"[[[":"{{{\"[["}"#, 1),
            ("[[],[],[[]]]", 3),
            ("]]]][", 1),
        ] {
            assert_eq!(JsonShape::of(json).depth, depth, "{json}");
        }
    }

    #[test]
    fn an_escaped_text_counts_as_what_it_stands_for() {
        let escaped = format!("\"{}\"", "\\u003c".repeat(1000));
        assert_eq!(JsonShape::of(&escaped).memory, 3000 + ALLOCATION_BYTES);
    }
}
