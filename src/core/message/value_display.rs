//! Values as people can read them: short, on one line, and of two values the
//! part in which they differ.

use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::text::{sanitize, truncate, truncate_start};

/// Two values, side by side.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValuePair {
    /// Where inside of both they differ, if not as a whole: `[0].verbs `.
    pub(super) at: String,
    /// What the write brings.
    pub(super) new: String,
    /// What Git says.
    pub(super) declared: String,
}

/// A part of two values, with the path element that leads to it.
struct Part<'v> {
    element: String,
    new: Option<&'v Value>,
    declared: Option<&'v Value>,
}

/// Shows two values in at most `limit` characters each: of long ones the first
/// part, line or excerpt in which they differ.
pub(super) fn show_pair(new: Option<&Value>, declared: Option<&Value>, limit: usize) -> ValuePair {
    let (mut new, mut declared) = (new, declared);
    let mut at = String::new();
    // Longer lists or maps cannot be compared at a glance.
    let is_short = |value: &Value| start_of(value, limit / 2 + 1).chars().count() <= limit / 2;
    while let (Some(new_value), Some(declared_value)) = (new, declared) {
        // Once inside, go on to the field that differs; a short list stays whole.
        let may_stop = at.is_empty() || !(new_value.is_object() && declared_value.is_object());
        if may_stop && is_short(new_value) && is_short(declared_value) {
            break;
        }
        let Some(part) = first_difference(new_value, declared_value) else { break };
        at.push_str(&part.element);
        (new, declared) = (part.new, part.declared);
    }
    let (new, declared) = match (new, declared) {
        (Some(Value::String(new)), Some(Value::String(declared))) => show_texts(new, declared, limit),
        _ => (show_value(new, limit), show_value(declared, limit)),
    };
    let at = match at.strip_prefix('.').unwrap_or(&at) {
        "" => String::new(),
        at => truncate_start(at, limit) + " ",
    };
    ValuePair { at, new, declared }
}

/// Shows one value in at most `limit` characters.
pub(super) fn show_value(value: Option<&Value>, limit: usize) -> String {
    match value {
        Some(value) => truncate(&start_of(value, limit + 1), limit),
        None => "nothing".into(),
    }
}

/// The first `limit` characters of a value as JSON: a large one is not printed whole.
fn start_of(value: &Value, limit: usize) -> String {
    struct Start {
        text: String,
        characters_left: usize,
    }
    impl fmt::Write for Start {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            let end = part.char_indices().nth(self.characters_left).map_or(part.len(), |(end, _)| end);
            self.text.push_str(&part[..end]);
            self.characters_left = self.characters_left.saturating_sub(part[..end].chars().count());
            if end < part.len() { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut start = Start { text: String::new(), characters_left: limit };
    // An error says only that there is more.
    let _ = write!(start, "{value}");
    start.text
}

/// The first part of two maps or two lists that is not as Git says. What Git
/// leaves out comes last, for it may be the server's.
fn first_difference<'v>(new: &'v Value, declared: &'v Value) -> Option<Part<'v>> {
    let mut parts = Vec::new();
    match (new, declared) {
        (Value::Object(new), Value::Object(declared)) => {
            for (name, value) in declared {
                parts.push(Part { element: format!(".{name}"), new: new.get(name), declared: Some(value) });
            }
            for (name, value) in new.iter().filter(|(name, _)| !declared.contains_key(*name)) {
                parts.push(Part { element: format!(".{name}"), new: Some(value), declared: None });
            }
        }
        (Value::Array(new), Value::Array(declared)) => {
            for index in 0..new.len().max(declared.len()) {
                parts.push(Part { element: format!("[{index}]"), new: new.get(index), declared: declared.get(index) });
            }
        }
        _ => return None,
    }
    let is_not_as_declared = |part: &Part<'_>| match (part.new, part.declared) {
        (Some(new), Some(declared)) => !covers(new, declared),
        (None, Some(_)) => true,
        (_, None) => false,
    };
    let index = match parts.iter().position(is_not_as_declared) {
        Some(index) => index,
        None => parts.iter().position(|part| part.new != part.declared)?,
    };
    Some(parts.swap_remove(index))
}

/// Whether `new` has all that Git says.
fn covers(new: &Value, declared: &Value) -> bool {
    match (new, declared) {
        (Value::Object(new), Value::Object(declared)) => {
            declared.iter().all(|(name, value)| new.get(name).is_some_and(|new| covers(new, value)))
        }
        (Value::Array(new), Value::Array(declared)) => {
            new.len() == declared.len() && new.iter().zip(declared).all(|(new, declared)| covers(new, declared))
        }
        _ => new == declared,
    }
}

/// Two texts: the first line in which they differ, where there are several.
fn show_texts(new: &str, declared: &str, limit: usize) -> (String, String) {
    let is_long = |text: &str| text.contains('\n') || text.chars().count() + 2 > limit;
    if !is_long(new) && !is_long(declared) {
        return (quoted(new, limit), quoted(declared, limit));
    }
    let (new_trimmed, declared_trimmed) = (new.trim_end_matches('\n'), declared.trim_end_matches('\n'));
    if new_trimmed == declared_trimmed {
        let new_breaks = new.len() - new_trimmed.len();
        let declared_breaks = declared.len() - declared_trimmed.len();
        return (line_breaks_at_end(new_breaks), line_breaks_at_end(declared_breaks));
    }
    let (mut new_lines, mut declared_lines) = (new_trimmed.split('\n'), declared_trimmed.split('\n'));
    let mut number = 1;
    let (new_line, declared_line) = loop {
        match (new_lines.next(), declared_lines.next()) {
            (Some(a), Some(b)) if a == b => number += 1,
            lines => break lines,
        }
    };
    let pairs = new_line.unwrap_or_default().chars().zip(declared_line.unwrap_or_default().chars());
    let differs_at = pairs.take_while(|(a, b)| a == b).count();
    let has_lines = new.contains('\n') || declared.contains('\n');
    let label = if has_lines { format!("line {number} ") } else { String::new() };
    let show = |line: Option<&str>| match line {
        Some(line) => format!("{label}{}", excerpt(line, differs_at, limit)),
        None => format!("no line {number}"),
    };
    (show(new_line), show(declared_line))
}

/// How a text ends, where that is all that differs.
fn line_breaks_at_end(count: usize) -> String {
    match count {
        0 => "no line break at the end".into(),
        1 => "a line break at the end".into(),
        _ => format!("{count} line breaks at the end"),
    }
}

/// The part of a long line around the character at which it differs.
fn excerpt(line: &str, differs_at: usize, limit: usize) -> String {
    let room = limit.saturating_sub(2);
    if line.chars().count() <= room || differs_at < room / 2 {
        return quoted(line, limit);
    }
    let start = differs_at - room / 4;
    let rest: String = line.chars().skip(start).collect();
    quoted(&format!("…{rest}"), limit)
}

/// A text in quotes, which stay closed where it is cut.
fn quoted(text: &str, limit: usize) -> String {
    let whole = Value::from(text).to_string();
    if whole.chars().count() <= limit {
        return sanitize(&whole);
    }
    let mut shortened = truncate(&whole, limit.saturating_sub(1));
    shortened.push('"');
    shortened
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(new: &Value, declared: &Value) -> String {
        let ValuePair { at, new, declared } = show_pair(Some(new), Some(declared), 80);
        format!("{at}{new}, Git says {declared}")
    }

    #[test]
    fn short_values_are_shown_whole() {
        for (new, declared, expected) in [
            (json!(7), json!(3), "7, Git says 3"),
            (json!("a"), json!("b"), r#""a", Git says "b""#),
            (json!("7"), json!(7), r#""7", Git says 7"#),
            (json!([1, 2]), json!([1]), "[1,2], Git says [1]"),
            (json!({"a": 1}), json!({}), r#"{"a":1}, Git says {}"#),
            (json!("a "), json!("a"), r#""a ", Git says "a""#),
            (json!("a\r"), json!("a"), r#""a\r", Git says "a""#),
        ] {
            assert_eq!(shown(&new, &declared), expected);
        }
        assert_eq!(show_value(None, 80), "nothing");
    }

    #[test]
    fn long_texts_are_shown_where_they_differ() {
        let file = |edit: fn(&mut Vec<String>)| {
            let mut lines: Vec<_> = (1..=200).map(|number| format!("key-{number} = value")).collect();
            edit(&mut lines);
            json!(lines.join("\n") + "\n")
        };
        let git = file(|_| ());
        let line = |left: char, right: char| {
            json!(format!("{}{left}{}", "x".repeat(300), "y".repeat(300))).to_string().replace(left, &right.to_string())
        };
        for (new, expected) in [
            (
                file(|lines| lines[120] = "key-121 = other".into()),
                r#"line 121 "key-121 = other", Git says line 121 "key-121 = value""#,
            ),
            (file(|lines| lines.truncate(100)), r#"no line 101, Git says line 101 "key-101 = value""#),
            (file(|lines| lines.push("more".into())), r#"line 201 "more", Git says no line 201"#),
            (file(|lines| lines[199].push('\n')), "2 line breaks at the end, Git says a line break at the end"),
            (file(|lines| lines[4].push('\r')), r#"line 5 "key-5 = value\r", Git says line 5 "key-5 = value""#),
            (json!("one"), r#"line 1 "one", Git says line 1 "key-1 = value""#),
        ] {
            assert_eq!(shown(&new, &git), expected);
        }
        assert_eq!(shown(&json!("a"), &json!("a\n")), "no line break at the end, Git says a line break at the end");
        let (a, b) = (line('1', '1'), line('1', '2'));
        let text = shown(&json!(a), &json!(b));
        assert!(text.contains("xxx1yyy") && text.contains("xxx2yyy"), "{text}");
        assert!(text.chars().count() <= 80 + 80 + 11, "{text}");
    }

    #[test]
    fn long_lists_are_shown_where_they_differ() {
        let rules = |verbs: Value| {
            let rule = |name: &str, verbs: Value| json!({"apiGroups": [""], "resources": [name], "verbs": verbs});
            json!([rule("pods", json!(["get"])), rule("secrets", verbs), rule("services", json!(["get", "list"]))])
        };
        let git = rules(json!(["get"]));
        assert_eq!(shown(&rules(json!(["get", "delete"])), &git), r#"[1].verbs ["get","delete"], Git says ["get"]"#);
        let mut filled = git.clone();
        filled[0]["server"] = "x".into();
        assert_eq!(shown(&filled, &git), r#"[0].server "x", Git says nothing"#);
        filled[2]["verbs"] = json!(["*"]);
        assert_eq!(
            shown(&filled, &git),
            r#"[2].verbs ["*"], Git says ["get","list"]"#,
            "what the server adds comes last"
        );
        let mut fewer = git.clone();
        fewer.as_array_mut().unwrap().pop();
        assert!(shown(&fewer, &git).starts_with("[2] nothing, Git says {"), "{}", shown(&fewer, &git));
    }
}
