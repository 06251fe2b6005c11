//! JSON from files: one value, several, one per line, an array, or a `List`.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("failed to read {file}: {reason}")]
    File { file: String, reason: std::io::Error },
    #[error("failed to read {file}:{line}: {problem}")]
    Json { file: String, line: usize, problem: String },
}

/// A value of a file.
#[derive(Clone, Copy)]
pub(super) struct InputValue<'a> {
    /// The line on which it begins, from 1.
    pub(super) line: usize,
    /// The value, as JSON.
    pub(super) text: &'a str,
}

/// Reads a whole file, or standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, InputError> {
    let content = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    content.map_err(|reason| InputError::File { file: display_name(file), reason })
}

/// What a file is called in messages.
pub(super) fn display_name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".into() } else { file.display().to_string() }
}

/// Calls `each` with every value of a file's content, and with those of arrays and
/// Lists one by one. If something else than JSON follows, `each` has got all before it.
/// Returns how many values there are.
pub(super) fn for_each_value<'a>(
    file: &Path,
    content: &'a [u8],
    mut each: impl FnMut(InputValue<'a>),
) -> Result<usize, InputError> {
    let mut count = 0;
    let mut lines = LineCounter { content, offset: 0, line: 1 };
    let mut emit = |text: &'a str| {
        count += 1;
        // Values are borrowed from the content, in its order.
        let line = lines.line_at(text.as_ptr().addr() - content.as_ptr().addr());
        each(InputValue { line, text });
    };
    let mut values = serde_json::Deserializer::from_slice(content).into_iter::<&RawValue>();
    loop {
        let start = values.byte_offset();
        match values.next() {
            None => return Ok(count),
            Some(Ok(value)) => flatten(value.get(), &mut emit),
            Some(Err(error)) => {
                let begins = start + content[start..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let begins = content[..begins].split(|&byte| byte == b'\n').count();
                let (line, problem) = match error.classify() {
                    Category::Eof => (begins, "the JSON that begins here does not end: the file is cut off".to_owned()),
                    _ => (
                        error.line(),
                        format!("there is no JSON at column {}; write one value after the other", error.column()),
                    ),
                };
                return Err(InputError::Json { file: display_name(file), line, problem });
            }
        }
    }
}

fn flatten<'a>(text: &'a str, each: &mut impl FnMut(&'a str)) {
    let items = match text.as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text).ok(),
        _ => serde_json::from_str::<List<'_>>(text)
            .ok()
            .filter(|list| list.kind.ends_with("List"))
            .and_then(|list| list.items),
    };
    match items {
        Some(items) => items.into_iter().for_each(|item| flatten(item.get(), each)),
        None => each(text),
    }
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(default)]
    kind: String,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// Counts lines up to positions that only grow, so that a large file is counted once.
struct LineCounter<'a> {
    content: &'a [u8],
    offset: usize,
    line: usize,
}

impl LineCounter<'_> {
    fn line_at(&mut self, offset: usize) -> usize {
        self.line += self.content[self.offset..offset].split(|&byte| byte == b'\n').count() - 1;
        self.offset = offset;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines and texts of the values, or what is wrong.
    fn values(content: &str) -> (Vec<(usize, String)>, Result<usize, String>) {
        let mut found = Vec::new();
        let done = for_each_value(Path::new("reviews"), content.as_bytes(), |InputValue { line, text }| {
            found.push((line, text.to_owned()));
        });
        (found, done.map_err(|error| error.to_string()))
    }

    #[test]
    fn values_have_the_lines_on_which_they_begin() {
        for (content, expected) in [
            ("", &[][..]),
            (" \n\n", &[]),
            ("[]", &[]),
            (r#"{"kind":"List","items":[]}"#, &[]),
            ("1\n\n2 3", &[(1, "1"), (3, "2"), (3, "3")]),
            ("[1,\n 2]\n3", &[(1, "1"), (2, "2"), (3, "3")]),
            ("{\"kind\":\"PodList\",\n\"items\":[\n7]}", &[(3, "7")]),
        ] {
            let (found, done) = values(content);
            let found: Vec<_> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
            assert_eq!((found.as_slice(), done), (expected, Ok(expected.len())), "{content}");
        }
    }

    #[test]
    fn broken_content_is_told_with_its_line_after_all_before_it() {
        let cut_off = "the JSON that begins here does not end: the file is cut off";
        let none = |column| format!("there is no JSON at column {column}; write one value after the other");
        for (content, before, expected) in [
            ("{\"a\":", 0, format!("reviews:1: {cut_off}")),
            ("1\n\n {\"a\":\n\n", 1, format!("reviews:3: {cut_off}")),
            ("kind: AdmissionReview", 0, format!("reviews:1: {}", none(1))),
            ("1\n{]", 1, format!("reviews:2: {}", none(2))),
        ] {
            let (found, done) = values(content);
            assert_eq!((found.len(), done), (before, Err(format!("failed to read {expected}"))), "{content}");
        }
    }
}
