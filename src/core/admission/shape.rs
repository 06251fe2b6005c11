//! What it takes to read a JSON text, told from the text: reading it to find out
//! would take it already.

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
        let mut shape = Self::default();
        let mut depth = 0_usize;
        let mut bytes = json.as_bytes().iter().copied();
        let mut previous = 0;
        while let Some(byte) = bytes.next() {
            if byte.is_ascii_whitespace() {
                continue;
            }
            let is_first = matches!(previous, b'{' | b'[') && !matches!(byte, b'}' | b']');
            if is_first {
                shape.memory += if previous == b'{' { NODE_BYTES } else { ITEM_BYTES };
            }
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b':' => shape.memory += FIELD_BYTES,
                b',' => shape.memory += ITEM_BYTES,
                b'"' => shape.memory += ALLOCATION_BYTES + skip_string(&mut bytes),
                _ => {}
            }
            previous = byte;
        }
        shape
    }
}

/// Skips the rest of a string; returns how many bytes it holds at most.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) -> usize {
    let mut length = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => {
                // `\u003c` stands for one character, which has at most three bytes.
                if bytes.next() == Some(b'u') {
                    for _ in 0..4 {
                        bytes.next();
                    }
                    length += 3;
                } else {
                    length += 1;
                }
            }
            _ => length += 1,
        }
    }
    length
}

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
