//! Takes out of an object what admission added to a write, so that what is left is
//! what its writer brought.

use serde_json::{Map, Value};

use super::managed_fields::ManagedLists;
use super::owned_set::OwnedSet;
use crate::diff::{
    ItemIndex, ItemKeys, PathElement, SchemaRef, StructOwnership, is_allocated_by_server, object_meta_schema,
};

/// What is known of who brought the fields of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The API server noted what the write brings: all that is left is the writer's.
    Noted,
    /// Nothing is known.
    #[default]
    None,
    /// It was there, and the write took it away: all is the writer's.
    TakenAway,
}

/// Below this depth everything counts as the writer's: nothing that admission adds is as deep.
const MAX_DEPTH: usize = 64;
/// Look-ups in the entries of one object, which take about a tenth of a second. An object
/// of some megabytes with a dozen managers needs a part of them; what is left then counts
/// as the writer's.
const MAX_LOOKUPS: usize = 1_000_000;

/// Fields that are neither content nor metadata.
const NOT_CONTENT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
/// The metadata that a writer or an admission webhook can add to.
const METADATA: [&str; 4] = ["annotations", "finalizers", "labels", "ownerReferences"];

/// Removes from `new` what neither its writer nor Git nor `old` has: *additions* that no
/// entry of `metadata.managedFields` owns. What was there before, or is declared, stays
/// and is compared by its value, whoever owns it.
///
/// `is_same_in_every_version`: the kind's definition says that nothing is converted. `lists` are those of both
/// objects.
pub(crate) fn remove_foreign_additions(
    new: &mut Value,
    old: Option<&Value>,
    git: Option<&Value>,
    schema: SchemaRef<'_>,
    is_same_in_every_version: bool,
    lists: &ManagedLists<'_>,
) -> Evidence {
    match &lists.new {
        Some(_) if lists.is_unchanged => Evidence::None,
        Some(managed) => {
            let api_version = new["apiVersion"].as_str().unwrap_or_default().to_owned();
            let mut removal = Removal { lookups_left: MAX_LOOKUPS };
            removal.remove_from_metadata(new, old, git, &managed.metadata());
            match managed.content(&api_version, is_same_in_every_version) {
                Some(owned) => {
                    removal.remove_from_content(new, old, git, &owned, schema);
                    Evidence::Noted
                }
                None => Evidence::None,
            }
        }
        None if lists.old.is_some() => Evidence::TakenAway,
        None => Evidence::None,
    }
}

struct Removal {
    lookups_left: usize,
}

/// One value on both sides of a write, and in Git.
#[derive(Clone, Copy)]
struct Place<'v> {
    old: Option<&'v Value>,
    git: Option<&'v Value>,
    depth: usize,
}

impl Removal {
    fn remove_from_metadata(
        &mut self,
        new: &mut Value,
        old: Option<&Value>,
        git: Option<&Value>,
        owned: &OwnedSet<'_>,
    ) {
        let Some(Value::Object(metadata)) = new.get_mut("metadata") else { return };
        let [old, git] = [old, git].map(|object| object.and_then(|object| object.get("metadata")));
        let place = Place { old, git, depth: 0 };
        let schema = object_meta_schema();
        metadata.retain(|name, value| {
            !METADATA.contains(&name.as_str())
                || self.keep(value, place.field(name, schema), &owned.field(name), schema.field(name))
        });
    }

    fn remove_from_content(
        &mut self,
        new: &mut Value,
        old: Option<&Value>,
        git: Option<&Value>,
        owned: &OwnedSet<'_>,
        schema: SchemaRef<'_>,
    ) {
        let Value::Object(fields) = new else { return };
        let place = Place { old, git, depth: 0 };
        fields.retain(|name, value| {
            NOT_CONTENT.contains(&name.as_str())
                || self.keep(value, place.field(name, schema), &owned.field_of(name, schema), schema.field(name))
        });
    }

    /// Removes from `new` what was added to it; `false` where all of it was added.
    fn keep(&mut self, new: &mut Value, place: Place<'_>, owned: &OwnedSet<'_>, schema: SchemaRef<'_>) -> bool {
        if new.is_null() {
            return true;
        }
        if !place.is_there() && owned.is_empty() {
            return false;
        }
        if self.lookups_left == 0 || place.depth > MAX_DEPTH || owned.is_whole(schema) {
            return true;
        }
        match new {
            Value::Object(fields) => self.remove_from_fields(fields, place, owned, schema),
            Value::Array(items) => self.remove_from_items(items, place, owned, schema),
            _ => {}
        }
        true
    }

    fn remove_from_fields(
        &mut self,
        fields: &mut Map<String, Value>,
        place: Place<'_>,
        owned: &OwnedSet<'_>,
        schema: SchemaRef<'_>,
    ) {
        // What is owned whole by nobody is still one value: it is there, and has changed.
        if schema.ownership() == StructOwnership::Whole {
            return;
        }
        fields.retain(|name, value| {
            self.lookups_left = self.lookups_left.saturating_sub(owned.len().max(1));
            self.lookups_left == 0
                || self.keep(value, place.field(name, schema), &owned.field_of(name, schema), schema.field(name))
        });
    }

    fn remove_from_items(
        &mut self,
        items: &mut Vec<Value>,
        place: Place<'_>,
        owned: &OwnedSet<'_>,
        schema: SchemaRef<'_>,
    ) {
        let [old, git] =
            [place.old, place.git].map(|list| list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice));
        let Some(keys) = ItemKeys::of(schema, &[git, old, items.as_slice()]) else { return };
        let ids = keys.ids(items);
        let [old, git] = [old, git].map(|list| ItemIndex::of(list, &keys));
        let mut ids = ids.into_iter();
        match keys {
            ItemKeys::WholeItem => {
                let Some(members) = owned.members() else { return };
                items.retain(|item| {
                    let id = ids.next();
                    let is_there = id.is_none_or(|id| old.get(&id).is_some() || git.get(&id).is_some());
                    is_there || members.contains(&item.to_string())
                });
            }
            ItemKeys::Fields(_) => {
                let Some(mut owned_items) = owned.items(&keys) else { return };
                // The API server does not know these keys: to it the list is one value.
                if !schema.is_keyed_by_server() && !owned.is_empty() {
                    return;
                }
                items.retain_mut(|item| {
                    let Some(id) = ids.next() else { return true };
                    let place = Place { old: old.get(&id), git: git.get(&id), depth: place.depth + 1 };
                    let owned = owned_items.remove(id.keys()).unwrap_or_default();
                    let item_keys = keys.path_element(item, None);
                    let is_kept = owned.has_leaf() || self.keep(item, place, &owned, schema.items());
                    owned_items.insert(id.keys().to_owned(), owned);
                    // An item stays the one that it is.
                    if let (Value::Object(fields), Some(PathElement::Item(position))) = (item, item_keys) {
                        for (name, key) in position.keys() {
                            fields.entry(&**name).or_insert_with(|| key.clone());
                        }
                    }
                    is_kept
                });
            }
        }
    }
}

impl Place<'_> {
    /// Whether the value was there before the write, or is declared.
    fn is_there(&self) -> bool {
        [self.old, self.git].into_iter().flatten().any(|value| !value.is_null())
    }

    fn field(&self, name: &str, schema: SchemaRef<'_>) -> Self {
        let [old, git] = [self.old, self.git].map(|value| value.and_then(|value| value.get(name)));
        let git = git.filter(|declared| !is_allocated_by_server(name, declared, schema));
        Self { old, git, depth: self.depth + 1 }
    }
}
