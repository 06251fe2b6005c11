//! Where each node of a value is written.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// A line and column of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Position {
    /// The start of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The positions of all nodes of a value, eight bytes each.
///
/// An entry of a mapping is where its key is, an item of a sequence where it
/// starts. A value that comes in through an alias or a merge key is where it is
/// actually written, since that is the line to change.
///
/// They are in pre-order of the value, mappings in the sorted order of
/// `serde_json`'s map, so they are of use only together with that value.
///
/// A rendered object can come from several files: `other_files` has the nodes that
/// are written in another file than the object itself, by their indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    pub(super) positions: Box<[Position]>,
    pub(super) other_files: Box<[(u32, Arc<str>)]>,
}

/// One segment of the way down a value. Unlike an element of a field path it never
/// names an item by its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// To the entry of a mapping.
    Key(&'a str),
    /// To the item of a sequence, from 0.
    Index(usize),
}

impl Positions {
    pub(super) fn new(positions: impl Into<Box<[Position]>>) -> Self {
        Self { positions: positions.into(), other_files: Box::default() }
    }

    /// Positions in several files; `other_files` is in the order of the nodes.
    pub(super) fn in_several_files(positions: Vec<Position>, other_files: Vec<(u32, Arc<str>)>) -> Self {
        Self { positions: positions.into(), other_files: other_files.into() }
    }

    /// The position of the node that `segments` lead to from the root of `value`,
    /// which must be the value that these positions were made for.
    ///
    /// Costs a walk over the part of the value before that node: little compared
    /// with parsing it, but too much for a loop over all nodes.
    pub fn find(&self, value: &Value, segments: &[Segment<'_>]) -> Option<Position> {
        self.at(index(value, segments)?)
    }

    /// The file of that node, where it is not the object's.
    pub fn file(&self, value: &Value, segments: &[Segment<'_>]) -> Option<&Arc<str>> {
        let index = u32::try_from(index(value, segments)?).ok()?;
        let at = self.other_files.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.other_files[at].1)
    }

    pub(super) fn at(&self, index: usize) -> Option<Position> {
        self.positions.get(index).copied()
    }

    /// How many nodes there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.positions.len()
    }
}

/// The index in pre-order of the node that `segments` lead to.
pub(super) fn index(value: &Value, segments: &[Segment<'_>]) -> Option<usize> {
    let mut node = value;
    let mut index = 0;
    for segment in segments {
        let (child, offset) = descend(node, *segment)?;
        index += offset;
        node = child;
    }
    Some(index)
}

/// The child, and its offset from the node.
fn descend<'v>(node: &'v Value, segment: Segment<'_>) -> Option<(&'v Value, usize)> {
    match (node, segment) {
        (Value::Object(map), Segment::Key(key)) => Some((map.get(key)?, entry_offset(map, key))),
        (Value::Array(items), Segment::Index(index)) => Some((items.get(index)?, item_offset(items, index))),
        _ => None,
    }
}

/// How many nodes after its mapping an entry is, or would be.
pub(super) fn entry_offset(map: &Map<String, Value>, key: &str) -> usize {
    let entries_before = map.iter().take_while(|(name, _)| name.as_str() < key);
    1 + entries_before.map(|(_, value)| count(value)).sum::<usize>()
}

/// How many nodes after its sequence an item is.
pub(super) fn item_offset(items: &[Value], index: usize) -> usize {
    1 + items.iter().take(index).map(count).sum::<usize>()
}

/// How many nodes a value has, itself included.
pub(super) fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}
