//! A person changes an object that discovery believes, so that driftwall would protect less of what the tools deploy:
//! settings and projects of Argo CD, and the applications themselves.

use serde_json::Value;

use super::super::assessment::{Assessment, Verdict, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::object_diff::value_at;
use super::super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use crate::actor::{Class, GitopsTool};
use crate::admission::Operation;
use crate::applications::{Loosened, Loss, ObservedKind, loosened};
use crate::diff::{ChangeKind, Difference, Path};

/// The verdict on a write, with what it takes from what is protected.
pub(super) fn evaluate<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let applications = evaluation.context.snapshot.applications();
    let is_denied = assessment.verdict == Verdict::Drift && assessment.max_outcome() == Outcome::Deny;
    let Some(kind) = ObservedKind::of(&write.resource.group, &evaluation.kind) else { return Ok(assessment) };
    let is_judged = !applications.is_empty() && evaluation.actor.is_person() && write.resource.subresource.is_empty();
    // What Git declares is held against Git alone.
    if !is_judged || is_denied || !kind.is_named(&evaluation.name) || evaluation.is_declared() {
        return Ok(assessment);
    }
    let old = parse_old_parts(write)?;
    if old.as_ref().is_some_and(is_being_deleted) {
        return Ok(assessment);
    }
    let new = match write.operation {
        Operation::Create | Operation::Update => Some(parse_new(write)?),
        Operation::Connect | Operation::Delete => None,
    };
    let losses = loosened(applications, evaluation.key(), old.as_ref(), new.as_ref(), is_of_argocd(evaluation));
    let tool = match kind {
        ObservedKind::Application(kind) => kind.tool(),
        ObservedKind::ArgocdProject | ObservedKind::ArgocdSettings => GitopsTool::ArgoCd,
        ObservedKind::FluxSource => GitopsTool::Flux,
    };
    Ok(add(evaluation, assessment, &losses, tool, new.as_ref()))
}

/// Whether Argo CD is in the object's namespace, as far as its accounts are known.
pub(super) fn is_of_argocd(evaluation: &Evaluation<'_, '_>) -> bool {
    let namespace = evaluation.namespace;
    let names = ["argocd-application-controller".to_owned(), format!("{namespace}-argocd-application-controller")];
    names.iter().any(|name| evaluation.context.actors.classify_account(namespace, name).class == Class::Gitops)
}

fn add<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: Assessment<'a>,
    losses: &[Loosened],
    tool: GitopsTool,
    new: Option<&Value>,
) -> Assessment<'a> {
    let mut findings = Vec::new();
    let mut violation = None;
    for Loosened { loss, paths, is_at_once } in losses {
        // Where an application leads, and that it is gone, its people say by hand; that it is deleted with all that
        // it deployed is a warning too.
        let is_application = matches!(
            ObservedKind::of(&evaluation.write.resource.group, &evaluation.kind),
            Some(ObservedKind::Application(_))
        );
        let is_meant = (is_application && *loss == Loss::Unseen) || !is_at_once;
        let max_outcome = if is_meant { Outcome::Warn } else { Outcome::Deny };
        if paths.is_empty() && assessment.verdict != Verdict::Drift {
            let lost = Violation::ProtectLess { tool, loss: *loss };
            return evaluation.verdict(Verdict::Drift).with_violation(lost).with_limit(max_outcome);
        }
        for path in paths.iter().filter(|path| !evaluation.is_permitted(path)) {
            let new = new.and_then(|object| value_at(object, path).cloned());
            let change = if new.is_some() { ChangeKind::Extra } else { ChangeKind::RemovedExtra };
            let difference = Difference { path: path.clone(), change, new, declared: None };
            findings.push(evaluation.finding(&difference, None, max_outcome));
            violation.get_or_insert(Violation::ProtectLess { tool, loss: *loss });
        }
    }
    let Some(violation) = violation else { return assessment };
    let is_said = |path: &Path| findings.iter().any(|finding| finding.path.overlaps(path));
    let rest = assessment.findings.iter().filter(|finding| !is_said(&finding.path));
    let rest: Vec<_> = rest.cloned().collect();
    findings.extend(rest);
    let Assessment { source, declared, uncertainty, .. } = assessment;
    Assessment { source, declared, uncertainty, ..evaluation.verdict(Verdict::Drift) }
        .with_violation(violation)
        .with_findings(findings)
}
