//! Paths to a field, printed and parsed in one notation, as people write them:
//! `spec.template.spec.containers[name="web"].image`,
//! `metadata.labels["app"]`, `spec.ports[port=80,protocol="TCP"].targetPort`.

use std::fmt;
use std::str::FromStr;

use globset::{Glob, GlobMatcher};
use serde_json::Value;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A field of an object, or a key of a map.
    Field(Box<str>),
    /// An item of a list, by its place (0-based).
    Index(usize),
    /// An item of a keyed list, by the fields that key it.
    Item(Vec<(Box<str>, Value)>),
}

/// The way from an object's root to one of its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path(Vec<Step>);

/// A path that may leave places open: `[*]` for any item, `*` in a name for
/// any text. It matches what it names and everything below.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<PatternStep>);

#[derive(Clone, Debug)]
enum PatternStep {
    AnyItem,
    Glob(GlobMatcher),
    Is(Step),
}

/// A path that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to read the path `{text}` at character {at}: {reason}")]
pub struct PathError {
    text: String,
    at: usize,
    reason: &'static str,
}

/// Maps whose keys are data, not field names: their keys are printed quoted.
const MAPS: [&str; 3] = ["annotations", "labels", "matchLabels"];

/// The same, at the root of an object only: below `spec`, `data` is a field like others.
const ROOT_MAPS: [&str; 3] = ["binaryData", "data", "stringData"];

// === impl Path ===

impl Path {
    /// The path of these field names.
    pub fn of(fields: &[&str]) -> Self {
        Self(fields.iter().map(|name| Step::Field((*name).into())).collect())
    }

    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Goes one step down.
    pub fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    /// Comes one step up.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// This path with the field `name` below it.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let mut path = self.clone();
        path.push(Step::Field(name.into()));
        path
    }

    /// Whether the path is `fields`, or something below them.
    pub fn is_under(&self, fields: &[&str]) -> bool {
        fields.len() <= self.0.len()
            && fields.iter().zip(&self.0).all(|(name, step)| matches!(step, Step::Field(is) if **is == **name))
    }

    /// Whether the path is exactly `fields`.
    pub fn is(&self, fields: &[&str]) -> bool {
        fields.len() == self.0.len() && self.is_under(fields)
    }

    /// The name of the last field, unless the path ends in a list.
    pub fn last_field(&self) -> Option<&str> {
        match self.0.last() {
            Some(Step::Field(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether the path ends at a map whose keys are data.
    pub fn ends_in_map(&self) -> bool {
        let name = self.last_field().unwrap_or_default();
        MAPS.contains(&name) || (self.0.len() == 1 && ROOT_MAPS.contains(&name))
    }

    /// Whether the path ends at an item of a keyed list.
    pub fn ends_at_item(&self) -> bool {
        matches!(self.0.last(), Some(Step::Item(_)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut in_map = false;
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if is_plain(name) && !in_map => {
                    write!(f, "{}{name}", if depth == 0 { "" } else { "." })?;
                }
                Step::Field(name) => write!(f, "[{}]", quoted(name))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Item(keys) => {
                    f.write_str("[")?;
                    for (n, (name, value)) in keys.iter().enumerate() {
                        write!(f, "{}{name}={value}", if n == 0 { "" } else { "," })?;
                    }
                    f.write_str("]")?;
                }
            }
            in_map = matches!(step, Step::Field(name) if MAPS.contains(&&**name) || (depth == 0 && ROOT_MAPS.contains(&&**name)));
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut reader = Reader::new(text);
        let mut path = Self::default();
        while let Some(part) = reader.next()? {
            match part {
                Part::Any => return Err(reader.error("`[*]` stands in patterns only")),
                Part::Step(step) => path.push(step),
            }
        }
        Ok(path)
    }
}

// === impl Pattern ===

impl Pattern {
    /// Whether the pattern names `path` or something above it.
    pub fn covers(&self, path: &Path) -> bool {
        self.0.len() <= path.0.len() && self.0.iter().zip(&path.0).all(|(pattern, step)| pattern.is(step))
    }
}

impl PatternStep {
    fn is(&self, step: &Step) -> bool {
        match (self, step) {
            (Self::AnyItem, Step::Index(_) | Step::Item(_)) => true,
            (Self::Glob(glob), Step::Field(name)) => glob.is_match(&**name),
            // A pattern may name fewer keys than the list has: `ports[port=80]`.
            (Self::Is(Step::Item(wanted)), Step::Item(keys)) => wanted.iter().all(|pair| keys.contains(pair)),
            (Self::Is(wanted), step) => wanted == step,
            _ => false,
        }
    }
}

impl FromStr for Pattern {
    type Err = PathError;

    /// Reads a path with open places, or a JSON pointer (`/spec/replicas`), as
    /// Argo CD's `ignoreDifferences` has them.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if let Some(pointer) = text.strip_prefix('/') {
            let step = |part: &str| match part.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Field(part.replace("~1", "/").replace("~0", "~").into()),
            };
            return Ok(Self(pointer.split('/').map(|part| PatternStep::Is(step(part))).collect()));
        }
        let mut reader = Reader::new(text);
        let mut steps = Vec::new();
        while let Some(part) = reader.next()? {
            steps.push(match part {
                Part::Any => PatternStep::AnyItem,
                Part::Step(Step::Field(name)) if name.contains('*') => match Glob::new(&name) {
                    Ok(glob) => PatternStep::Glob(glob.compile_matcher()),
                    Err(_) => return Err(reader.error("not a glob")),
                },
                Part::Step(step) => PatternStep::Is(step),
            });
        }
        Ok(Self(steps))
    }
}

// === reading ===

enum Part {
    Any,
    Step(Step),
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn error(&self, reason: &'static str) -> PathError {
        PathError { text: self.text.to_owned(), at: self.at + 1, reason }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: char) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len_utf8() } else { 0 };
        found
    }

    fn word(&mut self, stop: &[char]) -> Result<&'a str, PathError> {
        let end = self.rest().find(stop).unwrap_or(self.rest().len());
        let word = &self.rest()[..end];
        if word.is_empty() {
            return Err(self.error("a name is missing"));
        }
        self.at += end;
        Ok(word)
    }

    /// A JSON value: a quoted text, a number, true or false.
    fn value(&mut self) -> Result<Value, PathError> {
        let mut values = serde_json::Deserializer::from_str(self.rest()).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) if !value.is_object() && !value.is_array() => {
                self.at += values.byte_offset();
                Ok(value)
            }
            _ => Err(self.error("a value is missing: a text in quotes, a number, true or false")),
        }
    }

    fn next(&mut self) -> Result<Option<Part>, PathError> {
        if self.rest().is_empty() {
            return if self.at == 0 { Err(self.error("the path is empty")) } else { Ok(None) };
        }
        if !self.eat('[') {
            if self.at > 0 && !self.eat('.') {
                return Err(self.error("a `.` or `[` is missing"));
            }
            return Ok(Some(Part::Step(Step::Field(self.word(&['.', '['])?.into()))));
        }
        let part = if self.eat('*') {
            Part::Any
        } else if self.rest().starts_with('"') {
            match self.value()? {
                Value::String(name) => Part::Step(Step::Field(name.into())),
                _ => return Err(self.error("a text in quotes is missing")),
            }
        } else if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            let digits = self.word(&[']'])?;
            Part::Step(Step::Index(digits.parse().map_err(|_| self.error("not a list index"))?))
        } else {
            let mut keys = Vec::new();
            loop {
                let name = self.word(&['=', ']', ','])?;
                if !self.eat('=') {
                    return Err(self.error("`=` is missing after the key's name"));
                }
                keys.push((name.into(), self.value()?));
                if !self.eat(',') {
                    break Part::Step(Step::Item(keys));
                }
            }
        };
        if self.eat(']') { Ok(Some(part)) } else { Err(self.error("a `]` is missing")) }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn quoted(name: &str) -> Value {
    Value::String(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_printed_as_it_was_read() {
        for text in [
            "spec.replicas",
            "spec.template.spec.containers[name=\"web\"].image",
            "spec.ports[port=80,protocol=\"TCP\"].targetPort",
            "metadata.labels[\"app\"]",
            "metadata.annotations[\"example.com/a.b\"]",
            "spec.template.metadata.labels[\"app\"]",
            "data[\"MODE\"]",
            "spec.data.mode",
            "spec.rules[0].host",
            "spec.containers[name=\"web\"].resources.limits.cpu",
            "spec.containers[name=\"web\"].resources.limits[\"nvidia.com/gpu\"]",
            "spec.args[name=\"a\\\"b]\"]",
            "rules",
        ] {
            assert_eq!(text.parse::<Path>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_path_says_where() {
        for (text, at) in
            [("", 1), ("a.", 3), ("a[", 3), ("a[b]", 4), ("a[b=]", 5), ("a[0", 4), ("a[*]", 5), ("a[\"b\"]c", 7)]
        {
            assert_eq!(text.parse::<Path>().unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_names_and_all_below() {
        for (pattern, path, covered) in [
            ("spec.replicas", "spec.replicas", true),
            ("spec", "spec.replicas", true),
            ("spec.replicas", "spec", false),
            ("spec.containers[*].resources", "spec.containers[name=\"a\"].resources.limits.cpu", true),
            ("spec.containers[*].resources", "spec.containers[name=\"a\"].image", false),
            ("spec.ports[port=80]", "spec.ports[port=80,protocol=\"TCP\"].nodePort", true),
            ("spec.ports[port=81]", "spec.ports[port=80,protocol=\"TCP\"].nodePort", false),
            ("metadata.annotations[\"example.com/*\"]", "metadata.annotations[\"example.com/a\"]", true),
            ("metadata.annotations[\"example.com/*\"]", "metadata.annotations[\"example.org/a\"]", false),
            ("/spec/replicas", "spec.replicas", true),
            ("/metadata/annotations/a~1b", "metadata.annotations[\"a/b\"]", true),
            ("*.replicas", "spec.replicas", true),
        ] {
            let (pattern_is, path_is) = (pattern.parse::<Pattern>().unwrap(), path.parse().unwrap());
            assert_eq!(pattern_is.covers(&path_is), covered, "{pattern} on {path}");
        }
    }
}
