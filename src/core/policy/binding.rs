//! Bindings. Whoever binds a Pod to a node says where it runs; the API server also copies what a binding has of
//! labels and annotations to the Pod (`k8s.io/kubernetes/pkg/registry/core/pod/storage`, `setPodNodeAndMetadata`).

use serde_json::Value;

use super::applied::owning_application;
use super::assessment::{Assessment, Finding, Verdict, Violation};
use super::error::EvaluationError;
use super::evaluation::{Evaluation, EvaluationContext};
use super::metadata::name_of;
use super::mode::Outcome;
use super::review_object::parse_new;
use super::runtime_fields::is_tool_managed;
use crate::actor::Actor;
use crate::admission::{Operation, Write};
use crate::desired::{Declared, ObjectKey};
use crate::diff::{ChangeKind, Difference, Path, PathElement};

/// Whether the write binds a Pod, through either of the two ways in.
pub(super) fn is_binding(write: &Write<'_>) -> bool {
    let resource = &write.resource;
    write.operation == Operation::Create
        && resource.group.is_empty()
        && matches!((&*resource.plural, &*resource.subresource), ("pods", "binding") | ("bindings", ""))
}

/// The verdict on a binding. Where a Pod runs is decided at runtime, but a person who decides it of a declared one is
/// warned, and what comes with it is judged as if it were written to the Pod.
pub(super) fn evaluate_binding<'a>(
    write: &Write<'_>,
    actor: Actor<'a>,
    context: EvaluationContext<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    let runtime = Assessment::new(Verdict::Runtime, actor.class);
    let name = if write.name.is_empty() { name_of(write.object)? } else { write.name.to_string() };
    let pod = ObjectKey { group: "", kind: "Pod", namespace: &write.namespace, name: &name };
    let evaluation =
        Evaluation { write, actor, context, kind: "Pod".to_owned(), namespace: &write.namespace, name: name.clone() };
    let Some((declared, source)) = context.snapshot.get(pod) else {
        let Some(application) = owning_application(&evaluation) else { return Ok(runtime) };
        // What was applied is in the Pod, and the binding does not bring that.
        let declared = Declared::applied(pod, &Value::Null);
        let findings = findings(&evaluation, &declared, &parse_new(write)?);
        if findings.is_empty() {
            return Ok(runtime);
        }
        let unknown = Violation::ChangeUnknown { tool: application.name.kind.tool() };
        let drift = evaluation.verdict(Verdict::Drift).with_violation(unknown).with_findings(findings);
        let drift = drift.with_limit(Outcome::Warn).with_source(&application.source);
        return Ok(drift.with_object("Pod".to_owned(), name));
    };
    if declared.opt_out.is_some() {
        return Ok(runtime);
    }
    let uncertainty = context.snapshot.uncertainty(source, declared);
    let assessment = match parse_new(write) {
        Ok(binding) => {
            let findings = findings(&evaluation, declared, &binding);
            if findings.is_empty() {
                return Ok(runtime);
            }
            evaluation.verdict(Verdict::Drift).with_violation(Violation::ChangeDeclared).with_findings(findings)
        }
        Err(error) => Assessment::error(evaluation.actor.class, &error),
    };
    Ok(assessment.with_uncertainty(uncertainty).with_declared(declared, source).with_object("Pod".to_owned(), name))
}

/// What a binding brings that Git does not say of the Pod.
fn findings(evaluation: &Evaluation<'_, '_>, declared: &Declared, binding: &Value) -> Vec<Finding> {
    let is_person = evaluation.actor.is_person();
    let git = evaluation.context.snapshot.object(declared);
    let mut differences = Vec::new();
    for map in ["annotations", "labels"] {
        for (key, value) in binding["metadata"][map].as_object().into_iter().flatten() {
            let in_git = git["metadata"][map].get(key);
            let max_outcome = match in_git {
                Some(in_git) if in_git == value => None,
                Some(_) => Some(Outcome::Deny),
                None => evaluation.context.policy.protected_keys.answer_to(key, is_person, false),
            };
            let mut path = Path::of(&["metadata", map]);
            path.push(PathElement::Field(key.as_str().into()));
            differences.extend(max_outcome.map(|max_outcome| (path, value, in_git, max_outcome)));
        }
    }
    let (node, in_git) = (&binding["target"]["name"], git["spec"].get("nodeName"));
    if is_person && in_git != Some(node) {
        differences.push((Path::of(&["spec", "nodeName"]), node, in_git, Outcome::Warn));
    }
    let mut findings = Vec::new();
    for (path, value, in_git, max_outcome) in differences {
        if is_tool_managed(&path) || evaluation.is_permitted(&path) {
            continue;
        }
        let location = declared.locations(&[&path]).pop();
        let change = if in_git.is_some() { ChangeKind::Changed } else { ChangeKind::Extra };
        let difference = Difference { path, change, new: Some(value.clone()), declared: in_git.cloned() };
        findings.push(evaluation.finding(&difference, location, max_outcome));
    }
    findings
}
