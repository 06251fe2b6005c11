//! Where each node of a value is written.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A place in a file.
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
/// starts. What comes in through an alias or a merge key is where it is really
/// written, since that is the line to change.
///
/// They are in pre-order of the value, mappings in the sorted order of
/// `serde_json`'s map, so they mean something only beside that value.
///
/// A rendered object can come from several files: `strewn` has the nodes that
/// stand in another file than the object itself, by their indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Positions {
    positions: Box<[Position]>,
    strewn: Box<[(u32, Arc<str>)]>,
}

/// One step down a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// To the entry of a mapping.
    Key(&'a str),
    /// To the item of a sequence, from 0.
    Index(usize),
}

impl Positions {
    pub(super) fn new(positions: impl Into<Box<[Position]>>) -> Self {
        Self { positions: positions.into(), strewn: Box::default() }
    }

    /// `strewn` is in the order of the nodes.
    pub(super) fn strewn(positions: Vec<Position>, strewn: Vec<(u32, Arc<str>)>) -> Self {
        Self { positions: positions.into(), strewn: strewn.into() }
    }

    /// The position of the node that `steps` lead to from the root of `value`,
    /// which must be the value that these marks were made with.
    ///
    /// Costs a walk over the part of the value before that node: little beside
    /// parsing it, but nothing for a loop over all nodes.
    pub fn find(&self, value: &Value, steps: &[Step<'_>]) -> Option<Position> {
        self.at(index(value, steps)?)
    }

    /// The file of that node, where it is another than the object's.
    pub fn file(&self, value: &Value, steps: &[Step<'_>]) -> Option<&Arc<str>> {
        let index = u32::try_from(index(value, steps)?).ok()?;
        let at = self.strewn.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.strewn[at].1)
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

/// The index in pre-order of the node that `steps` lead to.
fn index(value: &Value, steps: &[Step<'_>]) -> Option<usize> {
    let mut node = value;
    let mut index = 0;
    for step in steps {
        let (child, before) = descend(node, *step)?;
        index += 1 + before;
        node = child;
    }
    Some(index)
}

/// The child, and how many nodes its elder siblings make up.
fn descend<'v>(node: &'v Value, step: Step<'_>) -> Option<(&'v Value, usize)> {
    match (node, step) {
        (Value::Object(map), Step::Key(key)) => {
            let child = map.get(key)?;
            let elder = map.iter().take_while(|(name, _)| *name != key);
            Some((child, elder.map(|(_, value)| count(value)).sum()))
        }
        (Value::Array(items), Step::Index(at)) => {
            let child = items.get(at)?;
            Some((child, items.iter().take(at).map(count).sum()))
        }
        _ => None,
    }
}

/// How many nodes a value has, itself included.
pub(super) fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}
