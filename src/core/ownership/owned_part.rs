//! The part of an object that some managers own, with the values that it has: what they
//! sent, as long as nobody else has changed it.
//!
//! The entries say themselves how a list is owned (`k:{…}` an item by its keys, `v:…` a member of a set); only
//! whether an empty node owns what is below it takes a schema.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::managed_fields::{ManagedBy, WriteKind};
use super::owned_set::OwnedSet;
use crate::diff::{Allocations, SchemaRef, is_server_default, object_meta_schema, unknown_schema};

/// Below this depth all is theirs: nobody owns parts of what is as deep.
const MAX_DEPTH: usize = 64;

/// The metadata that anybody can own.
const METADATA: [&str; 4] = ["annotations", "finalizers", "labels", "ownerReferences"];

/// Who owns a part of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartOwners<'n> {
    /// Managers that own what they sent: those of server-side applies.
    pub(crate) apply: &'n [&'n str],
    /// Managers that own the server's defaults as well: those of other writes.
    pub(crate) update: &'n [&'n str],
}

/// What one value is owned by.
#[derive(Clone, Default)]
struct Owned<'m> {
    all: OwnedSet<'m>,
    /// Only what was sent.
    sent: OwnedSet<'m>,
}

impl Owned<'_> {
    fn field(&self, name: &str, schema: SchemaRef<'_>) -> Self {
        Self { all: self.all.field_of(name, schema), sent: self.sent.field_of(name, schema) }
    }
}

/// What these managers own of `object`, with `apiVersion` of their entry; `None` where they own nothing. What is
/// owned by an update, and equals a default, may not have been sent, and is left out.
pub(crate) fn owned_part(object: &Value, owners: PartOwners<'_>, schema: SchemaRef<'_>) -> Option<Value> {
    let applied = ManagedBy::of(object, owners.apply, Some(WriteKind::Apply));
    let updated = ManagedBy::of(object, owners.update, Some(WriteKind::Update));
    let own_version = object["apiVersion"].as_str().unwrap_or_default();
    let api_version = applied.api_version(own_version).or_else(|| updated.api_version(own_version))?;
    let sent = applied.fields(api_version);
    let owned = Owned { all: sent.clone().and(updated.fields(api_version)), sent };
    let mut part = Map::new();
    for (name, value) in object.as_object()? {
        match name.as_str() {
            "apiVersion" => drop(part.insert(name.clone(), api_version.into())),
            "kind" => drop(part.insert(name.clone(), value.clone())),
            "metadata" => {
                let owned = owned.field("metadata", unknown_schema());
                drop(part.insert(name.clone(), Value::Object(owned_metadata(value, &owned))));
            }
            "status" => {}
            _ => {
                let fields = object.as_object()?;
                if let Some(value) = owned_field(name, value, fields, &owned, schema, 0) {
                    part.insert(name.clone(), value);
                }
            }
        }
    }
    Some(Value::Object(part))
}

fn owned_metadata(metadata: &Value, owned: &Owned<'_>) -> Map<String, Value> {
    let mut part = Map::new();
    for name in METADATA {
        let owned = owned.field(name, unknown_schema());
        if let Some(value) = metadata.get(name).filter(|_| !owned.all.is_empty()) {
            part.insert(name.to_owned(), owned_value(value, &owned, object_meta_schema().field(name), 0));
        }
    }
    for name in ["name", "namespace"] {
        if let Some(value) = metadata.get(name) {
            part.insert(name.to_owned(), value.clone());
        }
    }
    part
}

/// What is owned of a field of `parent`; `None` where nothing is, or nobody knows.
fn owned_field(
    name: &str,
    value: &Value,
    parent: &Map<String, Value>,
    owned: &Owned<'_>,
    schema: SchemaRef<'_>,
    depth: usize,
) -> Option<Value> {
    let owned = owned.field(name, schema);
    let may_be_default = || is_server_default(name, None, Some(value), parent, schema, Allocations::MaybeServer);
    if owned.all.is_empty() || (owned.sent.is_empty() && may_be_default()) {
        return None;
    }
    Some(owned_value(value, &owned, schema.field(name), depth))
}

fn owned_value(value: &Value, owned: &Owned<'_>, schema: SchemaRef<'_>, depth: usize) -> Value {
    if owned.all.is_whole(schema) || depth > MAX_DEPTH {
        return value.clone();
    }
    match value {
        Value::Object(fields) => {
            let mut part = Map::new();
            for (name, value) in fields {
                if let Some(value) = owned_field(name, value, fields, owned, schema, depth + 1) {
                    part.insert(name.clone(), value);
                }
            }
            Value::Object(part)
        }
        Value::Array(items) => owned_items(items, owned, schema, depth),
        scalar => scalar.clone(),
    }
}

fn owned_items(items: &[Value], owned: &Owned<'_>, schema: SchemaRef<'_>, depth: usize) -> Value {
    if let Some(members) = owned.all.members().filter(|members| !members.is_empty()) {
        return items.iter().filter(|item| members.contains(&item.to_string())).cloned().collect();
    }
    let Some((keys, mut all)) = owned.all.keyed_items() else {
        // The list is one value.
        return Value::Array(items.to_vec());
    };
    let (_, mut sent) = owned.sent.keyed_items().unwrap_or_default();
    let mut part = Vec::new();
    for item in items {
        let text = key_text(&keys, item);
        let Some(all) = all.remove(&text) else { continue };
        let owned = Owned { all, sent: sent.remove(&text).unwrap_or_default() };
        let mut owned_item = owned_value(item, &owned, schema.items(), depth + 1);
        // An item stays the one that it is.
        if let Value::Object(fields) = &mut owned_item {
            for key in &keys {
                if let Some(value) = item.get(key) {
                    fields.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        part.push(owned_item);
    }
    Value::Array(part)
}

/// The values of these keys, as one text.
pub(super) fn key_text(keys: &[String], item: &Value) -> String {
    let mut text = String::new();
    for key in keys {
        text.push_str(&item.get(key).unwrap_or(&Value::Null).to_string());
        text.push('\n');
    }
    text
}

/// The items of a list that are owned one by one, by the text of their keys; and the names of the keys.
pub(super) type KeyedItems<'m> = (Vec<String>, HashMap<String, OwnedSet<'m>>);
