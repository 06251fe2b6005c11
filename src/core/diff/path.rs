//! Field paths, printed and parsed in one notation, as people write them:
//! `spec.template.spec.containers[name="web"].image`,
//! `metadata.labels["app"]`, `spec.ports[port=80,protocol="TCP"].targetPort`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// One element of a path: from a value to a value inside it.
#[derive(Clone, Debug, PartialEq)]
pub enum PathElement {
    /// A field of an object, or a key of a map.
    Field(Box<str>),
    /// An item of a list, by its index from 0.
    Index(usize),
    /// An item of a keyed list, by its key fields.
    Item(ItemPosition),
}

/// Which item of a keyed list: its key fields, and where it stands, if that is known. Items with
/// the same keys are the same one, wherever they stand.
#[derive(Clone, Debug)]
pub struct ItemPosition {
    keys: Vec<(Box<str>, Value)>,
    /// From 0: in Git's list, or in the object under review where Git does not have the item.
    index: Option<usize>,
}

/// The path from an object's root to one of its fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path(Vec<PathElement>);

/// A path that cannot be parsed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to parse the path `{text}` at character {at}: {reason}")]
pub struct PathError {
    text: String,
    at: usize,
    reason: &'static str,
}

/// Maps whose keys are data, not field names: these keys are printed in quotes.
const DATA_MAPS: [&str; 3] = ["annotations", "labels", "matchLabels"];

/// The same, at the root of an object only: below `spec`, `data` is a field like any other.
const ROOT_DATA_MAPS: [&str; 3] = ["binaryData", "data", "stringData"];

// === impl ItemPosition ===

impl ItemPosition {
    /// The item with these keys, which stands at `index`.
    pub fn new(keys: Vec<(Box<str>, Value)>, index: Option<usize>) -> Self {
        Self { keys, index }
    }

    /// Where it stands, from 0.
    pub fn index(&self) -> Option<usize> {
        self.index
    }

    /// The key fields and their values.
    pub fn keys(&self) -> &[(Box<str>, Value)] {
        &self.keys
    }
}

impl PartialEq for ItemPosition {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

// === impl Path ===

impl Path {
    /// The path of these field names.
    pub fn of(fields: &[&str]) -> Self {
        Self(fields.iter().map(|name| PathElement::Field((*name).into())).collect())
    }

    /// The elements, from the root down.
    pub fn elements(&self) -> &[PathElement] {
        &self.0
    }

    /// The path of what this is in: its first `levels` elements.
    #[must_use]
    pub fn prefix(&self, levels: usize) -> Self {
        Self(self.0.iter().take(levels).cloned().collect())
    }

    /// Bytes of memory that the path takes, about.
    pub fn size(&self) -> usize {
        let of_value = |value: &Value| value.as_str().map_or(0, str::len);
        let of_element = |element: &PathElement| match element {
            PathElement::Field(name) => name.len(),
            PathElement::Index(_) => 0,
            PathElement::Item(item) => item.keys.iter().map(|(name, value)| name.len() + of_value(value) + 64).sum(),
        };
        self.0.iter().map(|element| size_of::<PathElement>() + of_element(element)).sum()
    }

    /// Adds an element at the end: one level down.
    pub fn push(&mut self, element: PathElement) {
        self.0.push(element);
    }

    /// Removes the last element: one level up.
    pub fn pop(&mut self) {
        self.0.pop();
    }

    /// This path with the field `name` below it.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let mut path = self.clone();
        path.push(PathElement::Field(name.into()));
        path
    }

    /// Whether the path is `fields`, or something below them.
    pub fn starts_with(&self, fields: &[&str]) -> bool {
        fields.len() <= self.0.len()
            && fields
                .iter()
                .zip(&self.0)
                .all(|(name, element)| matches!(element, PathElement::Field(field) if **field == **name))
    }

    /// Whether the path is exactly `fields`.
    pub fn is_exactly(&self, fields: &[&str]) -> bool {
        fields.len() == self.0.len() && self.starts_with(fields)
    }

    /// Whether one of both paths leads to something in the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.elements().iter().zip(other.elements()).all(|(a, b)| a == b)
    }

    /// The name of the last field, unless the path ends in a list.
    pub fn last_field(&self) -> Option<&str> {
        match self.0.last() {
            Some(PathElement::Field(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether the path ends at a map whose keys are data.
    pub fn ends_at_data_map(&self) -> bool {
        self.last_field().is_some_and(|name| is_data_map(name, self.0.len() - 1))
    }

    /// Whether the path ends at an item of a keyed list.
    pub fn ends_at_item(&self) -> bool {
        matches!(self.0.last(), Some(PathElement::Item(_)))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut in_data_map = false;
        for (depth, element) in self.0.iter().enumerate() {
            match element {
                PathElement::Field(name) if is_plain(name) && !in_data_map => {
                    write!(f, "{}{name}", if depth == 0 { "" } else { "." })?;
                }
                PathElement::Field(name) => write!(f, "[{}]", quoted(name))?,
                PathElement::Index(index) => write!(f, "[{index}]")?,
                PathElement::Item(item) => {
                    f.write_str("[")?;
                    for (n, (name, value)) in item.keys.iter().enumerate() {
                        write!(f, "{}{name}={value}", if n == 0 { "" } else { "," })?;
                    }
                    f.write_str("]")?;
                }
            }
            in_data_map = matches!(element, PathElement::Field(name) if is_data_map(name, depth));
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parser = Parser::new(text);
        let mut path = Self::default();
        while let Some(part) = parser.next()? {
            match part {
                Part::AnyItem => return Err(parser.error("`[*]` is allowed in patterns only")),
                Part::Element(element) => path.push(element),
            }
        }
        Ok(path)
    }
}

// === the parser ===

/// What a path or pattern consists of.
pub(super) enum Part {
    /// `[*]`.
    AnyItem,
    Element(PathElement),
}

pub(super) struct Parser<'a> {
    text: &'a str,
    /// The next byte.
    at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn error(&self, reason: &'static str) -> PathError {
        PathError { text: self.text.to_owned(), at: self.at + 1, reason }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Consumes `token` where it is next.
    fn eat(&mut self, token: char) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len_utf8();
        }
        is_next
    }

    /// The text up to one of these characters.
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

    /// The next part; `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Part>, PathError> {
        if self.rest().is_empty() {
            return if self.at == 0 { Err(self.error("the path is empty")) } else { Ok(None) };
        }
        if !self.eat('[') {
            if self.at > 0 && !self.eat('.') {
                return Err(self.error("a `.` or `[` is missing"));
            }
            return Ok(Some(Part::Element(PathElement::Field(self.word(&['.', '['])?.into()))));
        }
        let part = if self.eat('*') {
            Part::AnyItem
        } else if self.rest().starts_with('"') {
            match self.value()? {
                Value::String(name) => Part::Element(PathElement::Field(name.into())),
                _ => return Err(self.error("a text in quotes is missing")),
            }
        } else if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            let digits = self.word(&[']'])?;
            Part::Element(PathElement::Index(digits.parse().map_err(|_| self.error("not a list index"))?))
        } else {
            let mut keys = Vec::new();
            loop {
                let name = self.word(&['=', ']', ','])?;
                if !self.eat('=') {
                    return Err(self.error("`=` is missing after the key's name"));
                }
                keys.push((name.into(), self.value()?));
                if !self.eat(',') {
                    break Part::Element(PathElement::Item(ItemPosition::new(keys, None)));
                }
            }
        };
        if self.eat(']') { Ok(Some(part)) } else { Err(self.error("a `]` is missing")) }
    }
}

/// Whether a field of this name, `depth` levels below the root, is a map whose keys are data.
fn is_data_map(name: &str, depth: usize) -> bool {
    DATA_MAPS.contains(&name) || (depth == 0 && ROOT_DATA_MAPS.contains(&name))
}

/// Whether a name is printed without quotes.
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
    fn a_path_is_printed_as_it_was_written() {
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
    fn the_error_of_a_bad_path_names_the_character() {
        for (text, at) in
            [("", 1), ("a.", 3), ("a[", 3), ("a[b]", 4), ("a[b=]", 5), ("a[0", 4), ("a[*]", 5), ("a[\"b\"]c", 7)]
        {
            assert_eq!(text.parse::<Path>().unwrap_err().at, at, "{text}");
        }
    }
}
