//! From a verdict to an answer: here the mode comes in, and nothing before.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::glass::{Glass, Glasses};
use super::policy::{Mode, Outcome, Policy};
use super::values::{cut, plain};
use super::verdict::{Judgement, Matter, Verdict};
use super::{namespace_of, wording};
use crate::review::{Answer, Denial, ReviewError, Write};

/// What softens an answer, whatever the write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The last successful look at Git is older than `maxStaleness`: an old truth is no truth.
    pub stale: bool,
    /// How old that look is.
    pub age: Option<Duration>,
    /// What may be done in an emergency, where anything may.
    pub emergency: Option<Emergency<'a>>,
}

/// What is broken of the glass, at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Emergency<'a> {
    /// All that is broken.
    pub glasses: &'a Glasses,
    /// The moment.
    pub now: Timestamp,
}

/// An answer and how it came about.
#[derive(Debug)]
pub struct Ruling {
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
pub fn unjudged(error: &ReviewError, policy: &Policy) -> Ruling {
    let outcome = policy.on_error.max(Outcome::Warn).min(policy.mode.outcome());
    let mut answer = Answer::default();
    answer.annotations.insert("verdict", Verdict::Error.to_string());
    match outcome {
        Outcome::Allow => {}
        Outcome::Warn => answer.warnings = vec![wording::one_line(&format!("driftwall: not judged: {error}"))],
        Outcome::Deny => {
            let message =
                format!("{}\nErrors are denied here (onError: deny). Nothing was changed.", plain(&error.to_string()));
            answer.denial = Some(Denial { message, ..Denial::default() });
        }
    }
    Ruling { mode: policy.mode, outcome, answer, glass: None }
}

/// Audit annotations are kept by the API server with every event.
const MAX_FIELDS_NOTE: usize = 1024;
/// Characters of a reason that are kept there.
const MAX_REASON_NOTE: usize = 256;

/// Turns a verdict into an answer.
pub fn rule(write: &Write<'_>, judgement: &Judgement<'_>, policy: &Policy, circumstances: Circumstances<'_>) -> Ruling {
    let namespace = namespace_of(write);
    let mode = policy.mode_of(namespace, judgement.class, judgement.source.map(|source| source.name.as_str()));
    let asked = match judgement.verdict {
        Verdict::Drift if circumstances.stale || judgement.unsettled => judgement.hardest().min(Outcome::Warn),
        Verdict::Drift => judgement.hardest(),
        // Nobody can say that the write is right; it passes, but not unseen.
        Verdict::Error => policy.on_error.max(Outcome::Warn),
        Verdict::Unmanaged if judgement.matter == Matter::Unmanaged => policy.unmanaged_in(namespace),
        Verdict::Conforms | Verdict::Exempt | Verdict::Runtime | Verdict::Unmanaged => Outcome::Allow,
    };
    let glass = circumstances.emergency.and_then(|Emergency { glasses, now }| glasses.covering(write, judgement, now));
    let in_emergency = if glass.is_some() { Outcome::Warn } else { Outcome::Deny };
    let in_dry_run = if write.dry_run { policy.dry_run } else { Outcome::Deny };
    let outcome = asked.min(mode.outcome()).min(in_dry_run).min(in_emergency);
    let mut answer = Answer { annotations: annotations(judgement, circumstances, glass), ..Answer::default() };
    match outcome {
        Outcome::Allow => {}
        Outcome::Warn => answer.warnings = wording::warnings(write, judgement, circumstances, glass),
        Outcome::Deny => answer.denial = Some(wording::denial(write, judgement, circumstances)),
    }
    let glass = glass.map(|Glass { namespace, name, .. }| format!("{namespace}/{name}"));
    Ruling { mode, outcome, answer, glass }
}

fn annotations(
    judgement: &Judgement<'_>,
    circumstances: Circumstances<'_>,
    glass: Option<&Glass>,
) -> BTreeMap<&'static str, String> {
    let mut notes = BTreeMap::new();
    if matches!(judgement.verdict, Verdict::Exempt)
        || (judgement.verdict == Verdict::Unmanaged && judgement.source.is_none() && !judgement.tells())
    {
        // Most writes of a cluster: nothing that the audit log does not have already.
        return notes;
    }
    notes.insert("verdict", judgement.verdict.to_string());
    notes.insert("actor", judgement.class.to_string());
    if let Some(source) = judgement.source {
        notes.insert("commit", source.commit.clone());
        if let Some(age) = circumstances.age {
            notes.insert("age", format!("{}s", age.as_secs()));
        }
    }
    if let Some(Glass { namespace, name, reason, .. }) = glass {
        notes.insert("break-glass", format!("{namespace}/{name}"));
        notes.insert("break-glass-reason", cut(reason, MAX_REASON_NOTE));
    }
    if !judgement.findings.is_empty() {
        let mut fields = String::new();
        for finding in &judgement.findings {
            let path = plain(&finding.path.to_string());
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
