//! The `status` of a GitOps tool's own objects. It says what an application
//! consists of, at which commit, and where its artifact is, so it is the tool's alone.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::assessment::{Finding, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::Evaluation;
use super::super::mode::Outcome;
use super::super::review_object::{is_being_deleted, parse_new, parse_old_parts};
use super::operation::{is_empty, pruned};
use crate::actor::GitopsTool;
use crate::admission::Operation;
use crate::diff::{ChangeKind, Difference, Path};

/// Kinds whose status is for controllers of other makers to write, and for no person
/// (<https://fluxcd.io/flux/components/source/externalartifacts/>).
const WRITTEN_BY_OTHERS: [&str; 1] = ["ExternalArtifact"];

/// What the write says in the status, where it may not; `None` where it may. A new object has one only where it is no
/// subresource, as an Application's: else the API server has taken it away.
pub(super) fn evaluate(
    evaluation: &Evaluation<'_, '_>,
    tool: GitopsTool,
) -> Result<Option<(Violation, Vec<Finding>)>, EvaluationError> {
    let write = evaluation.write;
    let may_write_status = matches!(&*write.resource.subresource, "" | "status");
    if !matches!(write.operation, Operation::Create | Operation::Update)
        || !may_write_status
        || (WRITTEN_BY_OTHERS.contains(&&*evaluation.kind) && !evaluation.actor.is_person())
        || tool.has_controller(&write.user, evaluation.context.actors)
    {
        return Ok(None);
    }
    let (old, mut new) = (parse_old_parts(write)?.unwrap_or_default(), parse_new(write)?);
    if write.operation == Operation::Create {
        // A client in Go writes all fields of a status that nobody has set.
        let status = pruned(&new["status"]);
        let declared = evaluation.context.snapshot.get(evaluation.key());
        if is_empty(&status) || declared.is_some_and(|(declared, _)| pruned(&declared.written_status()) == status) {
            return Ok(None);
        }
        new["status"] = status;
    }
    if old["status"] == new["status"] || is_being_deleted(&old) || only_ends_operation(&old, &new) {
        return Ok(None);
    }
    // `kubectl replace` with a file of Git's takes the whole status away, where it is no
    // subresource; the tool writes it anew.
    let is_removed = is_empty(&new["status"]);
    let max_outcome = if is_removed { Outcome::Warn } else { Outcome::Deny };
    let fields = |object: &Value| object["status"].as_object().cloned().unwrap_or_default();
    let (before, mut after) = (fields(&old), fields(&new));
    let names: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let mut findings = Vec::new();
    for name in names {
        let path = Path::of(&["status", &name]);
        let value = after.remove(&name);
        if before.get(&name) == value.as_ref() || evaluation.is_permitted(&path) {
            continue;
        }
        let change = if value.is_some() { ChangeKind::Extra } else { ChangeKind::RemovedExtra };
        let difference = Difference { path, change, new: value, declared: None };
        findings.push(evaluation.finding(&difference, None, max_outcome));
    }
    Ok(Some((Violation::ChangeToolStatus { tool }, findings)))
}

/// Whether the write does nothing to the status but to stop a running operation, as
/// `argocd app terminate-op` does, or to forget an ended one, as whoever asks for the
/// next.
fn only_ends_operation(old: &Value, new: &Value) -> bool {
    let mut before = old["status"].clone();
    let has_ended = new["status"].get("operationState").is_none();
    if has_ended {
        before.as_object_mut().is_some_and(|status| status.remove("operationState").is_some())
            && before == new["status"]
    } else {
        before.pointer_mut("/operationState/phase").map(|phase| *phase = "Terminating".into()).is_some()
            && before == new["status"]
    }
}

/// The roles of a project without their tokens.
pub(super) fn without_tokens(roles: Option<&Value>) -> Option<Value> {
    let mut roles = roles?.clone();
    for role in roles.as_array_mut().into_iter().flatten() {
        if let Some(role) = role.as_object_mut() {
            role.remove("jwtTokens");
        }
    }
    Some(roles)
}
