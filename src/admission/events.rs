//! What a review leaves beside its answer: a log line, and an Event on the object.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::{EventRecord, InvolvedObject};
use driftwall_core::admission::Write;
use driftwall_core::decision::Decision;
use driftwall_core::policy::{Assessment, Outcome, Verdict, Violation};
use driftwall_core::text::{truncate, truncate_start};

/// Characters of a name that are shown. Whoever names objects and users chooses them; a name
/// of Kubernetes' own has at most 253.
const MAX_NAME_CHARS: usize = 256;
/// The same in an Event, of which a client shows the beginning: the reason must be in it.
const MAX_EVENT_USER_CHARS: usize = 128;
/// Characters of all paths together.
const MAX_PATHS_CHARS: usize = 2048;

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

/// A name on one line, without what a terminal would obey.
fn short(name: &str) -> String {
    truncate(name, MAX_NAME_CHARS)
}

/// The paths of the fields that drift, joined by commas: as many as fit, and how many more there are.
fn field_paths(assessment: &Assessment<'_>) -> String {
    let mut paths = String::new();
    for (index, finding) in assessment.findings.iter().enumerate() {
        let path = truncate_start(&finding.path.to_string(), MAX_PATHS_CHARS / 4);
        if paths.len() + path.len() > MAX_PATHS_CHARS {
            let more = assessment.findings.len() - index + assessment.more_findings;
            let _ = write!(paths, ", … and {more} more");
            break;
        }
        if !paths.is_empty() {
            paths.push_str(", ");
        }
        paths.push_str(&path);
    }
    paths
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
fn uid_of(raw: Option<&RawValue>) -> String {
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
    let object: Option<Object> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    object.and_then(|object| object.metadata.uid).unwrap_or_default()
}
