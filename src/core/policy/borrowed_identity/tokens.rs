//! Tokens of service accounts that are exempt. There are two ways to one: a request
//! for it, and a Secret that the control plane's token controller fills. Whose
//! audience a token has does not matter: the API server may accept any.

use serde_json::Value;

use super::{ExemptAccount, exempt_account};
use crate::actor::Actor;
use crate::admission::{Operation, Write};

use super::super::assessment::{Assessment, Verdict, Violation};
use super::super::error::EvaluationError;
use super::super::evaluation::{Evaluation, EvaluationContext};
use super::super::review_object::{parse_new, parse_old_parts};

/// The type of a Secret that is filled with a token, and the annotation that says
/// whose (`k8s.io/api/core/v1`, `SecretTypeServiceAccountToken`).
const TOKEN_SECRET_TYPE: &str = "kubernetes.io/service-account-token";
const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// The verdict on a person's request for the token of an exempt account; `None`
/// where the write is anything else.
pub(in super::super) fn evaluate_token_request<'a>(
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
    let ExemptAccount { class, .. } = exempt_account(context, &write.namespace, &write.name)?;
    let violation = Violation::ExemptToken { account: write.name.to_string(), class };
    Some(Assessment::new(Verdict::Drift, actor.class).with_violation(violation))
}

/// A person's Secret that would be filled with the token of an exempt account, where
/// Git does not declare it so.
pub(super) fn borrowed_by_secret<'a>(
    evaluation: &Evaluation<'_, 'a>,
) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let new = parse_new(evaluation.write)?;
    let Some(account) = token_account(&new) else { return Ok(None) };
    let Some(ExemptAccount { class, .. }) = exempt_account(evaluation.context, evaluation.namespace, account) else {
        return Ok(None);
    };
    let old = parse_old_parts(evaluation.write)?;
    let git = evaluation.context.snapshot.get(evaluation.key());
    let git = git.map(|(declared, _)| evaluation.context.snapshot.object(declared));
    let has_account = |object: &Value| token_account(object) == Some(account);
    if old.as_ref().is_some_and(has_account) || git.is_some_and(|git| has_account(&git)) {
        return Ok(None);
    }
    let violation = Violation::ExemptToken { account: account.to_owned(), class };
    Ok(Some(evaluation.verdict(Verdict::Drift).with_violation(violation)))
}

/// The account with whose token a Secret is filled.
fn token_account(secret: &Value) -> Option<&str> {
    if secret["type"] == TOKEN_SECRET_TYPE {
        secret["metadata"]["annotations"][ACCOUNT_ANNOTATION].as_str()
    } else {
        None
    }
}
