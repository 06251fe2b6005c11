//! From a tree to a value: aliases followed, merge keys merged, keys made strings.

use std::borrow::Cow;

use serde_json::Value;

use super::error::{DocumentError, Reason};
use super::positions::Position;
use super::scalar;
use super::tree::{MAX_DEPTH, NodeKind, ROOT, Scalar, Tag, Tree};

/// The most text that aliases may add, in bytes. The rule on nodes alone would
/// allow one large text to be repeated many thousand times.
const MAX_ALIASED_TEXT: usize = 8 << 20;

/// The value of a document, with the position of each node in pre-order.
pub(super) fn expand(tree: &Tree<'_>) -> Result<(Value, Vec<Position>), DocumentError> {
    let mut expander = Expander { tree, positions: Vec::new(), depth: 0, budget: AliasBudget::default() };
    let value = expander.value(ROOT, None)?;
    Ok((value, expander.positions))
}

struct Expander<'t, 'a> {
    tree: &'t Tree<'a>,
    positions: Vec<Position>,
    depth: usize,
    budget: AliasBudget,
}

/// An entry of a mapping, before its value is expanded.
struct Entry<'t> {
    key: Cow<'t, str>,
    position: Position,
    value: usize,
    /// It came in through an alias, so its value counts as aliased.
    aliased: bool,
}

impl<'t> Expander<'t, '_> {
    /// The value of a node; `key` is the position of its key, if it has one.
    fn value(&mut self, index: usize, key: Option<Position>) -> Result<Value, DocumentError> {
        let tree = self.tree;
        let node = tree.node(index);
        self.budget.node(node.position)?;
        if !matches!(node.kind, NodeKind::Alias(_)) {
            self.positions.push(key.unwrap_or(node.position));
        }
        match &node.kind {
            NodeKind::Alias(target) => {
                self.budget.aliases += 1;
                let value = self.value(*target, None);
                self.budget.aliases -= 1;
                value
            }
            NodeKind::Mapping => {
                self.enter(node.position)?;
                let map = self.mapping(index)?;
                self.depth -= 1;
                Ok(map)
            }
            NodeKind::Scalar(text) => {
                self.budget.text(text, node.position)?;
                scalar::resolve(text)
                    .and_then(|(resolved, text)| scalar::value(resolved, text))
                    .map_err(|reason| DocumentError::at(node.position, reason))
            }
            NodeKind::Sequence => {
                self.enter(node.position)?;
                let items = tree.children(index).map(|item| self.value(item, None));
                let items = items.collect::<Result<_, _>>()?;
                self.depth -= 1;
                Ok(Value::Array(items))
            }
        }
    }

    fn mapping(&mut self, index: usize) -> Result<Value, DocumentError> {
        let mut entries = Vec::new();
        self.collect_entries(index, &mut entries)?;
        // Of entries with the same key the last one stays; the sort is stable.
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries.dedup_by(|later, kept| {
            let same = later.key == kept.key;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        let entries = entries.into_iter().map(|entry| {
            self.budget.aliases += usize::from(entry.aliased);
            let value = self.value(entry.value, Some(entry.position))?;
            self.budget.aliases -= usize::from(entry.aliased);
            Ok((entry.key.into_owned(), value))
        });
        Ok(Value::Object(entries.collect::<Result<_, _>>()?))
    }

    /// The entries of a mapping in the order in which they take effect. A
    /// merge key takes effect where it is written: it overwrites what is before it,
    /// as in goyaml v2 (in the YAML standard the explicit entries would win).
    fn collect_entries(&mut self, index: usize, entries: &mut Vec<Entry<'t>>) -> Result<(), DocumentError> {
        let tree = self.tree;
        for (key, value) in tree.entries(index) {
            let position = tree.node(key).position;
            if is_merge(&tree.node(key).kind) {
                self.merge(value, entries)?;
                continue;
            }
            let key = self.key(key)?;
            entries.push(Entry { key, position, value, aliased: self.budget.aliases > 0 });
        }
        Ok(())
    }

    /// Merges a mapping, or a list of mappings of which the first wins.
    fn merge(&mut self, index: usize, entries: &mut Vec<Entry<'t>>) -> Result<(), DocumentError> {
        let tree = self.tree;
        if !matches!(tree.node(index).kind, NodeKind::Sequence) {
            return self.merge_mapping(index, entries);
        }
        let items: Vec<usize> = tree.children(index).collect();
        items.into_iter().rev().try_for_each(|item| self.merge_mapping(item, entries))
    }

    fn merge_mapping(&mut self, index: usize, entries: &mut Vec<Entry<'t>>) -> Result<(), DocumentError> {
        let node = self.tree.node(index);
        let (target, aliased) = match node.kind {
            NodeKind::Alias(target) => (target, true),
            _ => (index, false),
        };
        if !matches!(self.tree.node(target).kind, NodeKind::Mapping) {
            return Err(DocumentError::at(node.position, Reason::InvalidMerge));
        }
        self.enter(node.position)?;
        self.budget.aliases += usize::from(aliased);
        self.budget.node(node.position)?;
        self.collect_entries(target, entries)?;
        self.budget.aliases -= usize::from(aliased);
        self.depth -= 1;
        Ok(())
    }

    fn key(&mut self, index: usize) -> Result<Cow<'t, str>, DocumentError> {
        let node = self.tree.node(index);
        let (target, aliased) = match node.kind {
            NodeKind::Alias(target) => (target, true),
            _ => (index, false),
        };
        let invalid = |reason| DocumentError::at(node.position, reason);
        let NodeKind::Scalar(text) = &self.tree.node(target).kind else {
            return Err(invalid(Reason::InvalidKey));
        };
        self.budget.aliases += usize::from(aliased);
        self.budget.node(node.position)?;
        self.budget.text(text, node.position)?;
        self.budget.aliases -= usize::from(aliased);
        scalar::resolve(text).and_then(|(resolved, text)| scalar::key(resolved, text)).map_err(invalid)
    }

    /// Goes one level down. Aliases nest what was written side by side, so the
    /// bound on the written depth is not enough.
    fn enter(&mut self, position: Position) -> Result<(), DocumentError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DocumentError::at(position, Reason::TooDeep));
        }
        Ok(())
    }
}

fn is_merge(key: &NodeKind<'_>) -> bool {
    match key {
        NodeKind::Scalar(Scalar { text, plain, tag }) => {
            text == "<<" && (*tag == Tag::Merge || (*plain && *tag == Tag::Absent))
        }
        _ => false,
    }
}

/// How much of a value comes in through aliases, checked by goyaml's own rule (so
/// that what Kubernetes accepts is accepted here) and by [`MAX_ALIASED_TEXT`].
#[derive(Default)]
struct AliasBudget {
    /// How many aliases lead to the current node.
    aliases: usize,
    nodes: u32,
    aliased_nodes: u32,
    aliased_text: usize,
}

impl AliasBudget {
    fn node(&mut self, position: Position) -> Result<(), DocumentError> {
        self.nodes += 1;
        if self.aliases == 0 {
            return Ok(());
        }
        self.aliased_nodes += 1;
        let share = f64::from(self.aliased_nodes) / f64::from(self.nodes);
        let excessive = self.aliased_nodes > 100 && self.nodes > 1000 && share > allowed_share(self.nodes);
        Self::check(excessive, position)
    }

    fn text(&mut self, scalar: &Scalar<'_>, position: Position) -> Result<(), DocumentError> {
        if self.aliases == 0 {
            return Ok(());
        }
        self.aliased_text += scalar.text.len();
        Self::check(self.aliased_text > MAX_ALIASED_TEXT, position)
    }

    fn check(excessive: bool, position: Position) -> Result<(), DocumentError> {
        if excessive {
            return Err(DocumentError::at(position, Reason::ExcessiveAliasing));
        }
        Ok(())
    }
}

/// The share of nodes that aliases may add: 99% of small documents, 10% of those
/// with millions of nodes, linear between: never more than 400,000 nodes.
fn allowed_share(nodes: u32) -> f64 {
    const LOW: u32 = 400_000;
    const HIGH: u32 = 4_000_000;
    match nodes {
        ..=LOW => 0.99,
        HIGH.. => 0.10,
        _ => 0.99 - 0.89 * f64::from(nodes - LOW) / f64::from(HIGH - LOW),
    }
}
