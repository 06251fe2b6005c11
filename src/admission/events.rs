//! What a review leaves beside its answer: a log line, and an Event on the object.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::cluster::{EventRecord, InvolvedObject};
use crate::telemetry::DriftLabels;
use driftwall_core::admission::Write;
use driftwall_core::decision::Decision;
use driftwall_core::desired::Source;
use driftwall_core::diff::Path;
use driftwall_core::policy::{Assessment, Outcome, Verdict, Violation};
use driftwall_core::text::{truncate, truncate_start};

/// Characters of a name that are shown. Whoever names objects and users chooses them; a name
/// of Kubernetes' own has at most 253.
const MAX_NAME_CHARS: usize = 256;
/// The same in an Event, of which a client shows the beginning: the reason must be in it.
const MAX_EVENT_USER_CHARS: usize = 128;
/// Bytes of all paths together.
const MAX_PATHS_BYTES: usize = 2048;

/// Logs one line per review. It names fields but never a value, which may be a secret.
pub(crate) fn log(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) {
    let resource = &write.resource;
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                uid = %short(&write.uid),
                user = %short(&write.user.name),
                actor = %assessment.class,
                operation = %write.operation,
                group = %short(&resource.group),
                kind = %short(&resource.kind),
                subresource = %short(&resource.subresource),
                namespace = %short(&write.namespace),
                name = %short(&write.name),
                verdict = %assessment.verdict,
                answer = decision.outcome.as_str(),
                mode = decision.mode.as_str(),
                dry_run = write.dry_run,
                fields = %field_paths(assessment),
                break_glass = decision.break_glass.as_deref().unwrap_or_default(),
                source = assessment.source.map_or("", |source| &source.name),
                application = %short(&assessment.application().unwrap_or_default()),
                commit = assessment.source.map_or("", |source| &source.commit),
                reason = %short(assessment.error_reason().unwrap_or_default()),
                $message
            )
        };
    }
    match (assessment.verdict, decision.outcome) {
        (Verdict::Error, _) => line!(warn, "Review not evaluated"),
        (_, Outcome::Deny) => line!(info, "Denied"),
        (_, Outcome::Warn) => line!(info, "Warned"),
        (Verdict::Drift, Outcome::Allow) => line!(info, "Drift recorded"),
        _ => line!(debug, "Allowed"),
    }
}

/// The labels under which the review is counted where it drifts. A source that is read from the objects themselves
/// is called as an application, which is an object's name: its tool stands for it.
pub(crate) fn drift_labels(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) -> Option<DriftLabels> {
    if assessment.verdict != Verdict::Drift {
        return None;
    }
    let source = match assessment.source {
        Some(Source { applied_by: Some(applied), .. }) => applied.tool.as_str(),
        Some(source) => &source.name,
        None => "",
    };
    let kind = if assessment.kind.is_empty() { &*write.resource.kind } else { &assessment.kind };
    Some(DriftLabels {
        source: source.to_owned(),
        object_namespace: write.namespace.to_string(),
        kind: kind.to_owned(),
        actor: assessment.class.as_str(),
        answer: decision.outcome.as_str(),
    })
}

/// A name on one line, without what a terminal would obey.
fn short(name: &str) -> String {
    truncate(name, MAX_NAME_CHARS)
}

/// The paths of the fields that drift, joined by commas: as many as fit, and how many more there are.
fn field_paths(assessment: &Assessment<'_>) -> String {
    let paths: Vec<_> = assessment.findings.iter().map(|finding| &finding.path).collect();
    path_list(&paths, assessment.more_findings)
}

fn path_list(paths: &[&Path], more: usize) -> String {
    let mut list = String::new();
    for (index, path) in paths.iter().enumerate() {
        let path = truncate_start(&path.to_string(), MAX_PATHS_BYTES / 8);
        if list.len() + path.len() > MAX_PATHS_BYTES {
            let _ = write!(list, ", … and {} more", paths.len() - index + more);
            return list;
        }
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push_str(&path);
    }
    if more > 0 {
        let _ = write!(list, ", … and {more} more");
    }
    list
}

/// The Event for a denial, for drift that a `BreakGlass` allowed, or where a tool
/// was paused. A dry run changes nothing and gets none.
pub(crate) fn event_for(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) -> Option<EventRecord> {
    if write.dry_run {
        return None;
    }
    let user = truncate(&write.user.name, MAX_EVENT_USER_CHARS);
    let (reason, action, note) = match (&decision.answer.denial, &decision.break_glass) {
        (Some(denial), _) => ("Denied", "Deny", format!("{user} was denied: {}", denial.message)),
        (None, Some(break_glass)) => {
            let paths = field_paths(assessment);
            let what = if paths.is_empty() { write.operation.to_string() } else { paths };
            ("BreakGlassUsed", "Allow", format!("BreakGlass {break_glass} allowed {user} to drift from Git: {what}"))
        }
        (None, None) => match assessment.violation {
            Violation::PauseTool { tool } => {
                let what = format!("{user} told {} to leave this alone: {}", tool.as_str(), field_paths(assessment));
                ("Paused", "Allow", what)
            }
            _ => return None,
        },
    };
    let resource = &write.resource;
    let api_version = match &*resource.group {
        "" => resource.version.to_string(),
        group => format!("{group}/{}", resource.version),
    };
    let is_namespace = resource.group.is_empty() && assessment.kind == "Namespace";
    let object = InvolvedObject {
        api_version,
        kind: assessment.kind.clone(),
        namespace: if is_namespace { String::new() } else { write.namespace.to_string() },
        name: assessment.name.clone(),
        uid: uid_of(write.old_object.or(write.object)),
    };
    // With `generateName` the API server picks the name after admission: nothing to refer to yet.
    (!object.name.is_empty()).then_some(EventRecord { object, reason, action, note })
}

/// The uid in an object's metadata; empty while it has none.
fn uid_of(json: Option<&str>) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        uid: Option<String>,
    }
    let object: Option<Object> = json.and_then(|json| serde_json::from_str(json).ok());
    object.and_then(|object| object.metadata.uid).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_paths_is_short_and_says_how_many_more_there_are() {
        let short = Path::of(&["spec", "replicas"]);
        assert_eq!(path_list(&[&short, &short], 0), "spec.replicas, spec.replicas");
        assert_eq!(path_list(&[&short], 3), "spec.replicas, … and 3 more");
        assert_eq!(path_list(&[], 0), "");
        let long = Path::of(&["spec", &"é".repeat(10_000)]);
        let list = path_list(&vec![&long; 1000], 5);
        assert!(list.len() < 2 * MAX_PATHS_BYTES && list.ends_with(" more"), "{}", list.len());
        let many = path_list(&vec![&short; 1000], 5);
        let named = many.matches("spec.replicas").count();
        assert!(many.len() < MAX_PATHS_BYTES + 40 && many.ends_with(&format!(" and {} more", 1005 - named)), "{many}");
    }

    #[test]
    fn a_name_is_one_short_line() {
        let name = short(&format!("\u{1b}[31m\n{}", "a".repeat(100_000)));
        assert_eq!(name.chars().count(), MAX_NAME_CHARS);
        assert!(!name.chars().any(char::is_control));
    }
}
