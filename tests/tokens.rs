//! Requests for tokens of service accounts: a token of one that is let through is
//! a way past Git.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod world;

use driftwall::actor::{Actors, Class, Rule};
use driftwall::judge::{Mode, Outcome, Verdict};
use serde_json::json;
use world::{Answered, Review, World, live};

/// A request for the token of `namespace/name`, by the API server's own form.
fn request(account: &str) -> Review {
    let (namespace, name) = account.split_once('/').unwrap();
    live("deployments", "web").created().subresource("token").request(|request| {
        let kind = json!({"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"});
        let resource = json!({"group": "", "version": "v1", "resource": "serviceaccounts"});
        (request["kind"], request["requestKind"]) = (kind.clone(), kind);
        (request["resource"], request["requestResource"]) = (resource.clone(), resource);
        (request["namespace"], request["name"]) = (namespace.into(), name.into());
        request["object"] = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": {}});
    })
}

fn world() -> World {
    let mut world = World::new("", &[]);
    let own = vec![Rule::new(Class::Gitops, &[""; 0], &["system:serviceaccounts:robots"], Vec::new()).unwrap()];
    world.actors = Actors::new(own, &["argocd".to_owned(), "keda".to_owned()]).unwrap();
    world
}

#[test]
fn a_person_gets_no_token_of_who_is_let_through() {
    let world = world();
    for (account, whom) in [
        ("argocd/argocd-application-controller", "Git's own hand"),
        ("robots/any", "Git's own hand"),
        ("kube-system/deployment-controller", "part of the control plane"),
        ("kube-system/horizontal-pod-autoscaler", "the autoscaler"),
        ("keda/keda-operator", "a controller of fields of its own"),
    ] {
        let answered = world.ask(&request(account));
        let (_, name) = account.split_once('/').unwrap();
        let words = format!(
            "token of serviceaccount \"{name}\": its bearer is let through as {whom}, so this would be a way past Git.\n\
             Change in Git what it is needed for. Nothing was issued."
        );
        assert_eq!((answered.verdict, answered.outcome, answered.message()), (Verdict::Drift, Outcome::Deny, &*words));
    }
}

#[test]
fn other_tokens_are_events_of_running() {
    let world = world();
    let argocd = "argocd/argocd-application-controller";
    for (review, verdict) in [
        (request("prod/default"), Verdict::Runtime),
        (request("flux-system/kustomize-controller"), Verdict::Runtime),
        (request("prod/argocd-application-controller"), Verdict::Runtime),
        (request("argocd/argocd-server"), Verdict::Runtime),
        (request(argocd).by("ci/deployer"), Verdict::Runtime),
        (request(argocd).by("system:node:n1"), Verdict::Exempt),
        (request(argocd).by("system:kube-controller-manager"), Verdict::Exempt),
        (request(argocd).request(|request| request["resource"]["resource"] = "others".into()), Verdict::Runtime),
    ] {
        let answered = world.ask(&review);
        assert_eq!((answered.verdict, answered.outcome), (verdict, Outcome::Allow), "{review:?}", review = review.0);
    }
}

#[test]
fn the_mode_applies_as_to_all_drift() {
    let review = request("argocd/argocd-application-controller");
    for (mode, outcome) in [(Mode::Audit, Outcome::Allow), (Mode::Warn, Outcome::Warn), (Mode::Enforce, Outcome::Deny)]
    {
        let mut world = world();
        world.policy.mode = mode;
        let Answered { verdict, outcome: got, .. } = world.ask(&review);
        assert_eq!((verdict, got), (Verdict::Drift, outcome));
    }
    let dry = world().ask(&review.dry());
    assert_eq!(dry.outcome, Outcome::Warn);
    assert!(dry.warnings().iter().all(|line| line.chars().count() < 120), "{:?}", dry.warnings());
}
