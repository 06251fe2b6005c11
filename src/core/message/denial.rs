//! The text of a denial: what is wrong, which fields, and what to do instead.

use super::declarer::Declarer;
use super::finding::{describe, location_suffix};
use super::source_url::source_url;
use super::summary::{kind_name, summary};
use crate::admission::{Cause, Denial, Operation, Write};
use crate::desired::Source;
use crate::policy::{Assessment, Finding, Violation, break_glass_namespace};
use crate::text::{sanitize, truncate_start};

/// Fields that the message names; `details.causes` carries more.
const MAX_FIELDS: usize = 10;
/// Bytes of `details.causes`: a client reads some of them, and none reads megabytes.
const MAX_CAUSES_BYTES: usize = 256 * 1024;
/// Characters of a path that are shown: Kubernetes' own fields and keys fit.
const MAX_PATH_CHARS: usize = 400;
/// Characters of a value that are shown.
const MAX_VALUE_CHARS: usize = 80;

/// The denial of a write. Where break-glass is in use, `driftwall_namespace` is
/// driftwall's own namespace, and the denial says how to use it.
pub(crate) fn denial(write: &Write<'_>, assessment: &Assessment<'_>, driftwall_namespace: Option<&str>) -> Denial {
    let findings = &assessment.findings;
    let author = Declarer::of(assessment);
    let mut lines = vec![summary(write, assessment)];
    for finding in findings.iter().take(MAX_FIELDS) {
        let path = truncate_start(&finding.path.to_string(), MAX_PATH_CHARS);
        let description = describe(finding, &assessment.violation, author, MAX_VALUE_CHARS);
        lines.push(format!("  {path}: {description}{}", location_suffix(finding)));
    }
    let more = findings.len().saturating_sub(MAX_FIELDS) + assessment.more_findings;
    if more > 0 {
        lines.push(format!("  … and {more} more"));
    }
    lines.extend(admission_hint(findings));
    lines.push(remedy(write, assessment));
    lines.extend(assessment.partly_unread.map(unread_hint));
    if let Some(driftwall_namespace) = driftwall_namespace {
        lines.extend(break_glass_hint(write, assessment, driftwall_namespace));
    }
    let lines: Vec<String> = lines.iter().map(|line| sanitize(line)).collect();
    Denial {
        message: lines.join("\n"),
        name: assessment.name.clone(),
        group: write.resource.group.to_string(),
        kind: kind_name(write, assessment),
        causes: causes(assessment),
    }
}

/// Who may have made a value, where the writer did not.
fn admission_hint(findings: &[Finding]) -> Option<String> {
    let made: Vec<_> = findings.iter().take(MAX_FIELDS).filter(|finding| finding.may_be_admission).collect();
    let path = truncate_start(&made.first()?.path.to_string(), MAX_PATH_CHARS);
    let others = match made.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(format!(
        "If you did not send this value of {path}{others}, an admission webhook or a default of the API server made it."
    ))
}

/// Where the object may be declared all the same.
fn unread_hint(source: &str) -> String {
    format!("If it is declared: driftwall does not read all of source {source}, see `driftwall sources`.")
}

/// What to do instead.
fn remedy(write: &Write<'_>, assessment: &Assessment<'_>) -> String {
    let at = assessment.source.map(|source| source_reference(source, assessment)).unwrap_or_default();
    let git = Declarer::of(assessment).place_of_change();
    match &assessment.violation {
        Violation::CascadingDelete { .. } => format!("Remove them in {git} first{at}. Nothing was deleted."),
        Violation::ChangeDeclared
        | Violation::ChangeDefinition { .. }
        | Violation::ChangeDerived { .. }
        | Violation::ChangeNamespace { .. }
        | Violation::ChangeUnknown { .. }
        | Violation::ForgetApplied { .. }
        | Violation::OtherVersion { .. }
        | Violation::PauseTool { .. }
        | Violation::Rollback
        | Violation::UnknownRevision => {
            format!("Change it in {git}{at}. This object was not changed.")
        }
        Violation::CreateDiffers | Violation::CreateListed => format!("Change it in {git}{at}. Nothing was created."),
        Violation::CreateUndeclared => format!("Declare it in {git}{at}. Nothing was created."),
        Violation::DeleteDeclared(_) | Violation::EvictDeclared(_) => {
            format!("Remove it in {git}{at}. Nothing was deleted.")
        }
        Violation::ChangeToolStatus { tool } => {
            let kept = if write.operation == Operation::Create {
                "Nothing was created"
            } else {
                "This object was not changed"
            };
            format!("Leave it to {}. {kept}.", tool.as_str())
        }
        Violation::DeleteToolKind { .. } => "Uninstall the tool by what installed it. Nothing was deleted.".into(),
        Violation::ExemptToken { .. } => "Change in Git what you need it for. Nothing was issued.".into(),
        Violation::ForeignOperation => {
            "Change in Git what it should deploy, then sync it. This object was not changed.".into()
        }
        Violation::RunAsExempt { .. } if write.operation == Operation::Create => {
            "Declare it in Git, or let it run as an account of its own. Nothing was created.".into()
        }
        Violation::RunAsExempt { .. } => {
            "Declare it in Git, or let it run as an account of its own. This object was not changed.".into()
        }
        Violation::ProtectLess { .. } | Violation::SteerTool { .. } => "Declare it in Git. Nothing was changed.".into(),
        Violation::NotReadable(_) => "What cannot be compared with Git is denied. Nothing was changed.".into(),
        Violation::NotEvaluated(_) => "Errors are denied here (onError: deny). Nothing was changed.".into(),
        Violation::TargetDeclared { .. } if write.operation == Operation::Create => {
            format!("Declare it in {git}{at}. Nothing was created.")
        }
        Violation::TargetDeclared { .. } => format!("Declare it in {git}{at}. This object was not changed."),
    }
}

/// `: <where> (main @ 5c56d97)`; of a chart, `: chart web 1.2.3 of <where>`
fn source_reference(source: &Source, assessment: &Assessment<'_>) -> String {
    let location = match &assessment.violation {
        Violation::DeleteDeclared(location) | Violation::EvictDeclared(location) => location.as_ref(),
        _ => assessment.findings.iter().find_map(|finding| finding.location.as_ref()),
    };
    let commit = source.short_commit();
    if source.applied_by.is_some() {
        // The denial has named the revision.
        return match (&*source.repo, &source.chart) {
            ("", _) => String::new(),
            (repo, Some(chart)) => format!(": chart {chart} of {repo}"),
            (_, None) => format!(": {} ({})", source_url(source, None), source.revision),
        };
    }
    match &source.chart {
        Some(chart) => format!(": chart {chart} {commit} of {}", source.repo),
        None => format!(": {} ({} @ {commit})", source_url(source, location), source.revision),
    }
}

/// The break-glass command, where it would help and can be pasted into a shell.
fn break_glass_hint(write: &Write<'_>, assessment: &Assessment<'_>, driftwall_namespace: &str) -> Option<String> {
    if matches!(assessment.violation, Violation::ExemptToken { .. } | Violation::RunAsExempt { .. })
        || assessment.name.is_empty()
    {
        return None;
    }
    let kind = kind_name(write, assessment);
    let namespace = break_glass_namespace(write, &kind, driftwall_namespace);
    let object = format!("{}/{}", kind.to_lowercase(), assessment.name);
    let needs_no_quotes = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:/".contains(c));
    if needs_no_quotes(&object) && needs_no_quotes(namespace) {
        Some(format!("In an emergency: driftwall break-glass -n {namespace} {object} --reason '…'"))
    } else {
        None
    }
}

/// The drifting fields, as many as fit.
fn causes(assessment: &Assessment<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut bytes = 0;
    for finding in &assessment.findings {
        let cause = cause(finding, assessment);
        bytes += cause.message.len() + cause.field.len();
        if bytes > MAX_CAUSES_BYTES {
            break;
        }
        causes.push(cause);
    }
    causes
}

fn cause(finding: &Finding, assessment: &Assessment<'_>) -> Cause {
    let mut message = describe(finding, &assessment.violation, Declarer::of(assessment), MAX_VALUE_CHARS);
    if let Some(location) = &finding.location {
        message.push_str(&sanitize(&format!(" ({location})")));
    }
    Cause { reason: "Drift", message, field: truncate_start(&finding.path.to_string(), MAX_PATH_CHARS) }
}
