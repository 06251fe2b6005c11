//! Writes to the objects by which people tell Argo CD and Flux what to deploy. Their
//! controllers are exempt, so whoever tells them what to do writes by their hands.

mod definition;
mod inputs;
mod loosening;
mod operation;
mod pause;
mod status;
mod steering;

use super::assessment::{Assessment, Finding, Verdict, Violation};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use crate::actor::GitopsTool;
use crate::diff::{ChangeKind, DifferenceRef, Path};

/// The verdict on a write, with what it does to a GitOps tool.
pub(super) fn refine<'a>(
    evaluation: &Evaluation<'_, 'a>,
    mut assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    if matches!(assessment.verdict, Verdict::Error | Verdict::Exempt) {
        return Ok(assessment);
    }
    if let Some(deletion) = definition::evaluate_deletion(evaluation, &assessment)? {
        return Ok(deletion);
    }
    let Some(tool) = GitopsTool::of_kind(&evaluation.write.resource.group, &evaluation.kind) else {
        let assessment = loosening::evaluate(evaluation, assessment)?;
        return inputs::evaluate(evaluation, assessment);
    };
    pause::soften(evaluation, tool, &mut assessment)?;
    if let Some((violation, findings)) = operation::evaluate(evaluation)? {
        assessment = with_findings(evaluation, assessment, violation, findings);
    }
    if !evaluation.context.actors.tools().contains(&tool) {
        return Ok(assessment);
    }
    if let Some((violation, findings)) = status::evaluate(evaluation, tool)? {
        assessment = with_findings(evaluation, assessment, violation, findings);
    }
    let assessment = steering::evaluate(evaluation, tool, assessment)?;
    loosening::evaluate(evaluation, assessment)
}

/// Whether the field asks Argo CD for something and changes nothing: an operation is judged by itself.
pub(super) fn is_operation(evaluation: &Evaluation<'_, '_>, path: &Path) -> bool {
    path.starts_with(&["operation"]) && evaluation.is_kind("argoproj.io", "Application")
}

/// Whether the writer is Argo CD's server, and writes the field for itself, as a workload: what Git
/// leaves out anywhere but in `spec`, and the tokens of a project's roles.
pub(super) fn is_own_field_of_intermediary(evaluation: &Evaluation<'_, '_>, difference: DifferenceRef<'_>) -> bool {
    let group = &evaluation.write.resource.group;
    if !evaluation.actor.is_intermediary() || GitopsTool::of_kind(group, &evaluation.kind).is_none() {
        return false;
    }
    let DifferenceRef { path, change, new, declared } = difference;
    if path.starts_with(&["spec", "roles"]) {
        let is_token = path.last_field() == Some("jwtTokens") || path.to_string().contains(".jwtTokens");
        return is_token || status::without_tokens(new) == status::without_tokens(declared);
    }
    let is_declared = matches!(change, ChangeKind::Changed | ChangeKind::RemovedDeclared);
    !is_declared && !path.starts_with(&["spec"])
}

/// The assessment with further fields that drift; `violation` is what they do where
/// nothing else drifts.
fn with_findings<'a>(
    evaluation: &Evaluation<'_, 'a>,
    mut assessment: Assessment<'a>,
    violation: Violation,
    findings: Vec<Finding>,
) -> Assessment<'a> {
    if findings.is_empty() {
        return assessment;
    }
    if assessment.verdict == Verdict::Drift && !assessment.findings.is_empty() {
        assessment.findings.extend(findings);
        return assessment;
    }
    let Assessment { source, declared, uncertainty, .. } = assessment;
    Assessment { source, declared, uncertainty, ..evaluation.verdict(Verdict::Drift) }
        .with_violation(violation)
        .with_findings(findings)
}
