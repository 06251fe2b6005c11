//! What a review leaves beside its answer: a log line, and an Event on the object.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cluster::{EventRecord, InvolvedObject};
use driftwall_core::admission::Write;
use driftwall_core::decision::Decision;
use driftwall_core::policy::{Assessment, Outcome, Verdict, Violation};

/// Logs one line per review. It names fields but never a value, which may be a secret.
pub(crate) fn log(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) {
    let resource = &write.resource;
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                uid = %write.uid,
                user = %write.user.name,
                actor = %assessment.class,
                operation = %write.operation,
                group = %resource.group,
                kind = %resource.kind,
                subresource = %resource.subresource,
                namespace = %write.namespace,
                name = %write.name,
                verdict = %assessment.verdict,
                answer = decision.outcome.as_str(),
                mode = decision.mode.as_str(),
                dry_run = write.dry_run,
                fields = %field_paths(assessment),
                break_glass = decision.break_glass.as_deref().unwrap_or_default(),
                commit = assessment.source.map_or("", |source| &source.commit),
                reason = assessment.error_reason().unwrap_or_default(),
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

/// The paths of the fields that drift, joined by commas.
fn field_paths(assessment: &Assessment<'_>) -> String {
    let paths: Vec<_> = assessment.findings.iter().map(|finding| finding.path.to_string()).collect();
    paths.join(", ")
}

/// The Event for a denial, for drift that a `BreakGlass` allowed, or where a tool
/// was paused. A dry run changes nothing and gets none.
pub(crate) fn event_for(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) -> Option<EventRecord> {
    if write.dry_run {
        return None;
    }
    let user = &write.user.name;
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
