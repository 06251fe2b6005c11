//! Text for one line of a terminal: cut to a length, without control characters.

/// At most `limit` characters on one line, without anything that a terminal would obey.
pub fn cut(text: &str, limit: usize) -> String {
    let mut line: String = plain(text).chars().take(limit + 1).collect();
    if let Some((end, _)) = line.char_indices().nth(limit) {
        line.truncate(end);
        line.pop();
        line.push('…');
    }
    line
}

/// The same, but keeping the end: of a path, that is what tells.
pub fn cut_left(text: &str, limit: usize) -> String {
    let line = plain(text);
    let length = line.chars().count();
    if length <= limit {
        return line;
    }
    std::iter::once('…').chain(line.chars().skip(length + 1 - limit.max(1))).collect()
}

/// A text without line breaks, and without what a terminal would obey or hide:
/// control characters, marks that turn or hide the text around them.
pub fn plain(text: &str) -> String {
    let is_bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if is_bad(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_fall_between_characters() {
        for text in ["🙂".repeat(100), "é".repeat(100), "a\u{301}".repeat(100), "\u{1b}[31m\n".repeat(100)] {
            for limit in [1, 2, 79, 80, 199, 200, 201] {
                for line in [cut(&text, limit), cut_left(&text, limit)] {
                    assert!(line.chars().count() <= limit, "{line}");
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                    assert_eq!(line.contains('…'), text.chars().count() > limit);
                }
            }
        }
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut_left("abcdef", 4), "…def");
        assert_eq!(plain("a\u{202e}b\u{9b}c\u{200b}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }
}
