//! The objects of a review, parsed whole.

use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::EvaluationError;
use crate::admission::Write;

/// Parses an object of a review; `None` where the review has none. `field` is
/// its name in the review, for the error.
pub(crate) fn parse_object(field: &'static str, raw: Option<&RawValue>) -> Result<Option<Value>, EvaluationError> {
    let Some(raw) = raw else { return Ok(None) };
    match Value::deserialize(raw) {
        Ok(object @ Value::Object(_)) => Ok(Some(object)),
        Ok(_) => Err(EvaluationError::Object(field, serde::de::Error::custom("it is not an object"))),
        Err(error) => Err(EvaluationError::Object(field, error)),
    }
}

/// The object as it was before the write.
pub(super) fn parse_old(write: &Write<'_>) -> Result<Option<Value>, EvaluationError> {
    parse_object("oldObject", write.old_object)
}

/// The object as the write leaves it, in a review that must have one.
pub(super) fn parse_new(write: &Write<'_>) -> Result<Value, EvaluationError> {
    parse_object("object", write.object)?.ok_or(EvaluationError::MissingObject("object"))
}

/// Whether the object is being deleted already.
pub(super) fn is_being_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}
