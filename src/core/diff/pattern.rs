//! Patterns of field paths, as rules name fields: paths with wildcards, and JSON pointers.

use std::str::FromStr;

use globset::GlobMatcher;
use serde_json::Value;

use super::path::{Parser, Part, Path, PathElement, PathError};
use crate::glob;

/// A path with wildcards: `[*]` for any item, `*` in a name for any text. It
/// covers what it names and everything below.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<PatternElement>);

#[derive(Clone, Debug)]
enum PatternElement {
    AnyItem,
    Glob(GlobMatcher),
    Exact(PathElement),
    /// A token of a JSON pointer: a field, or an item where it is a number (RFC 6901, section 4).
    Token(Box<str>),
}

impl Pattern {
    /// Whether the pattern names `path` or something above it.
    pub fn covers(&self, path: &Path) -> bool {
        let path = path.elements();
        self.0.len() <= path.len() && self.0.iter().zip(path).all(|(pattern, element)| pattern.matches(element))
    }

    /// Takes out of the value at `path` what the pattern names below it; `false` where it names nothing there.
    pub(crate) fn remove_below(&self, path: &Path, value: &mut Value) -> bool {
        let Some((above, below)) = self.0.split_at_checked(path.elements().len()) else { return false };
        above.iter().zip(path.elements()).all(|(pattern, element)| pattern.matches(element)) && remove_at(below, value)
    }
}

/// Takes out of a value what these elements lead to; whether anything was there.
fn remove_at(elements: &[PatternElement], value: &mut Value) -> bool {
    let Some((first, below)) = elements.split_first() else { return false };
    let is_last = below.is_empty();
    let mut is_removed = false;
    // What is taken out; below the others it is looked for.
    let mut goes = |element: PathElement, value: &mut Value| {
        let is_named = first.matches(&element);
        let is_gone = is_named && is_last;
        is_removed |= is_gone || (is_named && remove_at(below, value));
        is_gone
    };
    match value {
        Value::Object(fields) => fields.retain(|name, value| !goes(PathElement::Field(name.as_str().into()), value)),
        Value::Array(items) => {
            let mut index = 0..;
            items.retain_mut(|item| !index.next().is_some_and(|index| goes(PathElement::Index(index), item)));
        }
        _ => {}
    }
    is_removed
}

impl PatternElement {
    fn matches(&self, element: &PathElement) -> bool {
        match (self, element) {
            (Self::AnyItem, PathElement::Index(_) | PathElement::Item(_)) => true,
            (Self::Glob(glob), PathElement::Field(name)) => glob.is_match(&**name),
            // A pattern may name fewer keys than the list has: `ports[port=80]`.
            (Self::Exact(PathElement::Item(wanted)), PathElement::Item(item)) => {
                wanted.keys().iter().all(|pair| item.keys().contains(pair))
            }
            (Self::Exact(PathElement::Index(wanted)), PathElement::Item(item)) => item.index() == Some(*wanted),
            (Self::Exact(wanted), element) => wanted == element,
            (Self::Token(token), PathElement::Field(name)) => token == name,
            (Self::Token(token), PathElement::Index(index)) => is_index(token, *index),
            (Self::Token(token), PathElement::Item(item)) => item.index().is_some_and(|index| is_index(token, index)),
            _ => false,
        }
    }
}

impl FromStr for Pattern {
    type Err = PathError;

    /// Parses a path with wildcards, or a JSON pointer (`/spec/replicas`), as
    /// Argo CD's `ignoreDifferences` has them.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if let Some(pointer) = text.strip_prefix('/') {
            let element = |token: &str| PatternElement::Token(token.replace("~1", "/").replace("~0", "~").into());
            return Ok(Self(pointer.split('/').map(element).collect()));
        }
        let mut parser = Parser::new(text);
        let mut elements = Vec::new();
        while let Some(part) = parser.next()? {
            elements.push(match part {
                Part::AnyItem => PatternElement::AnyItem,
                Part::Element(PathElement::Field(name)) if name.contains('*') => match glob::matcher(&name) {
                    Ok(matcher) => PatternElement::Glob(matcher),
                    Err(_) => return Err(parser.error("not a glob")),
                },
                Part::Element(element) => PatternElement::Exact(element),
            });
        }
        Ok(Self(elements))
    }
}

/// Whether a token of a JSON pointer is this index.
fn is_index(token: &str, index: usize) -> bool {
    *token == index.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_it_names_and_everything_below() {
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
            ("/data/8080", "data[\"8080\"]", true),
            ("/data/08", "data[\"08\"]", true),
            ("/spec/rules/0/host", "spec.rules[0].host", true),
            ("/spec/rules/00/host", "spec.rules[0].host", false),
            ("/spec/rules/+0/host", "spec.rules[0].host", false),
            ("*.replicas", "spec.replicas", true),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            assert_eq!(parsed.covers(&path.parse().unwrap()), covered, "{pattern} on {path}");
        }
    }
}
