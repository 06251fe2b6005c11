//! `metadata.managedFields`: one entry for each manager, operation, version and subresource.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::field_set::FieldSet;
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
    api_version: Cow<'m, str>,
    subresource: Cow<'m, str>,
    /// Manager and operation.
    owner: (Cow<'m, str>, Cow<'m, str>),
    fields: FieldSet<'m>,
}

impl<'m> ManagedFields<'m> {
    /// Reads the list; `None` where there is none, or not one that an API server
    /// writes: then nothing is known of who owns what.
    pub(crate) fn of(list: &'m Value) -> Option<Self> {
        let list = list.as_array().filter(|list| !list.is_empty() && list.len() <= MAX_ENTRIES)?;
        let entries = list.iter().map(Entry::of).collect::<Option<Vec<_>>>()?;
        Some(Self { entries })
    }

    /// The same of a list that is still text.
    fn of_text(list: &'m str) -> Option<Self> {
        let mut deserializer = serde_json::Deserializer::from_str(list);
        deserializer.disable_recursion_limit();
        let list = Vec::<EntryText<'_>>::deserialize(&mut deserializer).ok()?;
        if list.is_empty() || list.len() > MAX_ENTRIES {
            return None;
        }
        let entries = list.into_iter().map(Entry::of_text).collect::<Option<Vec<_>>>()?;
        Some(Self { entries })
    }

    /// What is owned of the metadata, which is the same in every version.
    pub(super) fn metadata(&self) -> OwnedSet<'_> {
        OwnedSet::of(self.entries.iter().map(|entry| &entry.fields)).field("metadata")
    }

    /// What is owned of the content of an object in this version; `None` where an
    /// entry is in another version, whose fields may have other names. An entry of the
    /// `status` subresource owns no content, whatever its version.
    ///
    /// `is_same_in_every_version`: the definition says that nothing is converted.
    pub(super) fn content(&self, api_version: &str, is_same_in_every_version: bool) -> Option<OwnedSet<'_>> {
        let is_readable = |entry: &Entry<'_>| {
            is_same_in_every_version || entry.api_version == api_version || entry.subresource == "status"
        };
        let all_readable = self.entries.iter().all(is_readable);
        all_readable.then(|| OwnedSet::of(self.entries.iter().map(|entry| &entry.fields)))
    }
}

/// The lists of both objects of a write.
#[derive(Debug)]
pub(crate) struct ManagedLists<'m> {
    pub(super) new: Option<ManagedFields<'m>>,
    pub(super) old: Option<ManagedFields<'m>>,
    /// Whether the write left the list as it was. Each write that changes something is noted, with
    /// its time; where the API server failed to, newer ones keep the old list.
    pub(super) is_unchanged: bool,
}

impl<'m> ManagedLists<'m> {
    /// The lists in these values.
    pub(crate) fn of_values(old: Option<&'m Value>, new: Option<&'m Value>) -> Self {
        Self { new: new.and_then(ManagedFields::of), old: old.and_then(ManagedFields::of), is_unchanged: old == new }
    }

    /// The same of lists that are still text, as the API server encodes them.
    pub(crate) fn of_texts(old: Option<&'m str>, new: Option<&'m str>) -> Self {
        Self {
            new: new.and_then(ManagedFields::of_text),
            old: old.and_then(ManagedFields::of_text),
            is_unchanged: old == new,
        }
    }

    /// What the API server noted as brought by the write; `None` where nothing is known of it.
    pub(crate) fn sent(&self) -> Option<SentFields<'_>> {
        let is_old = |entry: &&Entry<'_>| {
            self.old.as_ref().is_some_and(|old| old.entries.iter().any(|other| other.is_same(entry)))
        };
        let changed = self.new.as_ref()?.entries.iter().filter(|entry| !is_old(entry));
        Some(SentFields(OwnedSet::of(changed.map(|entry| &entry.fields))))
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
        let operation = kind.map(|kind| match kind {
            WriteKind::Apply => "Apply",
            WriteKind::Update => "Update",
        });
        let is_theirs = |entry: &Value| {
            managers.contains(&text(entry, "manager"))
                && text(entry, "subresource").is_empty()
                && operation.is_none_or(|operation| operation == text(entry, "operation"))
        };
        let list = object["metadata"]["managedFields"].as_array().map_or(&[][..], Vec::as_slice);
        // Where one entry is not as an API server writes it, nothing is known.
        if list.len() > MAX_ENTRIES || !list.iter().all(|entry| fields_of(entry).is_some()) {
            return Self::default();
        }
        Self { entries: list.iter().filter(|entry| is_theirs(entry)).filter_map(Entry::of).collect() }
    }

    /// Whether they own nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The version in which they wrote: this one, where they did.
    pub(super) fn api_version(&self, wanted: &str) -> Option<&str> {
        let mut versions = self.entries.iter().map(|entry| &*entry.api_version);
        versions.clone().find(|version| *version == wanted).or_else(|| versions.next())
    }

    /// What they own of an object in this version.
    pub(super) fn fields(&self, api_version: &str) -> OwnedSet<'_> {
        let of_version = self.entries.iter().filter(|entry| entry.api_version == api_version);
        OwnedSet::of(of_version.map(|entry| &entry.fields))
    }

    /// Whether they own the field, or something in it, or all of what it is in.
    pub(crate) fn owns(&self, path: &Path, schema: SchemaRef<'_>) -> bool {
        OwnedSet::of(self.entries.iter().map(|entry| &entry.fields)).owns(path, schema)
    }
}

/// What the API server noted as brought by one write.
pub(crate) struct SentFields<'m>(OwnedSet<'m>);

impl SentFields<'_> {
    /// Whether the write brought the field, as far as is known.
    pub(crate) fn has(&self, path: &Path, schema: SchemaRef<'_>) -> bool {
        self.0.owns(path, schema)
    }
}

/// An entry in a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryText<'m> {
    #[serde(borrow)]
    api_version: &'m RawValue,
    #[serde(borrow)]
    fields_type: &'m RawValue,
    #[serde(borrow)]
    fields_v1: FieldSet<'m>,
    #[serde(borrow, default)]
    manager: Option<&'m RawValue>,
    #[serde(borrow, default)]
    operation: Option<&'m RawValue>,
    #[serde(borrow, default)]
    subresource: Option<&'m RawValue>,
}

impl<'m> Entry<'m> {
    fn of(entry: &'m Value) -> Option<Self> {
        let fields = fields_of(entry)?;
        Some(Self {
            api_version: entry.get("apiVersion")?.as_str()?.into(),
            subresource: text(entry, "subresource").into(),
            owner: (text(entry, "manager").into(), text(entry, "operation").into()),
            fields: FieldSet::of(fields)?,
        })
    }

    fn of_text(entry: EntryText<'m>) -> Option<Self> {
        if string(entry.fields_type)? != "FieldsV1" {
            return None;
        }
        let string_or_empty = |raw: Option<&'m RawValue>| raw.and_then(string).unwrap_or_default();
        Some(Self {
            api_version: string(entry.api_version)?,
            subresource: string_or_empty(entry.subresource),
            owner: (string_or_empty(entry.manager), string_or_empty(entry.operation)),
            fields: entry.fields_v1,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.owner == other.owner
            && self.subresource == other.subresource
            && self.api_version == other.api_version
            && self.fields == other.fields
    }
}

/// The string that a text holds, borrowed where it has no escapes.
/// Whether people write under this name of a manager, unless they choose another one: `kubectl`, `kubectl-edit` and so on
/// (`k8s.io/kubectl`, the commands' `--field-manager`). Who writes chooses it, so that it proves nothing of a program.
pub(crate) fn is_name_of_people(manager: &str) -> bool {
    manager.starts_with("kubectl")
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'m>(#[serde(borrow)] Cow<'m, str>);
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

fn text<'v>(entry: &'v Value, name: &str) -> &'v str {
    entry.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The fields of an entry, where it is as an API server writes it.
fn fields_of(entry: &Value) -> Option<&Map<String, Value>> {
    let is_usual = text(entry, "fieldsType") == "FieldsV1" && entry.get("apiVersion").is_some_and(Value::is_string);
    entry.get("fieldsV1")?.as_object().filter(|fields| is_usual && is_field_set(fields))
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
            assert_eq!(ManagedFields::of_text(&list.to_string()).is_some(), is_known, "{list}");
        }
    }
}
