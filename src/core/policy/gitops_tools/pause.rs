//! The pause lever: a tool is told to leave an application alone. It is how an
//! emergency begins, so it is never denied; what the application declares is
//! judged as before.

use serde_json::Value;

use super::super::assessment::{Assessment, Finding, Verdict, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::review_object::parse_new;
use crate::actor::GitopsTool;
use crate::diff::ChangeKind;

/// Where Flux is told to leave an object alone.
pub(super) const SUSPEND: [&str; 2] = ["spec", "suspend"];
/// Where Argo CD is told to sync an Application by itself.
pub(super) const AUTOMATED: [&str; 3] = ["spec", "syncPolicy", "automated"];

/// Makes a pause a warning at most, and lets Flux be resumed where Git does not
/// say that it is suspended.
pub(super) fn soften(
    evaluation: &Evaluation<'_, '_>,
    tool: GitopsTool,
    assessment: &mut Assessment<'_>,
) -> Result<(), EvaluationError> {
    if assessment.verdict != Verdict::Drift || assessment.findings.is_empty() {
        return Ok(());
    }
    assessment.findings.retain(|finding| {
        let resumes = finding.new == Some(Value::Bool(false)) && finding.declared.is_none();
        !(tool == GitopsTool::Flux && finding.path.is_exactly(&SUSPEND) && resumes)
    });
    if assessment.findings.is_empty() && assessment.more_findings == 0 {
        (assessment.verdict, assessment.violation) = (Verdict::Conforms, Violation::default());
        return Ok(());
    }
    let is_off = tool == GitopsTool::ArgoCd && is_argocd_off(evaluation, assessment)?;
    let mut pauses = 0;
    for finding in &mut assessment.findings {
        let is_pause = match tool {
            GitopsTool::ArgoCd => is_off && switches_argocd_off(finding),
            GitopsTool::Flux => finding.path.is_exactly(&SUSPEND) && finding.new == Some(Value::Bool(true)),
        };
        if is_pause {
            finding.max_outcome = Outcome::Warn.min(finding.max_outcome);
            pauses += 1;
        }
    }
    if pauses == assessment.findings.len() {
        assessment.violation = Violation::PauseTool { tool };
    }
    Ok(())
}

/// Whether the object is an Application that does not sync by itself after the write.
/// Only for a change of how it syncs is the object read.
fn is_argocd_off(evaluation: &Evaluation<'_, '_>, assessment: &Assessment<'_>) -> Result<bool, EvaluationError> {
    let is_about_sync = |finding: &Finding| finding.path.starts_with(&AUTOMATED[..2]);
    if !evaluation.is_kind("argoproj.io", "Application") || !assessment.findings.iter().any(is_about_sync) {
        return Ok(false);
    }
    let new = parse_new(evaluation.write)?;
    Ok(!is_automated(new.pointer("/spec/syncPolicy/automated")))
}

/// Whether the field switches the automated sync off: `automated` goes, alone or
/// with a `syncPolicy` that holds nothing else, or gets `enabled: false`.
fn switches_argocd_off(finding: &Finding) -> bool {
    let Finding { path, change, declared, .. } = finding;
    if path.starts_with(&AUTOMATED) {
        // Git does not declare the field of an Application that an ApplicationSet makes.
        return path.last_field() == Some("enabled")
            || matches!(change, ChangeKind::RemovedDeclared | ChangeKind::RemovedExtra);
    }
    let holds_only_it =
        |policy: &Value| policy.as_object().is_some_and(|fields| fields.keys().all(|key| key == "automated"));
    path.is_exactly(&AUTOMATED[..2])
        && *change == ChangeKind::RemovedDeclared
        && declared.as_ref().is_some_and(holds_only_it)
}

/// Whether an Application with this `automated` syncs by itself.
fn is_automated(automated: Option<&Value>) -> bool {
    matches!(automated, Some(Value::Object(fields)) if fields.get("enabled") != Some(&Value::Bool(false)))
}

/// Whether the write does nothing to the `spec` of an Application but to switch
/// its automated sync off.
pub(super) fn only_pauses_application(old: &Value, new: &Value) -> bool {
    let automated = |object: &Value| is_automated(object.pointer("/spec/syncPolicy/automated"));
    automated(old) && !automated(new) && without_automated(old) == without_automated(new)
}

/// The `spec` without `automated`, and without a `syncPolicy` that is empty then.
fn without_automated(object: &Value) -> Value {
    let mut spec = object["spec"].clone();
    if let Some(policy) = spec.get_mut("syncPolicy").and_then(Value::as_object_mut) {
        policy.remove("automated");
        if policy.is_empty()
            && let Some(spec) = spec.as_object_mut()
        {
            spec.remove("syncPolicy");
        }
    }
    spec
}
