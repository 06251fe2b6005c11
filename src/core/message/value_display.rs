//! Values as people can read them: short, on one line, and the part in which
//! two of them differ.

use serde_json::Value;

use crate::text::{sanitize, truncate, truncate_start};

/// Two values, side by side.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Where inside of both they differ, if not as a whole: `[0].verbs `.
    pub(crate) at: String,
    /// What was sent.
    pub(crate) sent: String,
    /// What Git says.
    pub(crate) declared: String,
}

/// Shows two values in at most `limit` characters each: of long ones the first
/// part, line or stretch in which they differ.
pub(crate) fn pair(sent: Option<&Value>, declared: Option<&Value>, limit: usize) -> Pair {
    let (mut sent, mut declared, mut at) = (sent, declared, String::new());
    // Two lists or maps of that length are read side by side no more.
    let is_short = |value: &Value| value.to_string().chars().count() <= limit / 2;
    while let (Some(ours), Some(theirs)) = (sent, declared) {
        // Once inside, go on to the field that differs; a short list stays whole.
        let is_whole = at.is_empty() || !(ours.is_object() && theirs.is_object());
        if is_whole && is_short(ours) && is_short(theirs) {
            break;
        }
        let Some((step, ours, theirs)) = first_difference(ours, theirs) else { break };
        at.push_str(&step);
        (sent, declared) = (ours, theirs);
    }
    let (sent, declared) = match (sent, declared) {
        (Some(Value::String(sent)), Some(Value::String(declared))) => texts(sent, declared, limit),
        _ => (one(sent, limit), one(declared, limit)),
    };
    let at = at.strip_prefix('.').unwrap_or(&at);
    let at = if at.is_empty() { String::new() } else { truncate_start(at, limit) + " " };
    Pair { at, sent, declared }
}

/// One value in at most `limit` characters.
pub(crate) fn one(value: Option<&Value>, limit: usize) -> String {
    value.map_or_else(|| "nothing".into(), |value| truncate(&value.to_string(), limit))
}

/// The first part of two maps or two lists that is not as Git says, with the
/// step that leads there; what Git leaves out comes last, for it may be the server's.
fn first_difference<'v>(
    sent: &'v Value,
    declared: &'v Value,
) -> Option<(String, Option<&'v Value>, Option<&'v Value>)> {
    let parts: Vec<(String, Option<&Value>, Option<&Value>)> = match (sent, declared) {
        (Value::Object(sent), Value::Object(declared)) => {
            let added = sent.iter().filter(|(name, _)| !declared.contains_key(*name));
            let of_git = declared.iter().map(|(name, value)| (name, sent.get(name), Some(value)));
            let all = of_git.chain(added.map(|(name, value)| (name, Some(value), None)));
            all.map(|(name, sent, declared)| (format!(".{name}"), sent, declared)).collect()
        }
        (Value::Array(sent), Value::Array(declared)) => (0..sent.len().max(declared.len()))
            .map(|index| (format!("[{index}]"), sent.get(index), declared.get(index)))
            .collect(),
        _ => return None,
    };
    let is_git = |sent: Option<&Value>, declared: Option<&Value>| match (sent, declared) {
        (Some(sent), Some(declared)) => covers(sent, declared),
        (sent, declared) => sent.is_none() && declared.is_none(),
    };
    let by = |differs: &dyn Fn(Option<&Value>, Option<&Value>) -> bool| {
        parts.iter().position(|(_, sent, declared)| differs(*sent, *declared))
    };
    let index = by(&|sent, declared| declared.is_some() && !is_git(sent, declared))
        .or_else(|| by(&|sent, declared| sent != declared))?;
    parts.into_iter().nth(index)
}

/// Whether `sent` has all that Git says.
fn covers(sent: &Value, declared: &Value) -> bool {
    match (sent, declared) {
        (Value::Object(sent), Value::Object(declared)) => {
            declared.iter().all(|(name, value)| sent.get(name).is_some_and(|there| covers(there, value)))
        }
        (Value::Array(sent), Value::Array(declared)) => {
            sent.len() == declared.len() && sent.iter().zip(declared).all(|(sent, declared)| covers(sent, declared))
        }
        _ => sent == declared,
    }
}

/// Two texts: the first line in which they differ, where there are several.
fn texts(sent: &str, declared: &str, limit: usize) -> (String, String) {
    let is_long = |text: &str| text.contains('\n') || text.chars().count() + 2 > limit;
    if !is_long(sent) && !is_long(declared) {
        return (quoted(sent, limit), quoted(declared, limit));
    }
    let (ours, theirs) = (sent.trim_end_matches('\n'), declared.trim_end_matches('\n'));
    if ours == theirs {
        return (end(sent.len() - ours.len()), end(declared.len() - theirs.len()));
    }
    let (mut ours, mut theirs) = (ours.split('\n'), theirs.split('\n'));
    let mut number = 1;
    let (ours, theirs) = loop {
        match (ours.next(), theirs.next()) {
            (Some(a), Some(b)) if a == b => number += 1,
            pair => break pair,
        }
    };
    let common = ours.unwrap_or_default().chars().zip(theirs.unwrap_or_default().chars());
    let common = common.take_while(|(a, b)| a == b).count();
    let name = if sent.contains('\n') || declared.contains('\n') { format!("line {number} ") } else { String::new() };
    let shown = |line: Option<&str>| match line {
        Some(line) => name.clone() + &stretch(line, common, limit),
        None => format!("no line {number}"),
    };
    (shown(ours), shown(theirs))
}

/// How a text ends, where that is all that differs.
fn end(breaks: usize) -> String {
    match breaks {
        0 => "no line break at the end".into(),
        1 => "a line break at the end".into(),
        _ => format!("{breaks} line breaks at the end"),
    }
}

/// The stretch of a long line around the character at which it differs.
fn stretch(line: &str, differs_at: usize, limit: usize) -> String {
    let room = limit.saturating_sub(2);
    let length = line.chars().count();
    if length <= room || differs_at < room / 2 {
        return quoted(line, limit);
    }
    let start = differs_at - room / 4;
    let piece: String = line.chars().skip(start).collect();
    quoted(&format!("…{piece}"), limit)
}

/// A text in quotes, which stay closed where it is cut.
fn quoted(text: &str, limit: usize) -> String {
    let whole = Value::from(text).to_string();
    if whole.chars().count() <= limit {
        return sanitize(&whole);
    }
    let mut inside = truncate(&whole, limit.saturating_sub(1));
    inside.push('"');
    inside
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(sent: &Value, declared: &Value) -> String {
        let Pair { at, sent, declared } = pair(Some(sent), Some(declared), 80);
        format!("{at}{sent}, Git says {declared}")
    }

    #[test]
    fn short_values_are_shown_whole() {
        for (sent, declared, words) in [
            (json!(7), json!(3), "7, Git says 3"),
            (json!("a"), json!("b"), r#""a", Git says "b""#),
            (json!("7"), json!(7), r#""7", Git says 7"#),
            (json!([1, 2]), json!([1]), "[1,2], Git says [1]"),
            (json!({"a": 1}), json!({}), r#"{"a":1}, Git says {}"#),
            (json!("a "), json!("a"), r#""a ", Git says "a""#),
            (json!("a\r"), json!("a"), r#""a\r", Git says "a""#),
        ] {
            assert_eq!(shown(&sent, &declared), words);
        }
        assert_eq!(one(None, 80), "nothing");
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
        for (sent, words) in [
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
            assert_eq!(shown(&sent, &git), words);
        }
        assert_eq!(shown(&json!("a"), &json!("a\n")), "no line break at the end, Git says a line break at the end");
        let (a, b) = (line('1', '1'), line('1', '2'));
        let words = shown(&json!(a), &json!(b));
        assert!(words.contains("xxx1yyy") && words.contains("xxx2yyy"), "{words}");
        assert!(words.chars().count() <= 80 + 80 + 11, "{words}");
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
