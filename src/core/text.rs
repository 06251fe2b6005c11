//! Text for one line of a terminal: truncated, and without control characters.

/// A sanitized line of at most `limit` characters; what is longer ends in `…`.
pub fn truncate(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return sanitize(text);
    }
    // One character more than fits says whether there is more.
    let end = text.char_indices().nth(limit + 1).map_or(text.len(), |(end, _)| end);
    let mut line = sanitize(&text[..end]);
    if let Some((end, _)) = line.char_indices().nth(limit) {
        line.truncate(end);
        line.pop();
        line.push('…');
    }
    line
}

/// The same, but keeps the end: of a path, the end says more.
pub fn truncate_start(text: &str, limit: usize) -> String {
    let line = sanitize(text);
    let length = line.chars().count();
    if length <= limit {
        return line;
    }
    std::iter::once('…').chain(line.chars().skip(length + 1 - limit.max(1))).collect()
}

/// A text without line breaks and without what a terminal would obey or hide:
/// control characters, and characters that change the direction of the text
/// around them or are invisible. Each is replaced by U+FFFD.
pub fn sanitize(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_truncated_between_characters_and_sanitized() {
        for text in ["🙂".repeat(100), "é".repeat(100), "a\u{301}".repeat(100), "\u{1b}[31m\n".repeat(100)] {
            for limit in [1, 2, 79, 80, 199, 200, 201] {
                for line in [truncate(&text, limit), truncate_start(&text, limit)] {
                    assert!(line.chars().count() <= limit, "{line}");
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                    assert_eq!(line.contains('…'), text.chars().count() > limit);
                }
            }
        }
        assert_eq!(truncate("abcdef", 4), "abc…");
        assert_eq!(truncate_start("abcdef", 4), "…def");
        assert_eq!(sanitize("a\u{202e}b\u{9b}c\u{200b}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }
}
