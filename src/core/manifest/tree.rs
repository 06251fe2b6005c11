//! A document as written: aliases not yet followed, scalars not yet resolved.
//!
//! The nodes are in one array in pre-order, each with the end of its subtree. That
//! costs one allocation for a document, an alias is an index, and a subtree is
//! visited as often as it is referred to without being copied.

use std::borrow::Cow;

use super::error::{DocumentError, Reason};
use super::positions::Position;

/// The deepest nesting that is accepted. A CRD's schema reaches some 60 levels.
pub(super) const MAX_DEPTH: usize = 200;

/// The most nodes of one document that are accepted, keys included. The largest
/// real manifests, bundles of CRDs, have some ten thousand.
pub(super) const MAX_NODES: usize = 1_000_000;

/// The index of a tree's root.
pub(super) const ROOT: usize = 0;

pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

pub(super) struct Node<'a> {
    pub(super) kind: NodeKind<'a>,
    pub(super) position: Position,
    /// The index behind the last node of its subtree.
    end: usize,
}

pub(super) enum NodeKind<'a> {
    /// An alias of the node at this index, which is complete.
    Alias(usize),
    /// Its children are keys and values in turn.
    Mapping,
    Scalar(Scalar<'a>),
    Sequence,
}

pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether it is neither quoted nor a block.
    pub(super) plain: bool,
    pub(super) tag: Tag,
}

/// A scalar's tag, as far as it matters to Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Absent,
    Binary,
    Bool,
    Float,
    Int,
    Merge,
    Null,
    /// `!!str`, and every unknown tag: the text as it is.
    Text,
}

impl<'a> Tree<'a> {
    pub(super) fn node(&self, index: usize) -> &Node<'a> {
        &self.nodes[index]
    }

    pub(super) fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        let end = self.nodes[index].end;
        let mut next = index + 1;
        std::iter::from_fn(move || {
            let child = (next < end).then_some(next)?;
            next = self.nodes[child].end;
            Some(child)
        })
    }

    /// The keys of a mapping with their values.
    pub(super) fn entries(&self, index: usize) -> impl Iterator<Item = (usize, usize)> {
        let mut children = self.children(index);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }
}

/// Builds a tree from front to back, within the bounds.
#[derive(Default)]
pub(super) struct TreeBuilder<'a> {
    nodes: Vec<Node<'a>>,
    open: Vec<usize>,
}

impl<'a> TreeBuilder<'a> {
    /// Adds a node without children; returns its index.
    pub(super) fn leaf(&mut self, kind: NodeKind<'a>, position: Position) -> Result<usize, DocumentError> {
        let index = self.nodes.len();
        if index == MAX_NODES {
            return Err(DocumentError::at(position, Reason::TooManyNodes));
        }
        let end = index + 1;
        self.nodes.push(Node { kind, position, end });
        Ok(index)
    }

    /// Adds a node whose children follow until [`close`](Self::close).
    pub(super) fn open(&mut self, kind: NodeKind<'a>, position: Position) -> Result<(), DocumentError> {
        if self.open.len() == MAX_DEPTH {
            return Err(DocumentError::at(position, Reason::TooDeep));
        }
        let index = self.leaf(kind, position)?;
        self.open.push(index);
        Ok(())
    }

    /// Ends the innermost open node; returns its index.
    pub(super) fn close(&mut self) -> Option<usize> {
        let index = self.open.pop()?;
        self.nodes[index].end = self.nodes.len();
        Some(index)
    }

    /// The tree; nothing if nothing was added.
    pub(super) fn finish(self) -> Option<Tree<'a>> {
        let Self { nodes, open } = self;
        debug_assert!(open.is_empty(), "every node that was opened is closed");
        (!nodes.is_empty()).then_some(Tree { nodes })
    }
}
