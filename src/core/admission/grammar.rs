//! Parts of the grammar of JSON (RFC 8259).

/// Which levels of a JSON text are objects, and which are lists.
pub(super) struct Nesting([u64; MAX_LEVELS / 64]);

/// Deeper, it is not told what is open: no text that is nested so deep is read.
const MAX_LEVELS: usize = 10_240;

impl Default for Nesting {
    fn default() -> Self {
        Self([0; MAX_LEVELS / 64])
    }
}

impl Nesting {
    /// Notes what opens the level of this number, from 1.
    pub(super) fn open(&mut self, depth: usize, is_object: bool) {
        if let Some(word) = self.0.get_mut(depth / 64) {
            *word = *word & !(1 << (depth % 64)) | u64::from(is_object) << (depth % 64);
        }
    }

    /// Whether such a level is open.
    pub(super) fn is_open(&self, depth: usize, is_object: bool) -> bool {
        let is_it = |word: &u64| (word >> (depth % 64) & 1 == 1) == is_object;
        depth > 0 && self.0.get(depth / 64).is_none_or(is_it)
    }
}

/// Whether what begins as a number is one.
pub(super) fn is_json_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (integer, rest) = after_digits(text);
    if integer == 0 || (integer > 1 && text[0] == b'0') {
        return false;
    }
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => after_digits(rest),
        None => (1, rest),
    };
    let (exponent, rest) = match rest {
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => after_digits(rest),
        _ => (1, rest),
    };
    fraction > 0 && exponent > 0 && rest.is_empty()
}

/// How many digits there are, and what follows them.
fn after_digits(text: &[u8]) -> (usize, &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits, &text[digits..])
}
