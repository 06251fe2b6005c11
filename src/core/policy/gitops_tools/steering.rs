//! A person makes, changes or deletes an object that tells a GitOps tool what to
//! deploy, and that Git does not declare: the tool then writes or deletes by its
//! own hand what it is told to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::assessment::{Assessment, Verdict, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use super::pause::{self, SUSPEND};
use crate::actor::GitopsTool;
use crate::admission::Operation;
use crate::diff::{ChangeKind, Difference, Path};

/// Kinds that make a tool deploy something.
const DEPLOYING_KINDS: [(&str, &str); 4] = [
    ("argoproj.io", "Application"),
    ("argoproj.io", "ApplicationSet"),
    ("helm.toolkit.fluxcd.io", "HelmRelease"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
];
/// The group of kinds that say from where Flux deploys. A new one deploys nothing
/// yet; a changed one leads elsewhere.
const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";

/// What an Application's finalizer begins with where all that it deployed is deleted
/// with it (<https://argo-cd.readthedocs.io/en/stable/user-guide/app_deletion/>).
const CASCADE_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// The verdict on a write, with what it tells the tool.
pub(super) fn evaluate<'a>(
    evaluation: &Evaluation<'_, 'a>,
    tool: GitopsTool,
    assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let is_declared = evaluation.is_declared();
    if !evaluation.actor.is_person() || is_declared || !write.resource.subresource.is_empty() {
        return Ok(assessment);
    }
    let deploys = DEPLOYING_KINDS.iter().any(|(group, kind)| evaluation.is_kind(group, kind));
    let steers = || {
        let verdict = evaluation.verdict(Verdict::Drift).with_violation(Violation::SteerTool { tool });
        verdict.with_limit(Outcome::Warn)
    };
    match write.operation {
        Operation::Create if deploys => {
            let policy = evaluation.context.policy;
            let is_strict = policy.unmanaged_outcome(evaluation.namespace, evaluation.actor.class) == Outcome::Deny;
            let is_stricter = is_strict || assessment.verdict == Verdict::Drift;
            Ok(if is_stricter { assessment } else { steers() })
        }
        Operation::Delete if deploys => {
            let old = parse_old_parts(write)?.unwrap_or_default();
            let is_cascade = !is_being_deleted(&old) && deletes_what_it_deployed(&evaluation.kind, &old);
            Ok(if is_cascade { steers() } else { assessment })
        }
        Operation::Update if deploys || write.resource.group == SOURCE_GROUP => update(evaluation, tool, assessment),
        _ => Ok(assessment),
    }
}

/// Whether the tool deletes what the object deployed, when it is deleted.
fn deletes_what_it_deployed(kind: &str, object: &Value) -> bool {
    let spec = &object["spec"];
    match kind {
        "Application" => {
            let finalizers = object["metadata"]["finalizers"].as_array();
            let mut names = finalizers.into_iter().flatten().filter_map(Value::as_str);
            names.any(|name| name.starts_with(CASCADE_FINALIZER))
        }
        "ApplicationSet" => spec["syncPolicy"]["preserveResourcesOnDeletion"] != true,
        // Flux leaves what is suspended alone, and else does as `deletionPolicy` says.
        _ if spec["suspend"] == true => false,
        "Kustomization" => match spec["deletionPolicy"].as_str() {
            Some("Delete" | "WaitForTermination") => true,
            Some("Orphan") => false,
            _ => spec["prune"] == true,
        },
        _ => true,
    }
}

/// What a person's change of the `spec` tells the tool.
fn update<'a>(
    evaluation: &Evaluation<'_, 'a>,
    tool: GitopsTool,
    assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let (old, new) = (parse_old_parts(write)?.unwrap_or_default(), parse_new(write)?);
    if old["spec"] == new["spec"] || is_being_deleted(&old) {
        return Ok(assessment);
    }
    if evaluation.is_kind("argoproj.io", "Application") && pause::only_pauses_application(&old, &new) {
        let path = Path::of(&pause::AUTOMATED);
        let automated = new.pointer("/spec/syncPolicy/automated").cloned();
        let change = if automated.is_some() { ChangeKind::Extra } else { ChangeKind::RemovedExtra };
        let difference = Difference { path, change, new: automated, declared: None };
        let finding = evaluation.finding(&difference, None, Outcome::Warn);
        return Ok(super::with_findings(evaluation, assessment, Violation::PauseTool { tool }, vec![finding]));
    }
    let fields = |object: &Value| object["spec"].as_object().cloned().unwrap_or_default();
    let (before, mut after) = (fields(&old), fields(&new));
    let names: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let mut findings = Vec::new();
    let mut only_pauses = true;
    for name in names {
        let path = Path::of(&["spec", &name]);
        let value = after.remove(&name);
        let is_switch = path.is_exactly(&SUSPEND);
        let resumes = is_switch && value.as_ref().is_none_or(|value| *value == false);
        let is_known = assessment.findings.iter().any(|finding| finding.path.overlaps(&path));
        if before.get(&name) == value.as_ref() || resumes || is_known || evaluation.is_permitted(&path) {
            continue;
        }
        only_pauses &= is_switch && tool == GitopsTool::Flux;
        let change = if value.is_some() { ChangeKind::Extra } else { ChangeKind::RemovedExtra };
        findings.push(evaluation.finding(
            &Difference { path, change, new: value, declared: None },
            None,
            Outcome::Warn,
        ));
    }
    let violation = if only_pauses { Violation::PauseTool { tool } } else { Violation::SteerTool { tool } };
    Ok(super::with_findings(evaluation, assessment, violation, findings))
}
