//! Tokens of service accounts that are exempt: whoever holds one writes as a
//! GitOps tool, or as the control plane, and none of these writes is compared
//! with Git. So a person may not ask for one.
//!
//! There are two ways to a token: a request for it, and a Secret that the
//! control plane's token controller fills.

use serde_json::Value;

use super::assessment::{Assessment, Verdict, Violation};
use super::error::EvaluationError;
use super::evaluation::{Evaluation, EvaluationContext};
use super::review_object::{parse_object, parse_old};
use crate::actor::{Actor, Class};
use crate::admission::{CowStr, Operation, User, Write};

/// The type of a Secret that is filled with a token, and the annotation that says
/// whose (`k8s.io/api/core/v1`, `SecretTypeServiceAccountToken`).
const TOKEN_SECRET_TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// The verdict on a person's request for the token of an exempt account; `None`
/// where the write is anything else.
pub(super) fn evaluate_token_request<'a>(
    write: &Write<'_>,
    actor: Actor<'_>,
    context: EvaluationContext<'a>,
) -> Option<Assessment<'a>> {
    let resource = &write.resource;
    let is_token_request = write.operation == Operation::Create
        && resource.group.is_empty()
        && resource.plural == "serviceaccounts"
        && resource.subresource == "token";
    if !is_token_request || !actor.is_person() {
        return None;
    }
    evaluate_account(&write.namespace, &write.name, actor, context)
}

/// The verdict on a person's Secret that would be filled with the token of an
/// exempt account; `None` where the write is anything else.
pub(super) fn evaluate_token_secret<'a>(
    evaluation: &Evaluation<'_, 'a>,
) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let Evaluation { write, actor, .. } = *evaluation;
    if !evaluation.is_kind("", "Secret") || !actor.is_person() || write.operation == Operation::Delete {
        return Ok(None);
    }
    let new = parse_object("object", write.object)?.unwrap_or_default();
    let Some(account) = token_account(&new) else { return Ok(None) };
    if let Some(old) = parse_old(write)?
        && token_account(&old) == Some(account)
    {
        return Ok(None);
    }
    Ok(evaluate_account(evaluation.namespace, account, actor, evaluation.context))
}

/// The account with whose token a Secret is filled.
fn token_account(secret: &Value) -> Option<&str> {
    if secret["type"] == TOKEN_SECRET_TYPE {
        secret["metadata"]["annotations"][ACCOUNT_ANNOTATION].as_str()
    } else {
        None
    }
}

/// Drift, where the service account is exempt from anything.
fn evaluate_account<'a>(
    namespace: &str,
    name: &str,
    actor: Actor<'_>,
    context: EvaluationContext<'a>,
) -> Option<Assessment<'a>> {
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}"), "system:authenticated"];
    let account = User {
        name: format!("system:serviceaccount:{namespace}:{name}").into(),
        groups: groups.into_iter().map(|group| CowStr(group.to_owned().into())).collect(),
    };
    let class = context.actors.classify(&account, namespace).class;
    match class {
        Class::Autoscaler | Class::ControlPlane | Class::Controller | Class::Gitops => {
            let violation = Violation::ExemptToken { account: name.to_owned(), class };
            Some(Assessment::new(Verdict::Drift, actor.class).with_violation(violation))
        }
        Class::Person | Class::Workload => None,
    }
}
