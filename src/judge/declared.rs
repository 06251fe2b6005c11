//! A write to an object that Git declares.

use serde::Deserialize as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::differ::{Scope, object_differences, value_at};
use super::protected::{is_protected, is_tracking};
use super::verdict::{Finding, Judgement, Matter, Verdict};
use super::{Case, Outcome, Unjudged, namespace_of};
use crate::compare::{CustomResource, Difference, Nature, Path, differences, is_opaque};
use crate::desired::{Declared, Place, left_alone_live};
use crate::review::Operation;

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
pub(super) fn judge<'a>(case: &Case<'_, 'a>, declared: &Declared) -> Result<Judgement<'a>, Unjudged> {
    if declared.left_alone.is_some() {
        return Ok(case.verdict(Verdict::Unmanaged));
    }
    let write = case.write;
    let old = parsed("oldObject", write.old_object)?;
    if let Some(old) = &old {
        if !old["metadata"]["deletionTimestamp"].is_null() {
            return Ok(case.verdict(Verdict::Conforms));
        }
        if left_alone_live(old).is_some() {
            return Ok(case.verdict(Verdict::Unmanaged));
        }
    }
    if write.operation == Operation::Delete {
        let old = old.ok_or(Unjudged::Absent("oldObject"))?;
        return Ok(delete(case, declared, &old));
    }
    let new = parsed("object", write.object)?.ok_or(Unjudged::Absent("object"))?;
    if write.operation == Operation::Update && old.is_none() {
        return Err(Unjudged::Absent("oldObject"));
    }
    let moved = match &*write.resource.subresource {
        "scale" => scaled(case, declared, old.as_ref(), &new)?,
        "status" => {
            object_differences(Some(&declared.object()), old.as_ref(), &new, crate::compare::unknown(), Scope::Marks)
        }
        _ if declared.version == *write.resource.version => {
            let git = declared.object();
            case.with_schema(|place, _| object_differences(Some(&git), old.as_ref(), &new, place, Scope::Object))?
        }
        _ => in_other_version(case, declared, old.as_ref(), &new)?,
    };
    let (matter, findings, ran) = sift(case, moved, declared);
    Ok(match (findings.is_empty(), ran) {
        (true, true) => case.verdict(Verdict::Runtime),
        (true, false) => case.verdict(Verdict::Conforms),
        (false, _) => case.verdict(Verdict::Drift).about(matter).finding(findings),
    })
}

fn delete<'a>(case: &Case<'_, 'a>, declared: &Declared, old: &Value) -> Judgement<'a> {
    // A finished Job is deleted so that Git's hand can run it again.
    if case.kind == "Job" && &*case.write.resource.group == "batch" && is_finished(old) {
        return case.verdict(Verdict::Runtime);
    }
    let matter = match super::undeclared::taken_along(case, old) {
        Some((objects, _)) => Matter::TakesAlong { objects },
        _ => Matter::Deletes(declared.start()),
    };
    case.verdict(Verdict::Drift).about(matter)
}

fn is_finished(job: &Value) -> bool {
    let done = |condition: &Value| {
        matches!(condition["type"].as_str(), Some("Complete" | "Failed")) && condition["status"] == "True"
    };
    job["status"]["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(done))
}

/// A `Scale` says one thing: the value of the parent's replicas field.
fn scaled(
    case: &Case<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Result<Vec<Difference>, Unjudged> {
    let git = declared.object();
    let path = case.with_schema(|_, custom| replicas_path(custom, &declared.version, &git))?;
    let path = path.ok_or_else(|| Unjudged::Replicas(declared.key().to_string()))?;
    // Zero is left out on the wire.
    let replicas = |scale: &Value| scale["spec"].get("replicas").cloned().unwrap_or_else(|| 0.into());
    let (old, new) = (old.map(replicas), replicas(new));
    Ok(differences(value_at(&git, &path), old.as_ref(), Some(&new), crate::compare::unknown(), &path))
}

fn replicas_path(custom: Option<&CustomResource>, version: &str, git: &Value) -> Option<Path> {
    let usual = Path::of(&["spec", "replicas"]);
    match custom {
        Some(custom) => custom.replicas(version).cloned(),
        None => Some(usual).filter(|path| is_builtin(git) || value_at(git, path).is_some()),
    }
}

fn is_builtin(git: &Value) -> bool {
    matches!(git["apiVersion"].as_str(), Some("v1" | "apps/v1"))
}

/// Metadata is the same in every version; content is not.
fn in_other_version(
    case: &Case<'_, '_>,
    declared: &Declared,
    old: Option<&Value>,
    new: &Value,
) -> Result<Vec<Difference>, Unjudged> {
    let content = |object: &Value| {
        let fields = object.as_object().cloned().unwrap_or_default().into_iter();
        fields.filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "metadata" | "status")).collect::<Vec<_>>()
    };
    if old.map(content) == Some(content(new)) {
        return Ok(object_differences(Some(&declared.object()), old, new, crate::compare::unknown(), Scope::Marks));
    }
    Err(Unjudged::Version { sent: case.write.resource.version.to_string(), declared: declared.version.clone() })
}

/// Keeps what is drift for this writer: the matter, the fields, and whether
/// something was merely run.
fn sift(case: &Case<'_, '_>, moved: Vec<Difference>, declared: &Declared) -> (Matter, Vec<Finding>, bool) {
    let creating = case.write.operation == Operation::Create;
    let mut ran = false;
    let mut weighed = Vec::new();
    for difference in moved {
        let path = &difference.path;
        if is_run(case, path) {
            ran = true;
            continue;
        }
        if KEPT.iter().any(|kept| path.is(kept)) || case.may_move(path) {
            continue;
        }
        if let Some(hardest) = weigh(case, &difference, creating) {
            weighed.push((difference, hardest));
        }
    }
    let paths: Vec<_> = weighed.iter().take(MAX_PLACES).map(|(difference, _)| &difference.path).collect();
    let places = declared.places(&paths).into_iter().map(Some).chain(std::iter::repeat(None));
    let findings = weighed.into_iter().zip(places);
    let findings = findings.map(|((difference, hardest), place)| case.finding(difference, place, hardest)).collect();
    let matter = if creating { Matter::Creates } else { Matter::Moves };
    (matter, findings, ran)
}

/// Whether a field runs something: a restart, or a sync that Argo CD is asked
/// for on an Application.
fn is_run(case: &Case<'_, '_>, path: &Path) -> bool {
    RUN.iter().any(|run| path.is(run)) || (case.write.resource.group == "argoproj.io" && path.is_under(&["operation"]))
}

/// The hardest answer that one difference deserves; `None` where it is no drift for this writer.
fn weigh(case: &Case<'_, '_>, difference: &Difference, creating: bool) -> Option<Outcome> {
    let Difference { path, nature, sent, .. } = difference;
    let policy = case.bench.policy;
    match nature {
        Nature::Dropped => None,
        // A hidden value is nobody's but the controller's that knows it.
        Nature::Missing if !case.actor.is_person() && is_hidden(difference) => None,
        Nature::Changed if !case.actor.is_person() && is_theirs(difference) => None,
        Nature::Changed | Nature::Missing => Some(Outcome::Deny),
        // What Git leaves open belongs to the controllers; a person's part is in Git.
        _ if !case.actor.is_person() => None,
        // Nobody can say that a first apply of what Git hides is not what it hides.
        Nature::Opaque if creating => None,
        Nature::Opaque | Nature::Filled => Some(Outcome::Deny),
        Nature::Extra | Nature::Widened => {
            let extras = Some(policy.extras_in(namespace_of(case.write))).filter(|hardest| *hardest != Outcome::Allow);
            if path.is_under(&["metadata", "labels"]) || path.is_under(&["metadata", "annotations"]) {
                let key = path.last_field().unwrap_or_default();
                return is_protected(key, &policy.protected, creating).then_some(Outcome::Deny);
            }
            if path.is_under(&["metadata"]) {
                // A forged owner or finalizer is a delete, or a hold, by the back door.
                return (!creating || !is_protection(difference)).then_some(Outcome::Deny);
            }
            if creating {
                return extras.filter(|_| reaches_out(case, path, sent.as_ref()));
            }
            // Git leaves the count to an autoscaler; a hand at it is told, not stopped.
            if path.is(&["spec", "replicas"]) || case.write.resource.subresource == "scale" {
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
        || (path.is_under(&["webhooks"]) && path.last_field() == Some("matchExpressions"))
}

/// Whether a changed field is still what Git says, for a writer whose additions
/// conform: one of these lists that keeps all of Git's items and has more, or a mark by which another tool, or the
/// same one under another name, knows what is its own.
fn is_theirs(difference: &Difference) -> bool {
    let Difference { path, sent, declared, .. } = difference;
    let is_mark = path.is_under(&["metadata", "labels"]) || path.is_under(&["metadata", "annotations"]);
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
    let Difference { path, sent, declared, .. } = difference;
    let in_git = |name: &Value| declared.as_ref().and_then(Value::as_array).is_some_and(|names| names.contains(name));
    let is_own = |name: &Value| in_git(name) || name.as_str().is_some_and(|name| PROTECTIONS.contains(&name));
    path.is(&["metadata", "finalizers"])
        && sent.as_ref().and_then(Value::as_array).is_some_and(|names| names.iter().all(is_own))
}

/// Whether something that a person's CREATE brings beside Git matters: items of
/// keyed lists, data keys, `host…` and `privileged`.
fn reaches_out(case: &Case<'_, '_>, path: &Path, sent: Option<&Value>) -> bool {
    let of_data = path.is_under(&["data"]) || path.is_under(&["binaryData"]);
    let name = path.last_field().unwrap_or_default();
    (path.ends_at_item() && !is_injected(case, path, sent))
        || of_data
        || sent.is_some_and(|sent| takes_host(name, sent))
}

/// What the ServiceAccount admission plugin puts into every Pod.
fn is_injected(case: &Case<'_, '_>, path: &Path, sent: Option<&Value>) -> bool {
    let text = |field: &str| sent.and_then(|sent| sent[field].as_str()).unwrap_or_default();
    case.kind == "Pod"
        && (path.is_under(&["spec", "imagePullSecrets"])
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

pub(super) fn parsed(what: &'static str, raw: Option<&RawValue>) -> Result<Option<Value>, Unjudged> {
    let value = raw.map(Value::deserialize).transpose().map_err(|error| Unjudged::Object(what, error))?;
    match value {
        Some(Value::Object(_)) | None => Ok(value),
        Some(_) => Err(Unjudged::Object(what, serde::de::Error::custom("it is no object"))),
    }
}

impl Case<'_, '_> {
    /// Whether the field is this controller's, or nobody's business.
    pub(super) fn may_move(&self, path: &Path) -> bool {
        let may_change = |path: &Path| self.actor.may_change(&self.write.resource.group, &self.kind, path);
        // Whatever a kind calls its replicas: who scales writes `spec.replicas` of a `Scale`.
        let scales = self.write.resource.subresource == "scale";
        self.bench.policy.ignores(self.key(), path)
            || may_change(path)
            || (scales && may_change(&Path::of(&["spec", "replicas"])))
    }

    pub(super) fn finding(&self, difference: Difference, place: Option<Place>, hardest: Outcome) -> Finding {
        let Difference { path, nature, sent, declared: git } = difference;
        // Where our own picture is in doubt, nobody is denied by it.
        let is_doubted = self.bench.snapshot.is_doubted(self.key(), &path);
        let hardest = if is_doubted { hardest.min(Outcome::Warn) } else { hardest };
        let secret = self.kind == "Secret" && self.write.resource.group.is_empty() && !path.is_under(&["metadata"]);
        Finding { path, nature, sent, declared: git, place, secret, hardest }
    }
}

/// Whether a field is kept by tools while things run, whoever writes it.
pub(super) fn is_kept(path: &Path) -> bool {
    KEPT.iter().chain(&RUN).any(|kept| path.is(kept))
}
