//! What a client merely claims decides nothing: under whichever manager's name it writes, whatever it says of who owns
//! what, and however it sends the same change.

use driftwall_core::policy::Outcome;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::managed_fields::{entry, updated};
use crate::harness::reviews::{Review, review_of, set_at};

/// Names of managers, those of controllers and tools among them.
const MANAGERS: [&str; 8] = [
    "kube-controller-manager",
    "kustomize-controller",
    "argocd-controller",
    "helm-controller",
    "istio-sidecar-injector",
    "kubectl-patch",
    "before-first-apply",
    "ancient-changes",
];

type Edit = fn(&mut Value);

const CONTAINER: &str = "f:containers";

/// Changes of a person's that are drift, and what the API server notes of each as brought by the write.
fn changes() -> Vec<(&'static str, Edit, Value)> {
    let of_pod = |fields: Value| json!({"f:spec": {"f:template": {"f:spec": fields}}});
    let evil = json!({"k:{\"name\":\"evil\"}": {".": {}, "f:name": {}, "f:image": {}}});
    let image = json!({"k:{\"name\":\"web\"}": {"f:image": {}}});
    vec![
        (
            "a container",
            |new| set_at(new, "/spec/template/spec/containers/-", json!({"name": "evil", "image": "evil:1"})),
            of_pod(json!({CONTAINER: evil})),
        ),
        (
            "an image",
            |new| set_at(new, "/spec/template/spec/containers/0/image", "evil:1".into()),
            of_pod(json!({CONTAINER: image})),
        ),
        (
            "the host's network",
            |new| set_at(new, "/spec/template/spec/hostNetwork", true.into()),
            of_pod(json!({"f:hostNetwork": {}})),
        ),
        (
            "a finalizer",
            |new| set_at(new, "/metadata/finalizers", json!(["example.org/hold"])),
            json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"example.org/hold\"": {}}}}),
        ),
        (
            "an owner",
            |new| {
                set_at(
                    new,
                    "/metadata/ownerReferences",
                    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u"}]),
                );
            },
            json!({"f:metadata": {"f:ownerReferences": {".": {}, "k:{\"uid\":\"u\"}": {}}}}),
        ),
    ]
}

/// The declared Deployment, with the entry of the tool that applied it.
fn declared() -> Review {
    let review = review_of("deployments", "web");
    let object = review.0["request"]["object"].clone();
    let owners = json!([updated("argocd-controller", &object)]);
    review.with_both(|object| object["metadata"]["managedFields"] = owners.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn under_any_managers_name_the_answer_is_the_same(
        change in 0..changes().len(),
        manager in prop::sample::select(&MANAGERS[..]),
        operation in prop::sample::select(&["Apply", "Update"][..]),
        // Of a write to the object itself the server notes none; who forges one gains nothing.
        subresource in prop::sample::select(&["", "status", "scale"][..]),
        time in prop::sample::select(&["1970-01-01T00:00:00Z", "2026-11-23T10:02:41Z", "2999-01-01T00:00:00Z"][..]),
        // The client may have taken out what others own, or named others as the owners of it.
        keeps_tool in any::<bool>(),
        is_first in any::<bool>(),
        forged in proptest::option::of(prop::sample::select(&MANAGERS[..])),
        field_manager in proptest::option::of(prop::sample::select(&MANAGERS[..])),
        force in any::<bool>(),
    ) {
        let (what, edit, brought) = changes().swap_remove(change);
        let mut brought = entry(manager, operation, "apps/v1", subresource, brought);
        brought["time"] = time.into();
        let review = declared();
        let tool = review.0["request"]["oldObject"]["metadata"]["managedFields"][0].clone();
        let mut owners = vec![brought];
        if keeps_tool {
            owners.insert(usize::from(is_first), tool);
        }
        if let Some(forged) = forged {
            owners.push(entry(forged, "Update", "apps/v1", "", json!({"f:metadata": {"f:labels": {"f:app": {}}}})));
        }
        let mut review = review.with_object(edit);
        review.0["request"]["object"]["metadata"]["managedFields"] = owners.into();
        review.0["request"]["options"] = json!({"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"});
        if let Some(field_manager) = field_manager {
            review.0["request"]["options"]["fieldManager"] = field_manager.into();
        }
        if force {
            review.0["request"]["options"]["force"] = true.into();
        }
        for by in ["alice", "system:admin"] {
            let got = Evaluator::new("", &["argocd", "flux"]).evaluate(&review.clone().by(by));
            prop_assert_eq!(got.outcome, Outcome::Deny, "{} by {}: {:?}", what, by, got);
        }
    }
}

/// A user who merely has a name, or some of its groups: another one than the account of that name.
#[test]
fn a_name_without_its_groups_and_groups_without_their_name_are_nobodys() {
    let evaluator = Evaluator::new("", &["argocd", "flux"]);
    let account = "system:serviceaccount:argocd:argocd-application-controller";
    let node = "system:node:n1";
    for (name, groups) in [
        (account, json!(["system:masters", "system:authenticated"])),
        (account, json!(["system:serviceaccounts", "system:authenticated"])),
        (account, json!(["system:serviceaccounts:argocd"])),
        (account, json!(["system:serviceaccounts", "system:serviceaccounts:argocd2"])),
        (account, json!([])),
        ("argocd-application-controller", json!(["system:serviceaccounts", "system:serviceaccounts:argocd"])),
        (
            "System:serviceaccount:argocd:argocd-application-controller",
            json!(["system:serviceaccounts", "system:serviceaccounts:argocd"]),
        ),
        (
            "system:serviceaccount:argocd:argocd-application-controller ",
            json!(["system:serviceaccounts", "system:serviceaccounts:argocd"]),
        ),
        ("alice", json!(["system:serviceaccounts", "system:serviceaccounts:argocd", "system:nodes"])),
        (node, json!(["system:authenticated"])),
        ("n1", json!(["system:nodes"])),
    ] {
        for (what, edit, _) in changes().into_iter().take(2) {
            let mut review = declared().with_object(edit);
            review.0["request"]["userInfo"] = json!({"username": name, "groups": groups, "extra": {
                "authentication.kubernetes.io/credential-id": ["JTI=1"],
                "authentication.kubernetes.io/pod-name": ["argocd-application-controller-0"],
            }, "uid": "argocd"});
            let got = evaluator.evaluate(&review);
            // A container more is a workload's business; another image is nobody's.
            assert!(got.outcome == Outcome::Deny || what == "a container", "{name} {groups}: {what}: {got:?}");
        }
    }
}

/// The same objects reach the webhook however the client has sent the change; a few have marks of their own.
#[test]
fn however_it_is_sent_a_new_object_is_judged_by_what_it_is() {
    let evaluator = Evaluator::new("", &[]);
    let wrong = |new: &mut Value| set_at(new, "/spec/template/spec/containers/0/image", "evil:1".into());
    let created = || declared().with_object(wrong).into_create();
    for (what, review) in [
        ("the name in the object alone", created().with_request(|request| request["name"] = "".into())),
        (
            "no name in the request",
            created().with_request(|request| drop(request.as_object_mut().unwrap().remove("name"))),
        ),
        ("a generated name as well", created().with_object(|new| set_at(new, "/metadata/generateName", "web-".into()))),
        (
            "another version asked for",
            created().with_request(|request| request["requestKind"]["version"] = "v1beta1".into()),
        ),
        (
            "without its namespace",
            created().with_object(|new| drop(new["metadata"].as_object_mut().unwrap().remove("namespace"))),
        ),
    ] {
        let got = evaluator.evaluate(&review);
        assert_eq!(got.outcome, Outcome::Deny, "{what}: {got:?}");
    }
    // A name that is still to be generated is no declared one.
    let generated = created().with_request(|request| request["name"] = "".into()).with_object(|new| {
        let metadata = new["metadata"].as_object_mut().unwrap();
        metadata.remove("name");
        metadata.insert("generateName".into(), "web".into());
    });
    assert_eq!(evaluator.evaluate(&generated).outcome, Outcome::Allow);
    let deleted = || declared().into_delete();
    for (what, review) in [
        (
            "one of a collection, which names it only in the old object",
            deleted().with_request(|request| request["name"] = "".into()),
        ),
        (
            "its dependents orphaned",
            deleted().with_request(|request| request["options"] = json!({"propagationPolicy": "Orphan"})),
        ),
        (
            "with preconditions",
            deleted().with_request(|request| request["options"] = json!({"preconditions": {"uid": "u"}})),
        ),
        ("without grace", deleted().with_request(|request| request["options"] = json!({"gracePeriodSeconds": 0}))),
    ] {
        assert_eq!(evaluator.evaluate(&review).outcome, Outcome::Deny, "{what}");
    }
}
