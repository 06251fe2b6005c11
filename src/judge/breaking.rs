//! A review of a `BreakGlass` itself: one that would not count is refused with the
//! words for what is missing, in every mode.

use jiff::Timestamp;
use serde_json::Value;

use super::answer::Ruling;
use super::declared::parsed;
use super::glass::{GROUP, Glass, GlassError, PLURAL};
use super::policy::{Outcome, Policy};
use super::values::plain;
use crate::review::{Answer, Cause, Denial, Operation, Write};

/// Answers a write to a `BreakGlass` at `now`; `None` where it is a write to anything else.
pub fn breaks_glass(
    write: &Write<'_>,
    now: Timestamp,
    longest: std::time::Duration,
    policy: &Policy,
) -> Option<Ruling> {
    let resource = &write.resource;
    if resource.group != GROUP || resource.plural != PLURAL || !resource.subresource.is_empty() {
        return None;
    }
    let fault = match write.operation {
        Operation::Create => form(write.object).and_then(|object| {
            let glass = Glass::read(&object, now, longest)?;
            if glass.until <= now { Err(GlassError::Past(glass.until)) } else { Ok(()) }
        }),
        Operation::Update => form(write.object).and_then(|object| {
            let is_same = form(write.old_object)?["spec"] == object["spec"];
            if is_same { Ok(()) } else { Err(GlassError::Changed) }
        }),
        Operation::Connect | Operation::Delete => Ok(()),
    };
    let (outcome, answer) = match fault {
        Ok(()) => (Outcome::Allow, Answer::default()),
        Err(error) => (Outcome::Deny, Answer { denial: Some(refusal(write, &error)), ..Answer::default() }),
    };
    Some(Ruling { mode: policy.mode, outcome, answer, glass: None })
}

fn form(raw: Option<&serde_json::value::RawValue>) -> Result<Value, GlassError> {
    let read = parsed("object", raw).map_err(|error| GlassError::Form(error.to_string()))?;
    Ok(read.unwrap_or_default())
}

fn refusal(write: &Write<'_>, error: &GlassError) -> Denial {
    let (field, words) = (error.field(), plain(&error.to_string()));
    let done = if write.operation == Operation::Create { "created" } else { "changed" };
    Denial {
        message: format!("this BreakGlass would let nothing pass:\n  {field}: {words}\nNothing was {done}."),
        name: write.name.to_string(),
        group: GROUP.to_owned(),
        kind: "BreakGlass".to_owned(),
        causes: vec![Cause { reason: "Invalid", message: words, field: field.to_owned() }],
    }
}
