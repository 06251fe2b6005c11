//! Audit annotations: what the API server's audit log keeps of a decision.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::policy::{Assessment, BreakGlass, Finding, Verdict};
use crate::text::{sanitize, truncate};

/// Bytes of field paths: the API server keeps annotations with every event.
const MAX_FIELDS_BYTES: usize = 1024;
/// Characters of the reason of a `BreakGlass`.
const MAX_REASON_CHARS: usize = 256;

/// The annotations of a decision. `age` is how long ago the last sync with Git was.
pub(super) fn audit_annotations(
    assessment: &Assessment<'_>,
    age: Option<Duration>,
    break_glass: Option<&BreakGlass>,
) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::new();
    let is_unknown_to_git =
        assessment.verdict == Verdict::Unmanaged && assessment.source.is_none() && !assessment.is_reportable();
    if assessment.verdict == Verdict::Exempt || is_unknown_to_git {
        // Most writes of a cluster: nothing that the audit log does not have already.
        return annotations;
    }
    annotations.insert("verdict", assessment.verdict.to_string());
    annotations.insert("actor", assessment.class.to_string());
    if let Some(source) = assessment.source {
        annotations.insert("commit", source.commit.clone());
        if let Some(age) = age {
            annotations.insert("age", format!("{}s", age.as_secs()));
        }
    }
    if let Some(BreakGlass { namespace, name, reason, .. }) = break_glass {
        annotations.insert("break-glass", format!("{namespace}/{name}"));
        annotations.insert("break-glass-reason", truncate(reason, MAX_REASON_CHARS));
    }
    if !assessment.findings.is_empty() {
        annotations.insert("fields", field_list(&assessment.findings));
    }
    annotations
}

/// The paths of the fields, as many as fit.
fn field_list(findings: &[Finding]) -> String {
    let mut list = String::new();
    for finding in findings {
        let path = sanitize(&finding.path.to_string());
        let is_full = list.len() + path.len() > MAX_FIELDS_BYTES;
        if !list.is_empty() {
            list.push_str(", ");
        }
        if is_full {
            list.push('…');
            break;
        }
        list.push_str(&path);
    }
    list
}
