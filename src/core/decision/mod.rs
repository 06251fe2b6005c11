//! From a verdict to an answer. This is where the mode comes in: the verdict
//! knows nothing of it.

mod audit_annotations;
mod break_glass;
mod context;

use crate::admission::{Answer, Denial, ReviewError, Write};
use crate::message;
use crate::policy::{Assessment, BreakGlass, Mode, ModeTarget, ObjectMarks, Outcome, Policy, Verdict, Violation};
use crate::text::sanitize;
use audit_annotations::audit_annotations;

pub use break_glass::validate_break_glass;
pub use context::{BreakGlassContext, DecisionContext};

/// An answer and how it came about.
#[derive(Debug)]
pub struct Decision {
    /// The mode that applied.
    pub mode: Mode,
    /// What is answered.
    pub outcome: Outcome,
    /// For the API server.
    pub answer: Answer,
    /// The `BreakGlass` that covers the write: its namespace and name.
    pub break_glass: Option<String>,
}

/// The answer to a review that could not be read, so that nothing is known of
/// it but its uid.
pub fn decide_unreadable_review(error: &ReviewError, policy: &Policy) -> Decision {
    let outcome = policy.on_error.max(Outcome::Warn).min(policy.mode.outcome());
    let mut answer = Answer::default();
    answer.annotations.insert("verdict", Verdict::Error.to_string());
    match outcome {
        Outcome::Allow => {}
        Outcome::Warn => answer.warnings = vec![message::one_line(&format!("driftwall: not evaluated: {error}"))],
        Outcome::Deny => {
            let reason = sanitize(&error.to_string());
            let message = format!("{reason}\nErrors are denied here (onError: deny). Nothing was changed.");
            answer.denial = Some(Denial { message, ..Denial::default() });
        }
    }
    Decision { mode: policy.mode, outcome, answer, break_glass: None }
}

/// Turns a verdict into an answer.
pub fn decide(
    write: &Write<'_>,
    assessment: &Assessment<'_>,
    policy: &Policy,
    context: DecisionContext<'_>,
) -> Decision {
    // For a Namespace, the API server sends its own name here.
    let namespace = &write.namespace;
    let resource = &write.resource;
    let kind = if assessment.kind.is_empty() { &*resource.kind } else { &assessment.kind };
    // Most writes need no mode, and most configurations ask for no labels.
    let needs_marks = assessment.is_reportable() && policy.has_modes_by_marks();
    let marks = if needs_marks { ObjectMarks::of(write, assessment) } else { ObjectMarks::default() };
    let target = ModeTarget { namespace, group: &resource.group, kind, class: assessment.class, marks: &marks };
    let mode = policy.mode_of(&target, assessment.source.map(|source| source.name.as_str()));
    let break_glass =
        context.break_glass.and_then(|context| context.break_glasses.covering(write, assessment, context.now));
    let mut outcome = deserved_outcome(assessment, policy, namespace, context.is_stale).min(mode.outcome());
    if write.dry_run {
        outcome = outcome.min(policy.dry_run);
    }
    if break_glass.is_some() {
        outcome = outcome.min(Outcome::Warn);
    }
    let mut answer =
        Answer { annotations: audit_annotations(assessment, context.age, break_glass), ..Answer::default() };
    match outcome {
        Outcome::Allow => {}
        Outcome::Warn => answer.warnings = message::warnings(write, assessment, context.is_stale, break_glass),
        Outcome::Deny => {
            let driftwall_namespace = context.break_glass.map(|context| &*context.break_glasses.driftwall_namespace);
            answer.denial = Some(message::denial(write, assessment, driftwall_namespace));
        }
    }
    let break_glass = break_glass.map(|BreakGlass { namespace, name, .. }| format!("{namespace}/{name}"));
    Decision { mode, outcome, answer, break_glass }
}

/// The answer that a verdict deserves, before mode, dry run and break-glass soften it.
fn deserved_outcome(assessment: &Assessment<'_>, policy: &Policy, namespace: &str, is_stale: bool) -> Outcome {
    // Nobody is denied by what may no longer be what Git says.
    let is_certain = !is_stale && assessment.uncertainty.is_none();
    let limit = if is_certain { Outcome::Deny } else { Outcome::Warn };
    match assessment.verdict {
        Verdict::Drift => assessment.max_outcome().min(limit),
        // Whoever may not write something must not be let past for writing it unreadably.
        Verdict::Error if matches!(assessment.violation, Violation::NotReadable(_)) => limit,
        // Whether the write is right, nobody can say; it is warned about at least.
        Verdict::Error => policy.on_error.max(Outcome::Warn),
        Verdict::Unmanaged if assessment.violation == Violation::CreateUndeclared => {
            policy.unmanaged_outcome(namespace, assessment.class).min(limit)
        }
        Verdict::Conforms | Verdict::Exempt | Verdict::Runtime | Verdict::Unmanaged => Outcome::Allow,
    }
}
