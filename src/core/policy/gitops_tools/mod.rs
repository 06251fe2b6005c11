//! Writes to the objects by which people tell Argo CD and Flux what to deploy. Their
//! controllers are exempt, so whoever tells them what to do writes by their hands.

mod definition;
mod operation;
mod pause;
mod status;
mod steering;

use super::assessment::{Assessment, Finding, Verdict, Violation};
use super::error::EvaluationError;
use super::evaluation::Evaluation;
use crate::actor::GitopsTool;
use crate::diff::{ChangeKind, Path};

/// The verdict on a write, with what it does to a GitOps tool.
pub(super) fn refine<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    if matches!(assessment.verdict, Verdict::Error | Verdict::Exempt) {
        return Ok(assessment);
    }
    if let Some(deletion) = definition::evaluate_deletion(evaluation, &assessment)? {
        return Ok(deletion);
    }
    let Some(tool) = GitopsTool::of_kind(&evaluation.write.resource.group, &evaluation.kind) else {
        return Ok(assessment);
    };
    let mut assessment = without_runtime_findings(evaluation, assessment);
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
    steering::evaluate(evaluation, tool, assessment)
}

/// Without what asks a tool for something and changes nothing: an operation, which
/// is judged by itself, and what an intermediary writes as a workload.
fn without_runtime_findings<'a>(evaluation: &Evaluation<'_, 'a>, mut assessment: Assessment<'a>) -> Assessment<'a> {
    if assessment.verdict != Verdict::Drift || assessment.findings.is_empty() {
        return assessment;
    }
    let is_application = evaluation.is_kind("argoproj.io", "Application");
    let is_operation = |path: &Path| is_application && path.starts_with(&["operation"]);
    let has_operation = assessment.findings.iter().any(|finding| is_operation(&finding.path));
    assessment.findings.retain(|finding| {
        let is_own = evaluation.actor.is_intermediary() && is_own_field_of_intermediary(finding);
        !is_operation(&finding.path) && !is_own
    });
    // What is not named may be anything.
    if assessment.findings.is_empty() && assessment.more_findings == 0 {
        let verdict = if has_operation { Verdict::Runtime } else { Verdict::Conforms };
        assessment = Assessment { verdict, violation: Violation::default(), ..assessment };
    }
    assessment
}

/// Whether Argo CD's server writes the field for itself, as a workload: what Git
/// leaves out anywhere but in `spec`, and the tokens of a project's roles.
fn is_own_field_of_intermediary(finding: &Finding) -> bool {
    let Finding { path, change, new, declared, .. } = finding;
    if path.starts_with(&["spec", "roles"]) {
        let is_token = path.last_field() == Some("jwtTokens") || path.to_string().contains(".jwtTokens");
        return is_token || status::without_tokens(new.as_ref()) == status::without_tokens(declared.as_ref());
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
