//! The answer to a write to a `BreakGlass` itself: one that is not valid is
//! denied, in every mode, with what is missing.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Decision;
use crate::admission::{Answer, Cause, Denial, Operation, Write};
use crate::deep_stack::with_stack_for;
use crate::policy::{
    BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BreakGlass, BreakGlassError, MAX_DEPTH, Outcome, Policy, parse_object,
};
use crate::text::sanitize;

/// Answers a write to a `BreakGlass` at `now`; `None` where it is a write to anything else.
pub fn validate_break_glass(
    write: &Write<'_>,
    now: Timestamp,
    max_duration: Duration,
    policy: &Policy,
) -> Option<Decision> {
    let resource = &write.resource;
    if resource.group != BREAK_GLASS_GROUP || resource.plural != BREAK_GLASS_PLURAL || !resource.subresource.is_empty()
    {
        return None;
    }
    let validated = with_stack_for(write, MAX_DEPTH, || match write.operation {
        Operation::Create => validate_create(write, now, max_duration),
        Operation::Update => validate_update(write),
        Operation::Connect | Operation::Delete => Ok(()),
    });
    let (outcome, denial) = match validated {
        Ok(()) => (Outcome::Allow, None),
        Err(error) => (Outcome::Deny, Some(denial(write, &error))),
    };
    let answer = Answer { denial, ..Answer::default() };
    Some(Decision { mode: policy.mode, outcome, answer, break_glass: None })
}

fn validate_create(write: &Write<'_>, now: Timestamp, max_duration: Duration) -> Result<(), BreakGlassError> {
    let break_glass = BreakGlass::parse(&parse(write.object)?, now, max_duration)?;
    if break_glass.until <= now { Err(BreakGlassError::Past(break_glass.until)) } else { Ok(()) }
}

fn validate_update(write: &Write<'_>) -> Result<(), BreakGlassError> {
    let (new, old) = (parse(write.object)?, parse(write.old_object)?);
    if old["spec"] == new["spec"] { Ok(()) } else { Err(BreakGlassError::Changed) }
}

fn parse(json: Option<&str>) -> Result<Value, BreakGlassError> {
    match parse_object("object", json) {
        Ok(object) => Ok(object.unwrap_or_default()),
        Err(error) => Err(BreakGlassError::Malformed(error.to_string())),
    }
}

fn denial(write: &Write<'_>, error: &BreakGlassError) -> Denial {
    let (field, reason) = (error.field(), sanitize(&error.to_string()));
    let done = if write.operation == Operation::Create { "created" } else { "changed" };
    Denial {
        message: format!("this BreakGlass is not valid:\n  {field}: {reason}\nNothing was {done}."),
        name: write.name.to_string(),
        group: BREAK_GLASS_GROUP.to_owned(),
        kind: "BreakGlass".to_owned(),
        causes: vec![Cause { reason: "Invalid", message: reason, field: field.to_owned() }],
    }
}
