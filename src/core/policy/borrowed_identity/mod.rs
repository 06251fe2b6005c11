//! Borrowed identity: a person who lets something run as a service account that is
//! exempt writes as a GitOps tool, or as the control plane, and none of these
//! writes is compared with Git.
//!
//! It is asked for by whoever brings or changes the account, or what runs under it;
//! who scales, restarts or moves what runs already asks for nothing.

mod pod_specs;
mod tokens;

use serde_json::Value;

use super::assessment::{Assessment, Finding, Verdict, Violation};
use super::changed_parts::{content, is_same_content, parse_content, readable_fields, readable_old_fields};
use super::error::EvaluationError;
use super::evaluation::{Evaluation, EvaluationContext};
use super::mode::Outcome;
use super::review_object::parse_old_parts;
use crate::actor::Class;
use crate::admission::{Operation, TextField};
use crate::applications::Account;
use crate::diff::{ChangeKind, Difference, Path};
use pod_specs::{PodSpec, mounts_token, new_ephemeral_containers, pod_specs, what_runs};

pub(super) use tokens::evaluate_token_request;

/// The account of a Pod that names none (`k8s.io/kubernetes`,
/// `plugin/pkg/admission/serviceaccount`, `DefaultServiceAccountName`).
const DEFAULT_ACCOUNT: &str = "default";

/// A service account that is exempt.
#[derive(Clone, Copy)]
struct ExemptAccount {
    class: Class,
    /// Whether a preset names it.
    is_preset: bool,
    /// Whether it is exempt for the objects of some applications only.
    is_scoped: bool,
}

/// Whether a service account is exempt from anything.
fn exempt_account(context: EvaluationContext<'_>, namespace: &str, name: &str) -> Option<ExemptAccount> {
    let actor = context.actors.classify_account(namespace, name);
    match actor.class {
        Class::Autoscaler | Class::ControlPlane | Class::Controller | Class::Gitops => {
            Some(ExemptAccount { class: actor.class, is_preset: actor.is_preset(), is_scoped: false })
        }
        Class::Person => None,
        Class::Workload => {
            let account = Account { namespace: namespace.to_owned(), name: name.to_owned() };
            let is_scoped = context.snapshot.applications().has_account(&account);
            is_scoped.then_some(ExemptAccount { class: Class::Gitops, is_preset: false, is_scoped })
        }
    }
}

/// The verdict on a write, with the identity that a person borrows by it. What
/// equals Git comes first: there it has been decided.
pub(super) fn refine<'a>(
    evaluation: &Evaluation<'_, 'a>,
    assessment: Assessment<'a>,
) -> Result<Assessment<'a>, EvaluationError> {
    let write = evaluation.write;
    let brings_object = matches!(write.operation, Operation::Create | Operation::Update)
        && matches!(&*write.resource.subresource, "" | "ephemeralcontainers");
    let is_denied_anyway = assessment.verdict == Verdict::Drift && assessment.max_outcome() == Outcome::Deny;
    if !evaluation.actor.is_person() || !brings_object || is_denied_anyway || assessment.verdict == Verdict::Error {
        return Ok(assessment);
    }
    let borrowed = if evaluation.is_kind("", "Secret") {
        tokens::borrowed_by_secret(evaluation)?
    } else {
        borrowed_by_pods(evaluation)?
    };
    let Some(borrowed) = borrowed else { return Ok(assessment) };
    if assessment.verdict == Verdict::Drift && borrowed.max_outcome() <= assessment.max_outcome() {
        return Ok(assessment);
    }
    // What Git says of an object that it does not seem to declare may not have been read yet.
    let uncertainty = match assessment.source {
        Some(_) => assessment.uncertainty,
        None => evaluation.context.snapshot.uncertainty_of_undeclared(evaluation.namespace),
    };
    let Assessment { source, declared, .. } = assessment;
    Ok(Assessment { source, declared, ..borrowed.with_uncertainty(uncertainty) })
}

/// What a person lets run as an exempt account.
fn borrowed_by_pods<'a>(evaluation: &Evaluation<'_, 'a>) -> Result<Option<Assessment<'a>>, EvaluationError> {
    let write = evaluation.write;
    let (group, kind) = (&*write.resource.group, &*evaluation.kind);
    if asks_for_nothing(evaluation) {
        return Ok(None);
    }
    let new = parse_content(write)?;
    let specs = pod_specs(group, kind, &new);
    let is_exempt = |pod: &PodSpec<'_>| {
        let account = pod.account.unwrap_or(DEFAULT_ACCOUNT);
        let exempt = exempt_account(evaluation.context, pod.namespace.unwrap_or(evaluation.namespace), account)?;
        // Who names no account takes the one that is there.
        (!exempt.is_scoped || pod.account.is_some()).then_some(exempt)
    };
    // Most run as an account of their own: for them nothing more is read.
    if specs.iter().all(|pod| is_exempt(pod).is_none()) {
        return Ok(None);
    }
    let old = parse_old_parts(write)?;
    let snapshot = evaluation.context.snapshot;
    let git = snapshot.get(evaluation.key()).map(|(declared, _)| snapshot.object(declared));
    let [old_specs, git_specs] = [old.as_ref(), git.as_deref()]
        .map(|object| object.map(|object| pod_specs(group, kind, object)).unwrap_or_default());
    for pod in &specs {
        let Some(exempt) = is_exempt(pod) else { continue };
        let account = pod.account.unwrap_or(DEFAULT_ACCOUNT);
        if write.resource.subresource == "ephemeralcontainers" {
            return Ok(borrowed_by_ephemeral_container(evaluation, pod, old.as_ref(), &new, exempt));
        }
        let at_path = |specs: &[PodSpec<'_>]| {
            let found = specs.iter().find(|other| other.path == pod.path && other.field == pod.field);
            found.map(|other| (account_of(other), what_runs(other.spec)))
        };
        let is_declared = at_path(&git_specs).is_some_and(|(declared, _)| declared == account_of(pod));
        let is_unchanged = at_path(&old_specs) == Some((account_of(pod), what_runs(pod.spec)));
        if !is_declared && !is_unchanged {
            let path = pod.path.field(pod.field);
            return Ok(Some(borrowed(evaluation, path, account, exempt)));
        }
    }
    Ok(None)
}

/// Whether the text alone says that nothing runs as an exempt account by this write: all content stays as it
/// was, or no account is named, and the one that is there otherwise is not exempt.
fn asks_for_nothing(evaluation: &Evaluation<'_, '_>) -> bool {
    let write = evaluation.write;
    let Some(new) = readable_fields(write) else { return false };
    if readable_old_fields(write).is_some_and(|old| is_same_content(&old, &new)) {
        return true;
    }
    // A name with an escape could be any.
    let may_name_account =
        |field: &TextField<'_>| ["erviceAccount", "erviceaccount", "\\u"].iter().any(|it| field.value.contains(it));
    !content(&new).any(may_name_account)
        && exempt_account(evaluation.context, evaluation.namespace, DEFAULT_ACCOUNT).is_none()
}

/// The account that something runs as, and its namespace where that is said.
fn account_of(pod: &PodSpec<'_>) -> (String, Option<String>) {
    (pod.account.unwrap_or(DEFAULT_ACCOUNT).to_owned(), pod.namespace.map(str::to_owned))
}

/// An ephemeral container in a Pod that runs as an exempt account. One that mounts
/// the token has it; any other one, as `kubectl debug` adds it, is beside it.
fn borrowed_by_ephemeral_container<'a>(
    evaluation: &Evaluation<'_, 'a>,
    pod: &PodSpec<'_>,
    old: Option<&Value>,
    new: &Value,
    exempt: ExemptAccount,
) -> Option<Assessment<'a>> {
    let added = new_ephemeral_containers(old.unwrap_or(&Value::Null), new);
    if added.is_empty() {
        return None;
    }
    let account = pod.account.unwrap_or(DEFAULT_ACCOUNT);
    let has_token = added.iter().any(|container| mounts_token(container, pod.spec, account));
    let limit = if has_token { Outcome::Deny } else { Outcome::Warn };
    let path = Path::of(&["spec", "ephemeralContainers"]);
    Some(borrowed(evaluation, path, account, exempt).with_limit(limit))
}

/// Drift: a warning where a person installs, upgrades or restarts a tool by hand.
fn borrowed<'a>(evaluation: &Evaluation<'_, 'a>, path: Path, account: &str, exempt: ExemptAccount) -> Assessment<'a> {
    // A tenant's own workloads run as the account that deploys them, often enough.
    let is_open = exempt.is_scoped || is_own_workload(evaluation, account, exempt);
    let max_outcome = if is_open { Outcome::Warn } else { Outcome::Deny };
    let new = Some(Value::from(account));
    let difference = Difference { path, change: ChangeKind::Extra, new, declared: None };
    let finding: Finding = evaluation.finding(&difference, None, max_outcome);
    let violation = Violation::RunAsExempt { account: account.to_owned(), class: exempt.class };
    evaluation.verdict(Verdict::Drift).with_violation(violation).with_findings(vec![finding])
}

/// Accounts of presets as which no workload runs: as this one, Argo CD writes to a cluster from outside of it
/// (`argoproj/argo-cd`, `util/clusterauth/clusterauth.go`).
const WITHOUT_WORKLOAD: [&str; 1] = ["argocd-manager"];

/// Whether the object is the workload that a preset's account is for: in every
/// default installation it has the account's own name.
fn is_own_workload(evaluation: &Evaluation<'_, '_>, account: &str, exempt: ExemptAccount) -> bool {
    let is_workload = evaluation.is_kind("apps", "Deployment") || evaluation.is_kind("apps", "StatefulSet");
    exempt.is_preset && is_workload && evaluation.name == account && !WITHOUT_WORKLOAD.contains(&account)
}
