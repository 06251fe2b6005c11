//! From a verdict to an answer: here the mode comes in, and nothing before.

mod break_glass;

use std::collections::BTreeMap;

use crate::admission::{Answer, Denial, ReviewError, Write};
use crate::message;
use crate::policy::{
    Assessment, BreakGlass, BreakGlassContext, DecisionContext, Mode, Outcome, Policy, Verdict, Violation, namespace_of,
};
use crate::text::{sanitize, truncate};

pub use break_glass::validate_break_glass;

/// An answer and how it came about.
#[derive(Debug)]
pub struct Decision {
    /// The mode that applied.
    pub mode: Mode,
    /// What is answered.
    pub outcome: Outcome,
    /// For the API server.
    pub answer: Answer,
    /// The `BreakGlass` that let the write pass: its namespace and name.
    pub glass: Option<String>,
}

/// The answer to a review whose request could not even be read, so that
/// nothing is known of it but its uid.
pub fn decide_unreadable_review(error: &ReviewError, policy: &Policy) -> Decision {
    let outcome = policy.on_error.max(Outcome::Warn).min(policy.mode.outcome());
    let mut answer = Answer::default();
    answer.annotations.insert("verdict", Verdict::Error.to_string());
    match outcome {
        Outcome::Allow => {}
        Outcome::Warn => answer.warnings = vec![message::one_line(&format!("driftwall: not judged: {error}"))],
        Outcome::Deny => {
            let message = format!(
                "{}\nErrors are denied here (onError: deny). Nothing was changed.",
                sanitize(&error.to_string())
            );
            answer.denial = Some(Denial { message, ..Denial::default() });
        }
    }
    Decision { mode: policy.mode, outcome, answer, glass: None }
}

/// Audit annotations are kept by the API server with every event.
const MAX_FIELDS_NOTE: usize = 1024;
/// Characters of a reason that are kept there.
const MAX_REASON_NOTE: usize = 256;

/// Turns a verdict into an answer.
pub fn decide(
    write: &Write<'_>,
    assessment: &Assessment<'_>,
    policy: &Policy,
    context: DecisionContext<'_>,
) -> Decision {
    let namespace = namespace_of(write);
    let mode = policy.mode_of(namespace, assessment.class, assessment.source.map(|source| source.name.as_str()));
    let asked = match assessment.verdict {
        Verdict::Drift if context.stale || assessment.unsettled => assessment.hardest().min(Outcome::Warn),
        Verdict::Drift => assessment.hardest(),
        // Nobody can say that the write is right; it passes, but not unseen.
        Verdict::Error => policy.on_error.max(Outcome::Warn),
        Verdict::Unmanaged if assessment.violation == Violation::CreateUndeclared => policy.unmanaged_in(namespace),
        Verdict::Conforms | Verdict::Exempt | Verdict::Runtime | Verdict::Unmanaged => Outcome::Allow,
    };
    let glass = context
        .emergency
        .and_then(|BreakGlassContext { break_glasses, now }| break_glasses.covering(write, assessment, now));
    let in_emergency = if glass.is_some() { Outcome::Warn } else { Outcome::Deny };
    let in_dry_run = if write.dry_run { policy.dry_run } else { Outcome::Deny };
    let outcome = asked.min(mode.outcome()).min(in_dry_run).min(in_emergency);
    let mut answer = Answer { annotations: annotations(assessment, context, glass), ..Answer::default() };
    match outcome {
        Outcome::Allow => {}
        Outcome::Warn => answer.warnings = message::warnings(write, assessment, context, glass),
        Outcome::Deny => answer.denial = Some(message::denial(write, assessment, context)),
    }
    let glass = glass.map(|BreakGlass { namespace, name, .. }| format!("{namespace}/{name}"));
    Decision { mode, outcome, answer, glass }
}

fn annotations(
    assessment: &Assessment<'_>,
    context: DecisionContext<'_>,
    glass: Option<&BreakGlass>,
) -> BTreeMap<&'static str, String> {
    let mut notes = BTreeMap::new();
    if matches!(assessment.verdict, Verdict::Exempt)
        || (assessment.verdict == Verdict::Unmanaged && assessment.source.is_none() && !assessment.tells())
    {
        // Most writes of a cluster: nothing that the audit log does not have already.
        return notes;
    }
    notes.insert("verdict", assessment.verdict.to_string());
    notes.insert("actor", assessment.class.to_string());
    if let Some(source) = assessment.source {
        notes.insert("commit", source.commit.clone());
        if let Some(age) = context.age {
            notes.insert("age", format!("{}s", age.as_secs()));
        }
    }
    if let Some(BreakGlass { namespace, name, reason, .. }) = glass {
        notes.insert("break-glass", format!("{namespace}/{name}"));
        notes.insert("break-glass-reason", truncate(reason, MAX_REASON_NOTE));
    }
    if !assessment.findings.is_empty() {
        let mut fields = String::new();
        for finding in &assessment.findings {
            let path = sanitize(&finding.path.to_string());
            let comma = if fields.is_empty() { "" } else { ", " };
            if fields.len() + path.len() > MAX_FIELDS_NOTE {
                fields.push_str(comma);
                fields.push('…');
                break;
            }
            fields.push_str(comma);
            fields.push_str(&path);
        }
        notes.insert("fields", fields);
    }
    notes
}
