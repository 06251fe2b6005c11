//! What all entries together own of one value: sets of fields in the form that
//! `fieldsV1` has, without a copy.
//!
//! A node maps to what is owned below it: `f:NAME` a field, `k:{…}` an item of a keyed
//! list, `v:…` a member of a set, `i:N` an item by its index, `.` the value itself.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::field_set::FieldSet;
use super::owned_part::{KeyedItems, key_text};
use crate::diff::{ItemKeys, Path, PathElement, SchemaRef, StructOwnership};

/// What is owned of one value and below it: the nodes of the entries that own some of it.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnedSet<'m> {
    nodes: Vec<&'m FieldSet<'m>>,
}

impl<'m> OwnedSet<'m> {
    pub(super) fn of(nodes: impl Iterator<Item = &'m FieldSet<'m>>) -> Self {
        Self { nodes: nodes.collect() }
    }

    /// What either owns.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.nodes.extend(other.nodes);
        self
    }

    /// How many entries own some of the value: what one look at it costs.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nobody owns anything of the value.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether an entry owns the value without naming anything inside: a scalar,
    /// something atomic, or an empty struct.
    pub(super) fn has_leaf(&self) -> bool {
        self.nodes.iter().any(|node| node.iter().all(|(name, _)| name == "."))
    }

    /// What is owned of the field.
    pub(super) fn field(&self, name: &str) -> Self {
        Self { nodes: self.nodes.iter().filter_map(|node| node.field(name)).collect() }
    }

    /// What is owned of the field in a struct of this type, under whichever name it was sent.
    pub(super) fn field_of(&self, name: &str, schema: SchemaRef<'_>) -> Self {
        let mut owned = self.field(name);
        for other in schema.derived_from(name) {
            owned.nodes.extend(self.field(other).nodes);
        }
        owned
    }

    /// What is owned of each item of a keyed list, by the text of its keys; `None`
    /// where an entry owns items in another way.
    pub(super) fn items(&self, keys: &ItemKeys<'_>) -> Option<HashMap<String, Self>> {
        let mut items: HashMap<String, Self> = HashMap::new();
        for node in &self.nodes {
            for (name, below) in node.iter() {
                if name == "." {
                    continue;
                }
                let item = serde_json::from_str(name.strip_prefix("k:")?).ok().filter(Value::is_object)?;
                items.entry(keys.text(&item)).or_default().nodes.push(below);
            }
        }
        Some(items)
    }

    /// The same, by the keys that the entries themselves name; `None` where items are not owned by keys.
    pub(super) fn keyed_items(&self) -> Option<KeyedItems<'m>> {
        let mut keys: Vec<String> = Vec::new();
        let mut items: HashMap<String, Self> = HashMap::new();
        for node in &self.nodes {
            for (name, below) in node.iter() {
                if name == "." {
                    continue;
                }
                let item: Value = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
                if keys.is_empty() {
                    keys = item.as_object()?.keys().cloned().collect();
                }
                items.entry(key_text(&keys, &item)).or_default().nodes.push(below);
            }
        }
        if items.is_empty() { None } else { Some((keys, items)) }
    }

    /// The members of a set that are owned; `None` where an entry owns them in another way.
    pub(super) fn members(&self) -> Option<HashSet<String>> {
        let mut members = HashSet::new();
        for node in &self.nodes {
            for (name, _) in node.iter().filter(|(name, _)| *name != ".") {
                let member: Value = serde_json::from_str(name.strip_prefix("v:")?).ok()?;
                members.insert(member.to_string());
            }
        }
        Some(members)
    }

    /// How the value is owned: all of it by whoever owns it, or part by part.
    pub(super) fn is_whole(&self, schema: SchemaRef<'_>) -> bool {
        match schema.ownership() {
            StructOwnership::Whole => !self.is_empty(),
            StructOwnership::Unknown => self.has_leaf(),
            StructOwnership::ByField => false,
        }
    }

    /// Whether somebody owns the field, or something below it, or all of something above.
    pub(super) fn owns(&self, path: &Path, mut schema: SchemaRef<'_>) -> bool {
        let mut owned = self.clone();
        for element in path.elements() {
            if owned.is_empty() || owned.is_whole(schema) {
                break;
            }
            (owned, schema) = match element {
                PathElement::Field(name) => (owned.field_of(name, schema), schema.field(name)),
                PathElement::Item(position) => {
                    let keys = position.keys().iter();
                    let item = Value::Object(keys.map(|(name, key)| (name.to_string(), key.clone())).collect());
                    let below = ItemKeys::of(schema, &[std::slice::from_ref(&item)]).and_then(|keys| {
                        let text = keys.text(&item);
                        Some(owned.items(&keys)?.remove(&text).unwrap_or_default())
                    });
                    match below {
                        Some(below) => (below, schema.items()),
                        // The list is owned as a whole.
                        None => break,
                    }
                }
                PathElement::Index(_) => break,
            };
        }
        !owned.is_empty()
    }
}
