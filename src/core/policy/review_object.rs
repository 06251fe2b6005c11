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
pub(crate) fn parse_object(field: &'static str, raw: Option<&RawValue>) -> Result<Option<Value>, EvaluationError> {
    let Some(raw) = raw else { return Ok(None) };
    let shape = JsonShape::of(raw.get());
    if shape.depth > MAX_DEPTH || !has_stack_for(shape.depth) {
        return Err(EvaluationError::TooDeep(field));
    }
    if shape.memory > MAX_MEMORY {
        return Err(EvaluationError::TooLarge(field));
    }
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    deserializer.disable_recursion_limit();
    match Value::deserialize(&mut deserializer) {
        Ok(object @ Value::Object(_)) => Ok(Some(object)),
        Ok(_) => Err(EvaluationError::Object(field, serde::de::Error::custom("it is not an object"))),
        Err(error) => Err(EvaluationError::Object(field, error)),
    }
}

/// The object as it was before the write.
pub(super) fn parse_old(write: &Write<'_>) -> Result<Option<Value>, EvaluationError> {
    is_readable(write)?;
    parse_object("oldObject", write.old_object)
}

/// The object as the write leaves it, in a review that must have one.
pub(super) fn parse_new(write: &Write<'_>) -> Result<Value, EvaluationError> {
    is_readable(write)?;
    parse_object("object", write.object)?.ok_or(EvaluationError::MissingObject("object"))
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
    let raw = write.old_object.ok_or(EvaluationError::MissingObject("oldObject"))?;
    let Object { metadata, spec, status } =
        serde_json::from_str(raw.get()).map_err(|error| EvaluationError::Metadata(error.column()))?;
    let spec: DefinitionSpec = spec.and_then(|spec| serde_json::from_str(spec.get()).ok()).unwrap_or_default();
    let status: JobStatus = status.and_then(|status| serde_json::from_str(status.get()).ok()).unwrap_or_default();
    Ok(json!({"metadata": metadata, "spec": spec, "status": status}))
}

/// Whether the object is being deleted already.
pub(super) fn is_being_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}
