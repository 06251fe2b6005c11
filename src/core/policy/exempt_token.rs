//! A token of a service account that is let through: whoever holds it writes as
//! Git's own hand, or as the control plane, and no write of theirs is judged.
//!
//! There are two ways to one: a request for it, and a Secret that the token
//! controller fills.

use super::declared::parsed;
use super::evaluation::{Assessment, Verdict, Violation};
use super::{Evaluation, EvaluationContext, EvaluationError};
use crate::actor::{Actor, Class};
use crate::admission::{CowStr, Operation, User, Write};

/// The type of a Secret that is filled with a token, and the annotation that says
/// whose (`k8s.io/api/core/v1`, `SecretTypeServiceAccountToken`).
const TOKEN: &str = "kubernetes.io/service-account-token";
const ACCOUNT: &str = "kubernetes.io/service-account.name";

/// The verdict on a person's request for such a token; `None` where the write is
/// another's, or about something else.
pub(super) fn request<'a>(
    write: &Write<'_>,
    actor: Actor<'_>,
    context: EvaluationContext<'a>,
) -> Option<Assessment<'a>> {
    let resource = &write.resource;
    let is_request = write.operation == Operation::Create
        && resource.group.is_empty()
        && resource.plural == "serviceaccounts"
        && resource.subresource == "token";
    (is_request && actor.is_person()).then(|| of_account(&write.namespace, &write.name, actor, context)).flatten()
}

/// The verdict on a person's Secret that would be filled with such a token; `None`
/// where it is another's, or would not.
pub(super) fn secret<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let (write, actor) = (evaluation.write, evaluation.actor);
    let is_secret = write.resource.group.is_empty() && evaluation.kind == "Secret";
    if !is_secret || !actor.is_person() || write.operation == Operation::Delete {
        return Ok(None);
    }
    let account = |object: &serde_json::Value| match (&object["type"], &object["metadata"]["annotations"][ACCOUNT]) {
        (kind, serde_json::Value::String(account)) if kind == TOKEN => Some(account.clone()),
        _ => None,
    };
    let object = parsed("object", write.object)?.unwrap_or_default();
    let Some(lent) = account(&object) else { return Ok(None) };
    let before = parsed("oldObject", write.old_object)?.and_then(|old| account(&old));
    if before.as_ref() == Some(&lent) {
        return Ok(None);
    }
    Ok(of_account(evaluation.namespace, &lent, actor, evaluation.context))
}

fn of_account<'a>(
    namespace: &str,
    name: &str,
    actor: Actor<'_>,
    context: EvaluationContext<'a>,
) -> Option<Assessment<'a>> {
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
    let bearer = User {
        name: format!("system:serviceaccount:{namespace}:{name}").into(),
        groups: groups.into_iter().map(|group| CowStr(group.to_owned().into())).collect(),
    };
    let lent = context.actors.classify(&bearer, namespace).class;
    let is_let_through = matches!(lent, Class::Autoscaler | Class::ControlPlane | Class::Controller | Class::Gitops);
    is_let_through.then(|| {
        let violation = Violation::ExemptToken { account: name.to_owned(), class: lent };
        Assessment::new(Verdict::Drift, actor.class).about(violation)
    })
}
