//! A write to an object that Git declares.

use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::evaluation::{Assessment, Finding, Verdict, Violation};
use super::object_diff::{Scope, object_differences, value_at};
use super::protected::{is_protected, is_tracking};
use super::{Evaluation, EvaluationError, Outcome, namespace_of};
use crate::admission::Operation;
use crate::desired::{Declared, SourceLocation, live_opt_out};
use crate::diff::{ChangeKind, CustomResource, Difference, Path, differences, is_opaque};

/// Fields that tools keep for themselves while things run: never drift.
const KEPT: [&[&str]; 8] = [
    &["metadata", "annotations", "control-plane.alpha.kubernetes.io/leader"],
    &["metadata", "annotations", "deployment.kubernetes.io/desired-replicas"],
    &["metadata", "annotations", "deployment.kubernetes.io/max-replicas"],
    &["metadata", "annotations", "deployment.kubernetes.io/revision"],
    &["metadata", "annotations", "deprecated.daemonset.template.generation"],
    &["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"],
    &["metadata", "annotations", "kubernetes.io/change-cause"],
    &["spec", "templateGeneration"],
];

/// Fields by which people run what Git declares, without changing it: a restart.
const RUN: [&[&str]; 3] = [
    &["metadata", "annotations", "kubectl.kubernetes.io/restartedAt"],
    &["spec", "restartAt"],
    &["spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"],
];

/// Finalizers that the API server itself puts on what is created
/// (its admission plugin `StorageObjectInUseProtection`).
const PROTECTIONS: [&str; 3] =
    ["kubernetes.io/pv-protection", "kubernetes.io/pvc-protection", "kubernetes.io/vac-protection"];

/// Fields whose line in Git is looked up: each costs a walk over the manifest,
/// and nobody reads more.
const MAX_PLACES: usize = 100;

/// Judges a write to an object that Git declares.
pub(crate) fn evaluate<'a>(
    evaluation: &Evaluation<'_, 'a>,
    declared: &Declared,
) -> Result<Assessment<'a>, EvaluationError> {
    if declared.opt_out.is_some() {
        return Ok(evaluation.verdict(Verdict::Unmanaged));
    }
    let write = evaluation.write;
    let old = parsed("oldObject", write.old_object)?;
    if let Some(old) = &old {
        if !old["metadata"]["deletionTimestamp"].is_null() {
            return Ok(evaluation.verdict(Verdict::Conforms));
        }
        if live_opt_out(old).is_some() {
            return Ok(evaluation.verdict(Verdict::Unmanaged));
        }
    }
    if write.operation == Operation::Delete {
        let old = old.ok_or(EvaluationError::Absent("oldObject"))?;
        return Ok(delete(evaluation, declared, &old));
    }
    let new = parsed("object", write.object)?.ok_or(EvaluationError::Absent("object"))?;
    if write.operation == Operation::Update && old.is_none() {
        return Err(EvaluationError::Absent("oldObject"));
    }
    let moved = match &*write.resource.subresource {
        "scale" => scaled(evaluation, declared, old.as_ref(), &new)?,
        "status" => object_differences(
            Some(&declared.object()),
            old.as_ref(),
            &new,
            crate::diff::unknown_schema(),
            Scope::LabelsAndAnnotations,
        ),
        _ if declared.version == *write.resource.version => {
            let git = declared.object();
            evaluation
                .with_schema(|place, _| object_differences(Some(&git), old.as_ref(), &new, place, Scope::Object))?
        }
        _ => in_other_version(evaluation, declared, old.as_ref(), &new)?,
    };
    let (violation, findings, ran) = sift(evaluation, moved, declared);
    Ok(match (findings.is_empty(), ran) {
        (true, true) => evaluation.verdict(Verdict::Runtime),
        (true, false) => evaluation.verdict(Verdict::Conforms),
        (false, _) => evaluation.verdict(Verdict::Drift).about(violation).finding(findings),
    })
}

fn delete<'a>(evaluation: &Evaluation<'_, 'a>, declared: &Declared, old: &Value) -> Assessment<'a> {
    // A finished Job is deleted so that Git's hand can run it again.
    if evaluation.kind == "Job" && &*evaluation.write.resource.group == "batch" && is_finished(old) {
        return evaluation.verdict(Verdict::Runtime);
    }
    let violation = match super::undeclared::taken_along(evaluation, old) {
        Some((objects, _)) => Violation::CascadingDelete { objects },
        _ => Violation::DeleteDeclared(declared.start()),
    };
    evaluation.verdict(Verdict::Drift).about(violation)
}

fn is_finished(job: &Value) -> bool {
    let done = |condition: &Value| {
        matches!(condition["type"].as_str(), Some("Complete" | "Failed")) && condition["status"] == "True"
    };
    job["status"]["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(done))
}

/// A `Scale` says one thing: the value of the parent's replicas field.
fn scaled(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Result<Vec<Difference>, EvaluationError> {
    let git = declared.object();
    let path = evaluation.with_schema(|_, custom| replicas_path(custom, &declared.version, &git))?;
    let path = path.ok_or_else(|| EvaluationError::Replicas(declared.key().to_string()))?;
    // Zero is left out on the wire.
    let replicas = |scale: &Value| scale["spec"].get("replicas").cloned().unwrap_or_else(|| 0.into());
    let (old, new) = (old.map(replicas), replicas(new));
    Ok(differences(value_at(&git, &path), old.as_ref(), Some(&new), crate::diff::unknown_schema(), &path))
}

fn replicas_path(custom: Option<&CustomResource>, version: &str, git: &Value) -> Option<Path> {
    let usual = Path::of(&["spec", "replicas"]);
    match custom {
        Some(custom) => custom.replicas_path(version).cloned(),
        None => Some(usual).filter(|path| is_builtin(git) || value_at(git, path).is_some()),
    }
}

fn is_builtin(git: &Value) -> bool {
    matches!(git["apiVersion"].as_str(), Some("v1" | "apps/v1"))
}

/// Metadata is the same in every version; content is not.
fn in_other_version(
    evaluation: &Evaluation<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Result<Vec<Difference>, EvaluationError> {
    let content = |object: &Value| {
        let fields = object.as_object().cloned().unwrap_or_default().into_iter();
        fields.filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "metadata" | "status")).collect::<Vec<_>>()
    };
    if old.map(content) == Some(content(new)) {
        return Ok(object_differences(
            Some(&declared.object()),
            old,
            new,
            crate::diff::unknown_schema(),
            Scope::LabelsAndAnnotations,
        ));
    }
    Err(EvaluationError::Version {
        sent: evaluation.write.resource.version.to_string(),
        declared: declared.version.clone(),
    })
}

/// Keeps what is drift for this writer: the violation, the fields, and whether
/// something was merely run.
fn sift(
    evaluation: &Evaluation<'_, '_>,
    moved: Vec<Difference>,
    declared: &Declared,
) -> (Violation, Vec<Finding>, bool) {
    let creating = evaluation.write.operation == Operation::Create;
    let mut ran = false;
    let mut weighed = Vec::new();
    for difference in moved {
        let path = &difference.path;
        if is_run(evaluation, path) {
            ran = true;
            continue;
        }
        if KEPT.iter().any(|kept| path.is(kept)) || evaluation.may_move(path) {
            continue;
        }
        if let Some(hardest) = weigh(evaluation, &difference, creating) {
            weighed.push((difference, hardest));
        }
    }
    let paths: Vec<_> = weighed.iter().take(MAX_PLACES).map(|(difference, _)| &difference.path).collect();
    let places = declared.locations(&paths).into_iter().map(Some).chain(std::iter::repeat(None));
    let findings = weighed.into_iter().zip(places);
    let findings =
        findings.map(|((difference, hardest), place)| evaluation.finding(difference, place, hardest)).collect();
    let violation = if creating { Violation::CreateDiffers } else { Violation::ChangeDeclared };
    (violation, findings, ran)
}

/// Whether a field runs something: a restart, or a sync that Argo CD is asked
/// for on an Application.
fn is_run(evaluation: &Evaluation<'_, '_>, path: &Path) -> bool {
    RUN.iter().any(|run| path.is(run))
        || (evaluation.write.resource.group == "argoproj.io" && path.starts_with(&["operation"]))
}

/// The hardest answer that one difference deserves; `None` where it is no drift for this writer.
fn weigh(evaluation: &Evaluation<'_, '_>, difference: &Difference, creating: bool) -> Option<Outcome> {
    let Difference { path, change: nature, new: sent, .. } = difference;
    let policy = evaluation.context.policy;
    match nature {
        ChangeKind::RemovedExtra => None,
        // A hidden value is nobody's but the controller's that knows it.
        ChangeKind::RemovedDeclared if !evaluation.actor.is_person() && is_hidden(difference) => None,
        ChangeKind::Changed if !evaluation.actor.is_person() && is_theirs(difference) => None,
        ChangeKind::Changed | ChangeKind::RemovedDeclared => Some(Outcome::Deny),
        // What Git leaves open belongs to the controllers; a person's part is in Git.
        _ if !evaluation.actor.is_person() => None,
        // Nobody can say that a first apply of what Git hides is not what it hides.
        ChangeKind::Opaque if creating => None,
        ChangeKind::Opaque | ChangeKind::Filled => Some(Outcome::Deny),
        ChangeKind::Extra | ChangeKind::Extended => {
            let extras =
                Some(policy.extras_in(namespace_of(evaluation.write))).filter(|hardest| *hardest != Outcome::Allow);
            if path.starts_with(&["metadata", "labels"]) || path.starts_with(&["metadata", "annotations"]) {
                let key = path.last_field().unwrap_or_default();
                return is_protected(key, &policy.protected, creating).then_some(Outcome::Deny);
            }
            if path.starts_with(&["metadata"]) {
                // A forged owner or finalizer is a delete, or a hold, by the back door.
                return (!creating || !is_protection(difference)).then_some(Outcome::Deny);
            }
            if creating {
                return extras.filter(|_| reaches_out(evaluation, path, sent.as_ref()));
            }
            // Git leaves the count to an autoscaler; a hand at it is told, not stopped.
            if path.is(&["spec", "replicas"]) || evaluation.write.resource.subresource == "scale" {
                return extras.map(|hardest| hardest.min(Outcome::Warn));
            }
            extras
        }
    }
}

fn is_hidden(difference: &Difference) -> bool {
    difference.declared.as_ref().and_then(Value::as_str).is_some_and(is_opaque)
}

/// Whether machines add to an atomic list beside Git: a cloud's pull secrets to
/// a ServiceAccount (`OpenShift`), a provider's selector to webhooks (AKS). Not
/// `rules` or `args`: who adds there goes around Git.
fn grows(path: &Path) -> bool {
    path.is(&["imagePullSecrets"])
        || path.is(&["secrets"])
        || (path.starts_with(&["webhooks"]) && path.last_field() == Some("matchExpressions"))
}

/// Whether a changed field is still what Git says, for a writer whose additions
/// conform: one of these lists that keeps all of Git's items and has more, or a mark by which another tool, or the
/// same one under another name, knows what is its own.
fn is_theirs(difference: &Difference) -> bool {
    let Difference { path, new: sent, declared, .. } = difference;
    let is_mark = path.starts_with(&["metadata", "labels"]) || path.starts_with(&["metadata", "annotations"]);
    match (declared, sent) {
        (Some(Value::Array(declared)), Some(Value::Array(sent))) => grows(path) && holds_all(declared, sent),
        _ => is_mark && path.last_field().is_some_and(is_tracking),
    }
}

fn holds_all(declared: &[Value], sent: &[Value]) -> bool {
    let mut left: Vec<&Value> = sent.iter().collect();
    declared.iter().all(|item| {
        let found = left.iter().position(|there| holds(item, there));
        found.map(|index| left.swap_remove(index)).is_some()
    })
}

/// Whether an item is there as Git has it, but for what the server fills in.
fn holds(declared: &Value, sent: &Value) -> bool {
    match (declared, sent) {
        (Value::Object(declared), Value::Object(sent)) => {
            declared.iter().all(|(name, value)| sent.get(name).is_some_and(|there| holds(value, there)))
        }
        _ => declared == sent,
    }
}

/// Whether finalizers are Git's and the server's own.
fn is_protection(difference: &Difference) -> bool {
    let Difference { path, new: sent, declared, .. } = difference;
    let in_git = |name: &Value| declared.as_ref().and_then(Value::as_array).is_some_and(|names| names.contains(name));
    let is_own = |name: &Value| in_git(name) || name.as_str().is_some_and(|name| PROTECTIONS.contains(&name));
    path.is(&["metadata", "finalizers"])
        && sent.as_ref().and_then(Value::as_array).is_some_and(|names| names.iter().all(is_own))
}

/// Whether something that a person's CREATE brings beside Git matters: items of
/// keyed lists, data keys, `host…` and `privileged`.
fn reaches_out(evaluation: &Evaluation<'_, '_>, path: &Path, sent: Option<&Value>) -> bool {
    let of_data = path.starts_with(&["data"]) || path.starts_with(&["binaryData"]);
    let name = path.last_field().unwrap_or_default();
    (path.ends_at_item() && !is_injected(evaluation, path, sent))
        || of_data
        || sent.is_some_and(|sent| takes_host(name, sent))
}

/// What the ServiceAccount admission plugin puts into every Pod.
fn is_injected(evaluation: &Evaluation<'_, '_>, path: &Path, sent: Option<&Value>) -> bool {
    let text = |field: &str| sent.and_then(|sent| sent[field].as_str()).unwrap_or_default();
    evaluation.kind == "Pod"
        && (path.starts_with(&["spec", "imagePullSecrets"])
            || text("name").starts_with("kube-api-access-")
            || text("mountPath") == "/var/run/secrets/kubernetes.io/serviceaccount")
}

fn takes_host(name: &str, sent: &Value) -> bool {
    let is_on = !matches!(sent, Value::Bool(false) | Value::Null);
    (is_on && (name.starts_with("host") || name == "privileged"))
        || match sent {
            Value::Object(fields) => fields.iter().any(|(name, value)| takes_host(name, value)),
            Value::Array(items) => items.iter().any(|item| takes_host("", item)),
            _ => false,
        }
}

pub(crate) fn parsed(what: &'static str, raw: Option<&RawValue>) -> Result<Option<Value>, EvaluationError> {
    let value = raw.map(Value::deserialize).transpose().map_err(|error| EvaluationError::Object(what, error))?;
    match value {
        Some(Value::Object(_)) | None => Ok(value),
        Some(_) => Err(EvaluationError::Object(what, serde::de::Error::custom("it is no object"))),
    }
}

impl Evaluation<'_, '_> {
    /// Whether the field is this controller's, or nobody's business.
    pub(crate) fn may_move(&self, path: &Path) -> bool {
        let may_change = |path: &Path| self.actor.may_change(&self.write.resource.group, &self.kind, path);
        // Whatever a kind calls its replicas: who scales writes `spec.replicas` of a `Scale`.
        let scales = self.write.resource.subresource == "scale";
        self.context.policy.ignores(self.key(), path)
            || may_change(path)
            || (scales && may_change(&Path::of(&["spec", "replicas"])))
    }

    pub(crate) fn finding(&self, difference: Difference, place: Option<SourceLocation>, hardest: Outcome) -> Finding {
        let Difference { path, change: nature, new: sent, declared: git } = difference;
        // Where our own picture is in doubt, nobody is denied by it.
        let is_doubted = self.context.snapshot.is_disputed(self.key(), &path);
        let hardest = if is_doubted { hardest.min(Outcome::Warn) } else { hardest };
        let secret = self.kind == "Secret" && self.write.resource.group.is_empty() && !path.starts_with(&["metadata"]);
        Finding { path, nature, sent, declared: git, place, secret, hardest }
    }
}

/// Whether a field is kept by tools while things run, whoever writes it.
pub(crate) fn is_kept(path: &Path) -> bool {
    KEPT.iter().chain(&RUN).any(|kept| path.is(kept))
}
