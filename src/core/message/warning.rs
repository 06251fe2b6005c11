//! The texts of warnings, each short enough for a client to show whole.

use jiff::Unit;

use super::declarer::Declarer;
use super::finding::{describe, location_suffix};
use super::summary::{object_name, summary};
use crate::admission::Write;
use crate::desired::{Contest, Uncertainty};
use crate::policy::{Assessment, BreakGlass, Finding, Verdict, Violation};
use crate::text::{sanitize, truncate, truncate_start};

/// Fields that are named.
const MAX_FIELDS: usize = 10;
/// Characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 80;
/// Characters of a value in a warning that would be too long otherwise.
const MAX_VALUE_CHARS_IF_LONG: usize = 20;
/// Characters of an object's name in a warning that would be too long otherwise.
const MAX_NAME_CHARS_IF_LONG: usize = 48;
/// A warning stays under 120 characters
/// (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>).
const MAX_WARNING_CHARS: usize = 119;
/// Characters of a source's name in a warning.
const MAX_SOURCE_CHARS: usize = 24;
/// All warnings of one answer stay under 4096 bytes, or the API server cuts them.
const MAX_WARNINGS_BYTES: usize = 3500;

/// The warnings about a write: a line for each field, as many as a client shows.
pub(crate) fn warnings(
    write: &Write<'_>,
    assessment: &Assessment<'_>,
    is_stale: bool,
    break_glass: Option<&BreakGlass>,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if let Some(BreakGlass { name, until, .. }) = break_glass {
        let (name, until) = (truncate(name, MAX_NAME_CHARS_IF_LONG), until.round(Unit::Second).unwrap_or(*until));
        lines.push(format!("driftwall: allowed by BreakGlass {name}, until {until}"));
    }
    if is_stale && matches!(assessment.verdict, Verdict::Drift | Verdict::Unmanaged) {
        lines.push(Declarer::of(assessment).stale_warning().to_owned());
    }
    let object = object_name(write, assessment);
    match &assessment.violation {
        _ if !assessment.findings.is_empty() => {}
        Violation::NotEvaluated(reason) | Violation::NotReadable(reason) => {
            let object = truncate(&object, MAX_NAME_CHARS_IF_LONG);
            lines.push(format!("driftwall: {object} could not be compared with Git:"));
            lines.push(format!("driftwall: {reason}"));
        }
        _ => lines.push(format!("driftwall: {}", summary(write, assessment))),
    }
    for finding in assessment.findings.iter().take(MAX_FIELDS) {
        lines.push(field_warning(finding, &object, assessment));
    }
    if let Some(uncertainty) = &assessment.uncertainty {
        lines.push(uncertainty_warning(uncertainty));
    }
    let mut warnings = Vec::new();
    let mut bytes = 0;
    for line in &lines {
        let line = one_line(line);
        bytes += line.len();
        if bytes > MAX_WARNINGS_BYTES {
            break;
        }
        warnings.push(line);
    }
    let named = warnings.len().min(MAX_FIELDS).min(assessment.findings.len());
    let more = assessment.findings.len() - named + assessment.more_findings;
    if more > 0 {
        warnings.push(format!("driftwall: … and {more} more fields"));
    }
    warnings
}

/// Why a write is warned about at most.
fn uncertainty_warning(uncertainty: &Uncertainty) -> String {
    let name = |source: &str| truncate(source, MAX_SOURCE_CHARS);
    match uncertainty {
        Uncertainty::Contested(Contest { sources: [first, second], .. }) => {
            let (first, second) = (name(first), name(second));
            format!("driftwall: not denied: sources {first} and {second} declare this object differently")
        }
        Uncertainty::NewerCommitLoading(source) => {
            format!("driftwall: not denied: a newer commit of source {} is still being read", name(source))
        }
        Uncertainty::NewerCommitUnreadable(source) => {
            format!("driftwall: not denied: the newest commit of source {} could not be read", name(source))
        }
        Uncertainty::SettingsChanged(source) => {
            format!("driftwall: not denied: source {} has new settings and was not read since", name(source))
        }
        Uncertainty::SourceUnread(source) => {
            format!("driftwall: not denied: source {}, which may declare this, was not read yet", name(source))
        }
    }
}

/// A text as one warning.
pub(crate) fn one_line(text: &str) -> String {
    truncate(text, MAX_WARNING_CHARS)
}

/// One field as a warning: what is needed least goes first where it is too long.
fn field_warning(finding: &Finding, object: &str, assessment: &Assessment<'_>) -> String {
    let (violation, author) = (&assessment.violation, Declarer::of(assessment));
    let (path, location) = (sanitize(&finding.path.to_string()), location_suffix(finding));
    for (limit, location) in [(MAX_VALUE_CHARS, &*location), (MAX_VALUE_CHARS, ""), (MAX_VALUE_CHARS_IF_LONG, "")] {
        let line = format!("driftwall: {object}: {path}: {}{location}", describe(finding, violation, author, limit));
        if line.chars().count() <= MAX_WARNING_CHARS {
            return line;
        }
    }
    let object = truncate(object, MAX_NAME_CHARS_IF_LONG);
    let description = describe(finding, violation, author, MAX_VALUE_CHARS_IF_LONG);
    let without_path = format!("driftwall: {object}: : {description}").chars().count();
    let path_limit = MAX_WARNING_CHARS.saturating_sub(without_path).max(MAX_VALUE_CHARS_IF_LONG);
    format!("driftwall: {object}: {}: {description}", truncate_start(&path, path_limit))
}
