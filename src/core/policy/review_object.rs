//! The objects of a review, parsed whole or in the parts that a verdict needs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::error::EvaluationError;
use crate::admission::{JsonShape, Write};
use crate::deep_stack::has_stack_for;

/// Levels of nesting that are read. The API server's own encoder stops just below
/// (`encoding/json`, `startDetectingCyclesAfter` and the decoder's `maxNestingDepth`).
pub(crate) const MAX_DEPTH: usize = 10_000;

/// Bytes that a parsed object may take. What an API server stores by default takes
/// less, unless it is made of the smallest parts.
const MAX_MEMORY: usize = 32 * 1024 * 1024;

/// Parses an object of a review; `None` where the review has none. `field` is
/// its name in the review, for the error.
pub(crate) fn parse_object(field: &'static str, json: Option<&str>) -> Result<Option<Value>, EvaluationError> {
    let Some(json) = json else { return Ok(None) };
    parse_whole(field, json, JsonShape::of(json)).map(Some)
}

fn parse_whole(field: &'static str, text: &str, shape: JsonShape) -> Result<Value, EvaluationError> {
    match parse_value(field, text, shape, &mut { MAX_MEMORY })? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(EvaluationError::Object(field, serde::de::Error::custom("it is not an object"))),
    }
}

/// Parses a value of this shape; what it takes is taken from `memory_left`.
fn parse_value(
    field: &'static str,
    text: &str,
    shape: JsonShape,
    memory_left: &mut usize,
) -> Result<Value, EvaluationError> {
    check_shape(field, shape, memory_left)?;
    parse_text(text).map_err(|error| EvaluationError::Object(field, error))
}

fn check_shape(field: &'static str, shape: JsonShape, memory_left: &mut usize) -> Result<(), EvaluationError> {
    if shape.depth > MAX_DEPTH || !has_stack_for(shape.depth) {
        return Err(EvaluationError::TooDeep(field));
    }
    *memory_left = memory_left.checked_sub(shape.memory).ok_or(EvaluationError::TooLarge(field))?;
    Ok(())
}

/// Whether an object of this shape is read.
pub(super) fn is_readable_shape(shape: JsonShape) -> bool {
    check_shape("object", shape, &mut { MAX_MEMORY }).is_ok()
}

/// Parses a value for which there is room.
pub(super) fn parse_text(text: &str) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    Value::deserialize(&mut deserializer)
}

/// The object as it was before the write.
pub(super) fn parse_old(write: &Write<'_>) -> Result<Option<Value>, EvaluationError> {
    is_readable(write)?;
    let (Some(json), Some(outline)) = (write.old_object, write.old_object_outline()) else { return Ok(None) };
    parse_whole("oldObject", json, outline.shape).map(Some)
}

/// The object as it was before the write or, where it cannot be read whole, its top-level fields that can be read:
/// what was stored unreadable must not keep a person from writing what is right.
pub(super) fn parse_old_parts(write: &Write<'_>) -> Result<Option<Value>, EvaluationError> {
    match (parse_old(write), write.old_object) {
        (Err(error), Some(json)) if error.is_of_write() && write.unreadable.is_none() => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
            let mut memory_left = MAX_MEMORY;
            let readable = fields.into_iter().filter_map(|(name, raw)| {
                let text = raw.get();
                let value = parse_value("oldObject", text, JsonShape::of(text), &mut memory_left);
                Some((name, value.ok()?))
            });
            Ok(Some(Value::Object(readable.collect())))
        }
        (whole, _) => whole,
    }
}

/// The object as the write leaves it, in a review that must have one.
pub(super) fn parse_new(write: &Write<'_>) -> Result<Value, EvaluationError> {
    is_readable(write)?;
    let (Some(json), Some(outline)) = (write.object, write.object_outline()) else {
        return Err(EvaluationError::MissingObject("object"));
    };
    parse_whole("object", json, outline.shape)
}

fn is_readable(write: &Write<'_>) -> Result<(), EvaluationError> {
    match &write.unreadable {
        Some(reason) => Err(EvaluationError::Review(reason.clone())),
        None => Ok(()),
    }
}

/// What a deletion needs of the object that it deletes, whatever else is in it.
pub(super) fn parse_deleted(write: &Write<'_>) -> Result<Value, EvaluationError> {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(default)]
        metadata: Metadata,
        #[serde(borrow, default)]
        spec: Option<&'a RawValue>,
        #[serde(borrow, default)]
        status: Option<&'a RawValue>,
    }
    #[derive(Default, Deserialize, Serialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Metadata {
        annotations: Option<BTreeMap<String, String>>,
        labels: Option<BTreeMap<String, String>>,
        deletion_timestamp: Option<String>,
    }
    /// As a CustomResourceDefinition has it; other kinds have other ones.
    #[derive(Default, Deserialize, Serialize)]
    #[serde(default)]
    struct DefinitionSpec {
        group: String,
        names: Names,
    }
    #[derive(Default, Deserialize, Serialize)]
    #[serde(default)]
    struct Names {
        kind: String,
    }
    /// As a Job has it; other kinds have other ones.
    #[derive(Default, Deserialize, Serialize)]
    #[serde(default)]
    struct JobStatus {
        conditions: Option<Vec<Condition>>,
    }
    #[derive(Default, Deserialize, Serialize)]
    #[serde(default)]
    struct Condition {
        r#type: String,
        status: String,
    }
    is_readable(write)?;
    let json = write.old_object.ok_or(EvaluationError::MissingObject("oldObject"))?;
    let Object { metadata, spec, status } =
        serde_json::from_str(json).map_err(|error| EvaluationError::Metadata(error.column()))?;
    let spec: DefinitionSpec = spec.and_then(|spec| serde_json::from_str(spec.get()).ok()).unwrap_or_default();
    let status: JobStatus = status.and_then(|status| serde_json::from_str(status.get()).ok()).unwrap_or_default();
    Ok(json!({"metadata": metadata, "spec": spec, "status": status}))
}

/// Whether the object is being deleted already.
pub(super) fn is_being_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}
