//! `metadata.managedFields`: one entry for each manager, operation, version and subresource.

use serde_json::{Map, Value};

use super::owned_set::OwnedSet;
use crate::diff::{Path, SchemaRef};

/// More entries than this are not read: the API server keeps ten of updates, and
/// every tool that applies has one.
const MAX_ENTRIES: usize = 1000;

/// Who owns which fields of an object, borrowed from it.
#[derive(Debug)]
pub(crate) struct ManagedFields<'m> {
    entries: Vec<Entry<'m>>,
}

#[derive(Debug)]
struct Entry<'m> {
    api_version: &'m str,
    subresource: &'m str,
    /// Manager and operation.
    owner: (&'m str, &'m str),
    fields: &'m Map<String, Value>,
}

impl<'m> ManagedFields<'m> {
    /// Reads the list; `None` where there is none, or not one that an API server
    /// writes: then nothing is known of who owns what.
    pub(crate) fn of(list: &'m Value) -> Option<Self> {
        let list = list.as_array().filter(|list| !list.is_empty() && list.len() <= MAX_ENTRIES)?;
        let entries = list.iter().map(Entry::of).collect::<Option<Vec<_>>>()?;
        Some(Self { entries })
    }

    /// What is owned of the metadata, which is the same in every version.
    pub(super) fn metadata(&self) -> OwnedSet<'m> {
        OwnedSet::of(self.entries.iter().map(|entry| entry.fields)).field("metadata")
    }

    /// What is owned of the content of an object in this version; `None` where an
    /// entry is in another version, whose fields may have other names. An entry of the
    /// `status` subresource owns no content, whatever its version.
    ///
    /// `is_same_in_every_version`: the definition says that nothing is converted.
    pub(super) fn content(&self, api_version: &str, is_same_in_every_version: bool) -> Option<OwnedSet<'m>> {
        let is_readable = |entry: &Entry<'_>| {
            is_same_in_every_version || entry.api_version == api_version || entry.subresource == "status"
        };
        let all_readable = self.entries.iter().all(is_readable);
        all_readable.then(|| OwnedSet::of(self.entries.iter().map(|entry| entry.fields)))
    }

    /// What the entries own that are not in `old` just so.
    fn changed_since(&self, old: Option<&Self>) -> OwnedSet<'m> {
        let is_old = |entry: &&Entry<'m>| old.is_some_and(|old| old.entries.iter().any(|it| it.is_same(entry)));
        OwnedSet::of(self.entries.iter().filter(|entry| !is_old(entry)).map(|entry| entry.fields))
    }
}

/// How a manager wrote what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteKind {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

/// What some managers own of an object: those of its entries that are not for a subresource.
#[derive(Debug, Default)]
pub(crate) struct ManagedBy<'m> {
    entries: Vec<Entry<'m>>,
}

impl<'m> ManagedBy<'m> {
    /// What these managers own of the object by writes of this kind; by any, without a kind.
    pub(crate) fn of(object: &'m Value, managers: &[&str], kind: Option<WriteKind>) -> Self {
        let Some(all) = ManagedFields::of(&object["metadata"]["managedFields"]) else { return Self::default() };
        let operation = kind.map(|kind| match kind {
            WriteKind::Apply => "Apply",
            WriteKind::Update => "Update",
        });
        let is_theirs = |entry: &Entry<'_>| {
            managers.contains(&entry.owner.0)
                && entry.subresource.is_empty()
                && operation.is_none_or(|operation| operation == entry.owner.1)
        };
        Self { entries: all.entries.into_iter().filter(is_theirs).collect() }
    }

    /// Whether they own nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The version in which they wrote: this one, where they did.
    pub(super) fn api_version(&self, wanted: &str) -> Option<&'m str> {
        let mut versions = self.entries.iter().map(|entry| entry.api_version);
        versions.clone().find(|version| *version == wanted).or_else(|| versions.next())
    }

    /// What they own of an object in this version.
    pub(super) fn fields(&self, api_version: &str) -> OwnedSet<'m> {
        let of_version = self.entries.iter().filter(|entry| entry.api_version == api_version);
        OwnedSet::of(of_version.map(|entry| entry.fields))
    }

    /// Whether they own the field, or something in it, or all of what it is in.
    pub(crate) fn owns(&self, path: &Path, schema: SchemaRef<'_>) -> bool {
        OwnedSet::of(self.entries.iter().map(|entry| entry.fields)).owns(path, schema)
    }
}

/// What the API server noted as brought by one write.
pub(crate) struct SentFields<'m>(OwnedSet<'m>);

impl<'m> SentFields<'m> {
    /// Compares who owns what after a write with who did before; `None` where nothing is known of it.
    pub(crate) fn of(new: &'m Value, old: Option<&'m Value>) -> Option<Self> {
        let old = old.and_then(|old| ManagedFields::of(&old["metadata"]["managedFields"]));
        let new = ManagedFields::of(&new["metadata"]["managedFields"])?;
        Some(Self(new.changed_since(old.as_ref())))
    }

    /// Whether the write brought the field, as far as is known.
    pub(crate) fn has(&self, path: &Path, schema: SchemaRef<'_>) -> bool {
        self.0.owns(path, schema)
    }
}

impl<'m> Entry<'m> {
    fn of(entry: &'m Value) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("fieldsType") != "FieldsV1" {
            return None;
        }
        Some(Self {
            api_version: entry.get("apiVersion")?.as_str()?,
            subresource: text("subresource"),
            owner: (text("manager"), text("operation")),
            fields: entry.get("fieldsV1")?.as_object().filter(|fields| is_field_set(fields))?,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.owner == other.owner
            && self.subresource == other.subresource
            && self.api_version == other.api_version
            && self.fields == other.fields
    }
}

/// Whether all that is in a set is a set again, as an API server writes it.
fn is_field_set(fields: &Map<String, Value>) -> bool {
    let mut open = vec![fields];
    while let Some(fields) = open.pop() {
        for inner in fields.values() {
            let Value::Object(inner) = inner else { return false };
            open.push(inner);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_known_from_what_no_api_server_writes() {
        for (fields, is_known) in [
            (json!({}), true),
            (json!({"f:spec": {"f:replicas": {}, "f:list": {"k:{\"name\":\"a\"}": {".": {}}}}}), true),
            (json!({"f:spec": {"f:minReadySeconds": [null]}}), false),
            (json!({"f:spec": {"f:minReadySeconds": null}}), false),
            (json!({"f:spec": true}), false),
            (json!([]), false),
        ] {
            let entry = json!({"manager": "a", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"});
            let mut list = json!([entry]);
            list[0]["fieldsV1"] = fields;
            assert_eq!(ManagedFields::of(&list).is_some(), is_known, "{list}");
        }
    }
}
