//! Requests for tokens of service accounts: with the token of an exempt account,
//! writes would bypass Git.

use crate::harness::evaluator::{Evaluated, Evaluator};
use crate::harness::reviews::{Review, review_of, review_of_yaml};
use driftwall_core::actor::{ActorRule, ActorRules, Class};
use driftwall_core::decision::{BreakGlassContext, DecisionContext};
use driftwall_core::policy::{BreakGlass, BreakGlasses, Mode, Outcome, Verdict};
use serde_json::json;

/// A request for the token of `namespace/name`, by the API server's own form.
fn request(account: &str) -> Review {
    let (namespace, name) = account.split_once('/').unwrap();
    review_of("deployments", "web").into_create().subresource("token").with_request(|request| {
        let kind = json!({"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"});
        let resource = json!({"group": "", "version": "v1", "resource": "serviceaccounts"});
        (request["kind"], request["requestKind"]) = (kind.clone(), kind);
        (request["resource"], request["requestResource"]) = (resource.clone(), resource);
        (request["namespace"], request["name"]) = (namespace.into(), name.into());
        request["object"] = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}});
    })
}

fn evaluator() -> Evaluator {
    let mut evaluator = Evaluator::new("", &[]);
    let own = vec![ActorRule::new(Class::Gitops, &[""; 0], &["system:serviceaccounts:robots"], Vec::new()).unwrap()];
    evaluator.actors = ActorRules::new(own, &["argocd".to_owned(), "keda".to_owned()]).unwrap();
    evaluator
}

#[test]
fn a_person_gets_no_token_of_an_exempt_account() {
    let evaluator = evaluator();
    for (account, whom) in [
        ("argocd/argocd-application-controller", "a GitOps tool"),
        ("robots/any", "a GitOps tool"),
        ("kube-system/deployment-controller", "part of the control plane"),
        ("kube-system/horizontal-pod-autoscaler", "the autoscaler"),
        ("keda/keda-operator", "a controller with fields of its own"),
    ] {
        let answered = evaluator.evaluate(&request(account));
        let (_, name) = account.split_once('/').unwrap();
        let words = format!(
            "serviceaccount \"{name}\" is exempt as {whom}: with its token, writes would bypass Git.\n\
             Change in Git what you need it for. Nothing was issued."
        );
        assert_eq!((answered.verdict, answered.outcome, answered.message()), (Verdict::Drift, Outcome::Deny, &*words));
    }
}

#[test]
fn requests_for_other_tokens_are_runtime_operations() {
    let evaluator = evaluator();
    let argocd = "argocd/argocd-application-controller";
    for (review, verdict) in [
        (request("prod/default"), Verdict::Runtime),
        (request("flux-system/kustomize-controller"), Verdict::Runtime),
        (request("prod/argocd-application-controller"), Verdict::Runtime),
        (request("argocd/argocd-server"), Verdict::Runtime),
        (request(argocd).by("ci/deployer"), Verdict::Runtime),
        (request(argocd).by("system:node:n1"), Verdict::Exempt),
        (request(argocd).by("system:kube-controller-manager"), Verdict::Exempt),
        (request(argocd).with_request(|request| request["resource"]["resource"] = "others".into()), Verdict::Runtime),
    ] {
        let answered = evaluator.evaluate(&review);
        assert_eq!((answered.verdict, answered.outcome), (verdict, Outcome::Allow), "{review:?}", review = review.0);
    }
}

#[test]
fn the_mode_applies_to_token_requests_as_to_all_drift() {
    let review = request("argocd/argocd-application-controller");
    for (mode, outcome) in [(Mode::Audit, Outcome::Allow), (Mode::Warn, Outcome::Warn), (Mode::Enforce, Outcome::Deny)]
    {
        let mut evaluator = evaluator();
        evaluator.policy.mode = mode;
        let Evaluated { verdict, outcome: got, .. } = evaluator.evaluate(&review);
        assert_eq!((verdict, got), (Verdict::Drift, outcome));
    }
    let dry = evaluator().evaluate(&review.into_dry_run());
    assert_eq!(dry.outcome, Outcome::Warn);
    assert!(dry.warnings().iter().all(|line| line.chars().count() < 120), "{:?}", dry.warnings());
}

#[test]
fn a_secret_that_would_receive_such_a_token_is_denied_too() {
    let evaluator = evaluator();
    let secret = |namespace: &str, kind: &str, account: &str| {
        let yaml = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: t, namespace: {namespace}, \
             annotations: {{kubernetes.io/service-account.name: {account}}}}}, type: {kind}}}"
        );
        review_of_yaml("secrets", &yaml)
    };
    let token = "kubernetes.io/service-account-token";
    let argocd = || secret("argocd", token, "argocd-application-controller");
    let other = |object: &mut serde_json::Value| {
        object["metadata"]["annotations"]["kubernetes.io/service-account.name"] = "other".into();
    };
    for (case, review, verdict) in [
        ("made", argocd().into_create(), Verdict::Drift),
        ("turned to it", argocd().with_old_object(other), Verdict::Drift),
        ("as it was", argocd(), Verdict::Unmanaged),
        ("turned away", argocd().with_object(other), Verdict::Unmanaged),
        ("deleted", argocd().into_delete(), Verdict::Unmanaged),
        ("by a pipeline", argocd().into_create().by("ci/deployer"), Verdict::Unmanaged),
        ("another's", secret("argocd", token, "other").into_create(), Verdict::Unmanaged),
        (
            "of another namespace",
            secret("prod", token, "argocd-application-controller").into_create(),
            Verdict::Unmanaged,
        ),
        ("no token", secret("argocd", "Opaque", "argocd-application-controller").into_create(), Verdict::Unmanaged),
    ] {
        let answered = evaluator.evaluate(&review);
        assert_eq!(answered.verdict, verdict, "{case}: {answered:?}");
        let names_it = answered.message().starts_with("serviceaccount \"argocd-application-controller\" is exempt as");
        assert_eq!(names_it, verdict == Verdict::Drift, "{case}: {answered:?}");
    }
}

#[test]
fn break_glass_does_not_cover_tokens_which_would_outlast_it() {
    let object = json!({
        "metadata": {"namespace": "argocd", "name": "all", "creationTimestamp": "2026-11-23T12:00:00Z"},
        "spec": {"objects": [{}], "users": ["alice"], "reason": "INC-42", "until": "2026-11-23T13:00:00Z"},
    });
    let hour = std::time::Duration::from_hours(1);
    let break_glasses = vec![BreakGlass::from_stored(&object, hour).unwrap()];
    let break_glasses: &BreakGlasses =
        Box::leak(Box::new(BreakGlasses { driftwall_namespace: "driftwall".into(), break_glasses }));
    let now = "2026-11-23T12:30:00Z".parse().unwrap();
    let mut evaluator = evaluator();
    evaluator.context =
        DecisionContext { break_glass: Some(BreakGlassContext { break_glasses, now }), ..DecisionContext::default() };
    let answered = evaluator.evaluate(&request("argocd/argocd-application-controller"));
    assert_eq!(answered.outcome, Outcome::Deny);
    assert!(!answered.message().contains("emergency"), "{answered:?}");
}
