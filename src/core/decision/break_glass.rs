//! A review of a `BreakGlass` itself: one that would not count is refused with the
//! words for what is missing, in every mode.

use jiff::Timestamp;
use serde_json::Value;

use super::Decision;
use crate::admission::{Answer, Cause, Denial, Operation, Write};
use crate::policy::{BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BreakGlass, BreakGlassError, Outcome, Policy, parsed};
use crate::text::sanitize;

/// Answers a write to a `BreakGlass` at `now`; `None` where it is a write to anything else.
pub fn validate_break_glass(
    write: &Write<'_>,
    now: Timestamp,
    longest: std::time::Duration,
    policy: &Policy,
) -> Option<Decision> {
    let resource = &write.resource;
    if resource.group != BREAK_GLASS_GROUP || resource.plural != BREAK_GLASS_PLURAL || !resource.subresource.is_empty()
    {
        return None;
    }
    let fault = match write.operation {
        Operation::Create => form(write.object).and_then(|object| {
            let glass = BreakGlass::read(&object, now, longest)?;
            if glass.until <= now { Err(BreakGlassError::Past(glass.until)) } else { Ok(()) }
        }),
        Operation::Update => form(write.object).and_then(|object| {
            let is_same = form(write.old_object)?["spec"] == object["spec"];
            if is_same { Ok(()) } else { Err(BreakGlassError::Changed) }
        }),
        Operation::Connect | Operation::Delete => Ok(()),
    };
    let (outcome, answer) = match fault {
        Ok(()) => (Outcome::Allow, Answer::default()),
        Err(error) => (Outcome::Deny, Answer { denial: Some(refusal(write, &error)), ..Answer::default() }),
    };
    Some(Decision { mode: policy.mode, outcome, answer, glass: None })
}

fn form(raw: Option<&serde_json::value::RawValue>) -> Result<Value, BreakGlassError> {
    let read = parsed("object", raw).map_err(|error| BreakGlassError::Form(error.to_string()))?;
    Ok(read.unwrap_or_default())
}

fn refusal(write: &Write<'_>, error: &BreakGlassError) -> Denial {
    let (field, words) = (error.field(), sanitize(&error.to_string()));
    let done = if write.operation == Operation::Create { "created" } else { "changed" };
    Denial {
        message: format!("this BreakGlass would let nothing pass:\n  {field}: {words}\nNothing was {done}."),
        name: write.name.to_string(),
        group: BREAK_GLASS_GROUP.to_owned(),
        kind: "BreakGlass".to_owned(),
        causes: vec![Cause { reason: "Invalid", message: words, field: field.to_owned() }],
    }
}
