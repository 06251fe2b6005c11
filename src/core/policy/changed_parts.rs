//! The parts of an object that can matter to what an UPDATE changes in it. Most of both objects
//! of a review is the same text, or is not compared at all: that is not parsed.

use serde_json::{Map, Value};

use super::error::EvaluationError;
use super::evaluation::Evaluation;
use super::object_diff::NOT_CONTENT;
use super::review_object::{is_readable_shape, parse_new, parse_text};
use crate::admission::{Fields, Operation, TextField, Write, text_of};
use crate::desired::Declared;
use crate::diff;

/// Both objects of an UPDATE of a declared object, without what cannot matter to how they
/// compare: fields that are the same text in both, and parts that are no content.
pub(super) struct ChangedParts<'w> {
    pub(super) old: Value,
    pub(super) new: Value,
    /// The lists of who owns what in both, as text.
    pub(super) managed_fields: [Option<&'w str>; 2],
}

/// What is read of both objects.
#[derive(Clone, Copy)]
struct Wanted {
    content: bool,
    /// Whether those fields of `spec` are left out that are maps of the same text in both.
    only_changes_in_spec: bool,
    status: bool,
}

impl<'w> ChangedParts<'w> {
    /// The parts of the objects of a write; `None` where that takes both of them whole.
    pub(super) fn of(evaluation: &Evaluation<'w, '_>, declared: &Declared, git: &Value) -> Option<Self> {
        let write = evaluation.write;
        let subresource = &*write.resource.subresource;
        if write.operation != Operation::Update || !matches!(subresource, "" | "status") {
            return None;
        }
        let (old, new) = (&readable_old_fields(write)?, &readable_fields(write)?);
        let changes_content = subresource.is_empty() && !is_same_content(old, new);
        let wanted = Wanted {
            content: changes_content,
            only_changes_in_spec: changes_content && compares_spec_by_field(evaluation, declared, git, [old, new]),
            status: subresource == "status",
        };
        let managed_fields = [old, new].map(|object| text_of(&object.of_metadata, "managedFields"));
        Some(Self { old: part_of(old, new, wanted)?, new: part_of(new, old, wanted)?, managed_fields })
    }
}

/// The fields of `object` as text, where they are all that it takes to read it.
pub(super) fn readable_fields<'w>(write: &Write<'w>) -> Option<Fields<'w>> {
    let is_readable = write.unreadable.is_none() && is_readable_shape(write.object_outline()?.shape);
    write.object_fields().filter(|_| is_readable)
}

/// The same of `oldObject`.
pub(super) fn readable_old_fields<'w>(write: &Write<'w>) -> Option<Fields<'w>> {
    let is_readable = write.unreadable.is_none() && is_readable_shape(write.old_object_outline()?.shape);
    write.old_object_fields().filter(|_| is_readable)
}

/// The content of the object as the write leaves it, without the rest where that can be left.
pub(super) fn parse_content(write: &Write<'_>) -> Result<Value, EvaluationError> {
    match readable_fields(write).and_then(|fields| parse_fields(content(&fields))) {
        Some(content) => Ok(content),
        None => parse_new(write),
    }
}

/// Whether the content of both objects is the same text.
pub(super) fn is_same_content(old: &Fields<'_>, new: &Fields<'_>) -> bool {
    content(old).count() == content(new).count()
        && content(old).all(|field| text_of(&new.all, field.name) == Some(field.value))
}

pub(super) fn content<'f, 'a>(fields: &'f Fields<'a>) -> impl Iterator<Item = &'f TextField<'a>> {
    fields.all.iter().filter(|field| !NOT_CONTENT.contains(&field.name))
}

/// Whether the fields of `spec` are compared one by one, so that one that does not change is
/// of no interest to the others: Git has some, in the same version, and the kind is known to have a
/// struct there.
fn compares_spec_by_field(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    git: &Value,
    objects: [&Fields<'_>; 2],
) -> bool {
    let resource = &evaluation.write.resource;
    let Some(schema) = diff::builtin_schema(&resource.group, &resource.version, &evaluation.kind) else { return false };
    let is_map = |object: &Fields<'_>| text_of(&object.all, "spec").is_some_and(|spec| spec.starts_with('{'));
    declared.version == *resource.version
        && git["spec"].as_object().is_some_and(|spec| !spec.is_empty())
        && !schema.field("spec").is_atomic_map()
        && objects.into_iter().all(is_map)
}

fn part_of(object: &Fields<'_>, other: &Fields<'_>, wanted: Wanted) -> Option<Value> {
    let mut part = Map::new();
    for TextField { name, value } in &object.all {
        let value = match *name {
            "metadata" if value.starts_with('{') => {
                parse_fields(object.of_metadata.iter().filter(|field| field.name != "managedFields"))?
            }
            "metadata" => return None,
            "status" if !wanted.status => continue,
            "apiVersion" | "kind" | "status" => parse_text(value).ok()?,
            _ if !wanted.content => continue,
            "spec" if wanted.only_changes_in_spec => {
                // A list may say what the default of another field is.
                let is_same_map = |field: &&TextField<'_>| {
                    field.value.starts_with('{') && text_of(&other.of_spec, field.name) == Some(field.value)
                };
                parse_fields(object.of_spec.iter().filter(|field| !is_same_map(field)))?
            }
            _ => parse_text(value).ok()?,
        };
        part.insert((*name).to_owned(), value);
    }
    Some(Value::Object(part))
}

fn parse_fields<'f>(fields: impl Iterator<Item = &'f TextField<'f>>) -> Option<Value> {
    let mut map = Map::new();
    for TextField { name, value } in fields {
        map.insert((*name).to_owned(), parse_text(value).ok()?);
    }
    Some(Value::Object(map))
}
