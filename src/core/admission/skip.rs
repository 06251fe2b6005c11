//! Finds where a JSON value ends without reading what is in it: most of a review is never looked into.
//!
//! It looks at 64 bytes at a time, each a bit of a mask (as `simdjson` does: Langdale and Lemire, "Parsing Gigabytes of
//! JSON per Second").

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// Which bytes of a block are what; the lowest bit is the first byte.
#[derive(Debug, Default, PartialEq, Eq)]
struct Masks {
    quotes: u64,
    backslashes: u64,
    /// `{` and `[`.
    opening: u64,
    /// `}` and `]`.
    closing: u64,
}

/// The index after the value that begins at `start`; `None` where it does not end. It is the right one of JSON: of
/// another text it is some index.
pub(super) fn end_of_value(json: &[u8], start: usize) -> Option<usize> {
    match json.get(start)? {
        b'{' | b'[' => end_of_nested(json, start),
        b'"' => end_of_string(json, start),
        _ => {
            let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
            let length = json[start..].iter().position(is_end).unwrap_or(json.len() - start);
            (length > 0).then_some(start + length)
        }
    }
}

fn end_of_string(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The index after the object or list that begins at `start`.
fn end_of_nested(json: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0;
    let (mut begins_in_string, mut begins_escaped) = (false, false);
    let (blocks, rest) = json[start..].as_chunks::<BLOCK>();
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    for (number, block) in blocks.iter().chain([&last]).enumerate() {
        let Masks { quotes, backslashes, opening, closing } = Masks::of(block);
        let quotes = quotes & !escaped(backslashes, &mut begins_escaped);
        let strings = between_quotes(quotes, begins_in_string);
        begins_in_string = strings >> (BLOCK - 1) == 1;
        let (opening, closing) = (opening & !strings, closing & !strings);
        if closing.count_ones() < depth {
            depth = depth + opening.count_ones() - closing.count_ones();
            continue;
        }
        let mut brackets = opening | closing;
        while brackets != 0 {
            let bit = brackets & brackets.wrapping_neg();
            brackets ^= bit;
            if opening & bit != 0 {
                depth += 1;
                continue;
            }
            depth -= 1;
            if depth == 0 {
                return Some(start + number * BLOCK + bit.trailing_zeros() as usize + 1);
            }
        }
    }
    None
}

/// The bytes that a backslash before them escapes; whether the next block begins with one.
fn escaped(mut backslashes: u64, begins_escaped: &mut bool) -> u64 {
    let mut escaped = u64::from(std::mem::take(begins_escaped));
    backslashes &= !escaped;
    while backslashes != 0 {
        let bit = backslashes & backslashes.wrapping_neg();
        *begins_escaped = bit >> (BLOCK - 1) == 1;
        escaped |= bit << 1;
        // What is escaped escapes nothing.
        backslashes &= !(bit | bit << 1);
    }
    escaped
}

/// The bytes from each opening quote to before the closing one.
fn between_quotes(mut quotes: u64, begins_in_string: bool) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        quotes ^= quotes << shift;
    }
    if begins_in_string { !quotes } else { quotes }
}

impl Masks {
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        #[expect(unsafe_code, reason = "a call that needs an instruction set takes it")]
        // SAFETY: every processor of this architecture has SSE2.
        unsafe {
            Self::by_vectors(block)
        }
    }

    /// Sixteen bytes at a time: in 40 % of the time that it takes by words. Without closures, which would be calls here.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    #[inline]
    fn by_vectors(block: &[u8; BLOCK]) -> Self {
        use std::arch::x86_64::{
            __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        };

        #[target_feature(enable = "sse2")]
        #[inline]
        fn equal(bytes: __m128i, byte: u8) -> u64 {
            u64::from(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()))).cast_unsigned())
        }

        let mut masks = Self::default();
        let (words, _) = block.as_chunks::<8>();
        for (number, [low, high]) in words.as_chunks::<2>().0.iter().enumerate() {
            let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
            let lower = _mm_or_si128(bytes, _mm_set1_epi8(LOWER_CASE.cast_signed()));
            masks.quotes |= equal(bytes, b'"') << (number * 16);
            masks.backslashes |= equal(bytes, b'\\') << (number * 16);
            masks.opening |= equal(lower, b'{') << (number * 16);
            masks.closing |= equal(lower, b'}') << (number * 16);
        }
        masks
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of(block: &[u8; BLOCK]) -> Self {
        Self::by_words(block)
    }

    /// Eight bytes at a time, as any processor can do it.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn by_words(block: &[u8; BLOCK]) -> Self {
        const EACH: u64 = u64::from_le_bytes([1; 8]);
        const LOW_BITS: u64 = 0x7f * EACH;
        /// Brings the lowest bits of eight bytes together in the highest byte.
        const GATHER: u64 = 0x0102_0408_1020_4080;

        let equal = |word: u64, byte: u8| {
            let differing = word ^ (EACH * u64::from(byte));
            // The highest bit of each byte that is zero.
            let is_zero = !(((differing & LOW_BITS) + LOW_BITS) | differing | LOW_BITS);
            (is_zero >> 7).wrapping_mul(GATHER) >> 56
        };
        let mut masks = Self::default();
        for (number, word) in block.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let lower = word | (EACH * u64::from(LOWER_CASE));
            masks.quotes |= equal(word, b'"') << (number * 8);
            masks.backslashes |= equal(word, b'\\') << (number * 8);
            masks.opening |= equal(lower, b'{') << (number * 8);
            masks.closing |= equal(lower, b'}') << (number * 8);
        }
        masks
    }
}

/// The bit by which `{` differs from `[`, and `}` from `]`.
const LOWER_CASE: u8 = 0x20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn arbitrary_json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            (-1000_i64..1000).prop_map(|number| number.to_string()),
            r#"[a-z"\\{}\[\]:, é]{0,80}"#.prop_map(|text| serde_json::Value::from(text).to_string()),
        ];
        scalar.prop_recursive(4, 64, 6, |value| {
            prop_oneof![
                prop::collection::vec(value.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(" , "))),
                prop::collection::vec(value, 0..6).prop_map(|values| {
                    let fields: Vec<_> = values.iter().map(|value| format!(r#""\"{{":{value}"#)).collect();
                    format!("{{ {} }}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_ends_where_a_parser_says(value in arbitrary_json(), before in " {0,70}", after in r"[,}\] ]?") {
            let text = format!("{before}{value}{after}");
            let parsed: &RawValue = serde_json::from_str(&value).unwrap();
            prop_assert_eq!(end_of_value(text.as_bytes(), before.len()), Some(before.len() + parsed.get().len()));
        }

        #[test]
        fn what_is_cut_off_has_no_end(value in arbitrary_json(), cut in 0.0..1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let length = (value.len() as f64 * cut) as usize;
            if value.starts_with(['{', '[', '"']) {
                prop_assert_eq!(end_of_value(&value.as_bytes()[..length], 0), None);
            }
        }

        #[test]
        fn every_processor_finds_the_same(block in prop::array::uniform32(prop::array::uniform2(any::<u8>()))) {
            let block: Vec<u8> = block.concat();
            let block: &[u8; BLOCK] = block.as_slice().try_into().unwrap();
            prop_assert_eq!(Masks::of(block), Masks::by_words(block));
        }
    }

    #[test]
    fn every_byte_is_known_for_what_it_is() {
        for byte in 0..=u8::MAX {
            let mut block = [b'a'; BLOCK];
            block[usize::from(byte) % BLOCK] = byte;
            let bit = |is_it: bool| u64::from(is_it) << (usize::from(byte) % BLOCK);
            let expected = Masks {
                quotes: bit(byte == b'"'),
                backslashes: bit(byte == b'\\'),
                opening: bit(matches!(byte, b'{' | b'[')),
                closing: bit(matches!(byte, b'}' | b']')),
            };
            assert_eq!(Masks::of(&block), expected, "{byte}");
            assert_eq!(Masks::by_words(&block), expected, "{byte}");
        }
    }

    #[test]
    fn a_backslash_escapes_across_blocks() {
        for length in 50..140 {
            let text = format!(r#"["{}\\\"]}}",1]"#, "a".repeat(length));
            assert_eq!(end_of_value(text.as_bytes(), 0), Some(text.len()), "{text}");
            let text = format!(r#"["{}"]"#, "\\\\".repeat(length));
            assert_eq!(end_of_value(text.as_bytes(), 0), Some(text.len()), "{text}");
        }
    }
}
