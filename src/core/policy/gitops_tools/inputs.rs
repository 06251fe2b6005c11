//! A person writes what Argo CD or Flux read beside their own kinds, and Git does not declare it: variables and values,
//! the clusters that are written to, the records of what a release deployed.

use serde_json::Value;

use super::super::assessment::{Assessment, Verdict, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::object_diff::changed_content;
use super::super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use super::loosening::is_of_argocd;
use crate::actor::GitopsTool;
use crate::admission::Operation;
use crate::desired::Declared;

/// The label by which Argo CD takes a Secret for one of its clusters, with the value `cluster`
/// (<https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>).
const SECRET_LABEL: &str = "argocd.argoproj.io/secret-type";

/// How Helm names the record of a release: this, the release, and `.vN` (`helm.sh/helm/v3/pkg/storage/storage.go`).
const RELEASE_PREFIX: &str = "sh.helm.release.v1.";

/// What Flux's objects read of the same namespace: group, kind, and the list that names it.
const REFERENCES: [(&str, &str, &str); 2] = [
    // <https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution>
    ("kustomize.toolkit.fluxcd.io", "Kustomization", "/spec/postBuild/substituteFrom"),
    // <https://fluxcd.io/flux/components/helm/helmreleases/#values-references>
    ("helm.toolkit.fluxcd.io", "HelmRelease", "/spec/valuesFrom"),
];

/// The verdict on a write, with what it tells a tool: a warning.
pub(super) fn evaluate<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let is_input = evaluation.is_kind("", "ConfigMap") || evaluation.is_kind("", "Secret");
    // What is not even wanted there is denied for that.
    let is_undeclared = assessment.verdict == Verdict::Unmanaged && assessment.violation != Violation::CreateUndeclared;
    if !is_input || !is_undeclared || !evaluation.actor.is_person() || !write.resource.subresource.is_empty() {
        return Ok(assessment);
    }
    let old = parse_old_parts(write)?.unwrap_or_default();
    let new = match write.operation {
        Operation::Create | Operation::Update => parse_new(write)?,
        Operation::Connect | Operation::Delete => Value::Null,
    };
    if is_being_deleted(&old) || changed_content(&old, &new).is_empty() {
        return Ok(assessment);
    }
    let tools = evaluation.context.actors.tools();
    let is_for = |tool: &GitopsTool| match tool {
        GitopsTool::ArgoCd => is_read_by_argocd(evaluation, &old, &new),
        GitopsTool::Flux => is_read_by_flux(evaluation),
    };
    let Some(tool) = tools.iter().find(|tool| is_for(tool)).copied() else { return Ok(assessment) };
    let steers = evaluation.verdict(Verdict::Drift).with_violation(Violation::SteerTool { tool });
    Ok(steers.with_limit(Outcome::Warn))
}

fn is_read_by_argocd(evaluation: &Evaluation<'_, '_>, old: &Value, new: &Value) -> bool {
    let is_cluster = |object: &Value| object["metadata"]["labels"][SECRET_LABEL] == "cluster";
    evaluation.is_kind("", "Secret") && (is_cluster(old) || is_cluster(new)) && is_of_argocd(evaluation)
}

fn is_read_by_flux(evaluation: &Evaluation<'_, '_>) -> bool {
    let snapshot = evaluation.context.snapshot;
    if !REFERENCES.iter().any(|(group, ..)| snapshot.has_group(group)) {
        return false;
    }
    let list_of = |declared: &Declared| {
        let found = REFERENCES.iter().find(|(group, kind, _)| (*group, *kind) == (&*declared.group, &*declared.kind));
        found.map(|(.., list)| *list)
    };
    let is_reader = |declared: &Declared| list_of(declared).is_some();
    snapshot.declared_in(evaluation.namespace, &is_reader).any(|declared| {
        let object = snapshot.object(declared);
        let references = list_of(declared).and_then(|list| object.pointer(list)).and_then(Value::as_array);
        let is_it = |item: &Value| item["kind"] == *evaluation.kind && item["name"] == *evaluation.name;
        references.into_iter().flatten().any(is_it) || is_release_record(evaluation, declared, &object)
    })
}

/// Whether the Secret is the record of what a declared HelmRelease of this namespace has deployed.
fn is_release_record(evaluation: &Evaluation<'_, '_>, declared: &Declared, object: &Value) -> bool {
    if declared.kind != "HelmRelease" || !evaluation.is_kind("", "Secret") {
        return false;
    }
    let named = evaluation.name.strip_prefix(RELEASE_PREFIX).and_then(|rest| rest.rsplit_once(".v"));
    let spec = |field: &str| object["spec"][field].as_str();
    // The name of a release that is given none (<https://fluxcd.io/flux/components/helm/helmreleases/#release-name>).
    let release = match (spec("releaseName"), spec("targetNamespace")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(target)) => format!("{target}-{}", declared.name),
        (None, None) => declared.name.clone(),
    };
    named.is_some_and(|(name, _)| name == release)
}
