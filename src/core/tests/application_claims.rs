//! What applications claim that nobody should believe, and what is absurd in them: that application is told of and less
//! protected, and nothing else notices.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod listed;

use driftwall_core::applications::{Application, MAX_LISTED_OBJECTS};
use listed::{
    ALICE, Case, Cluster, OPERATOR, answer, application, applied, entry, fields, foreign, owned, snapshot, update, with,
};
use serde_json::{Value, json};

const DEPLOYER: &str = "system:serviceaccount:prod:deployer";

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argocd"}, "data": data})
}

/// Argo CD writes as accounts of projects.
fn impersonation() -> Value {
    config_map("argocd-cm", json!({"application.sync.impersonation.enabled": "true"}))
}

/// A project whose applications are deployed as `deployer` of their namespace.
fn project(name: &str, more: Value) -> Value {
    let mut spec = json!({
        "destinations": [{"server": "*", "namespace": "*"}],
        "destinationServiceAccounts": [{"server": "*", "namespace": "*", "defaultServiceAccount": "deployer"}],
    });
    for (field, value) in more.as_object().cloned().unwrap_or_default() {
        spec[field] = value;
    }
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd"}, "spec": spec})
}

fn named(object: Value, namespace: &str, name: &str, created: &str) -> Value {
    let object = with(object, "/metadata/name", name.into());
    with(with(object, "/metadata/namespace", namespace.into()), "/metadata/creationTimestamp", created.into())
}

fn tracked(id: &str) -> Value {
    with(applied(), "/metadata/annotations", json!({"argocd.argoproj.io/tracking-id": id}))
}

fn scaled(object: &Value) -> Value {
    with(object.clone(), "/spec/replicas", 7.into())
}

#[test]
fn an_account_is_exempt_for_what_its_application_may_deploy_only() {
    let serving = config_map("argocd-cmd-params-cm", json!({"application.namespaces": "team-*"}));
    let shop = || application(json!({"project": "shop"}));
    let foreign_namespace = || named(application(json!({"project": "shop"})), "team-a", "shop", "2026-11-27T18:00:00Z");
    let other = || named(application(json!({})), "argocd", "other", "2026-11-27T18:00:00Z");
    let other_without_it = || with(other(), "/status/resources", json!([]));
    for (what, objects, stored, expected) in [
        ("its own", vec![impersonation(), project("shop", json!({})), shop()], applied(), "allow"),
        ("…told in another order", vec![shop(), project("shop", json!({})), impersonation()], applied(), "allow"),
        ("impersonation is off", vec![project("shop", json!({})), shop()], applied(), "deny"),
        ("the project is not there", vec![impersonation(), shop()], applied(), "deny"),
        (
            "another namespace is the project's",
            vec![
                impersonation(),
                project("shop", json!({"destinations": [{"server": "*", "namespace": "team-a"}]})),
                shop(),
            ],
            applied(),
            // What the tool would not deploy is nobody's for certain.
            "warn",
        ),
        (
            "the kind is not the project's",
            vec![
                impersonation(),
                project("shop", json!({"namespaceResourceBlacklist": [{"group": "apps", "kind": "Deployment"}]})),
                shop(),
            ],
            applied(),
            "warn",
        ),
        (
            "the project takes no applications from that namespace",
            vec![impersonation(), serving.clone(), project("shop", json!({})), foreign_namespace()],
            applied(),
            "warn",
        ),
        (
            "…or does",
            vec![
                impersonation(),
                serving,
                project("shop", json!({"sourceNamespaces": ["team-*"]})),
                foreign_namespace(),
            ],
            applied(),
            "allow",
        ),
        (
            "it is marked as another one's",
            vec![impersonation(), project("shop", json!({})), shop(), other_without_it()],
            tracked("other:apps/Deployment:prod/web"),
            "deny",
        ),
        (
            "the mark was copied from elsewhere",
            vec![impersonation(), project("shop", json!({})), shop(), other_without_it()],
            tracked("other:apps/Deployment:prod/api"),
            "allow",
        ),
        (
            "the mark is of nobody that there is",
            vec![impersonation(), project("shop", json!({})), shop()],
            tracked("gone:apps/Deployment:prod/web"),
            "allow",
        ),
    ] {
        let new = scaled(&stored);
        let (found, message) = answer(&snapshot(&objects), &Cluster(None), &update(DEPLOYER, &stored, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn nobody_takes_an_object_over_by_listing_it_too() {
    let ignoring =
        json!({"project": "evil", "ignoreDifferences": [{"group": "*", "kind": "*", "jsonPointers": ["/spec"]}]});
    // Older than the one that deploys the object.
    let claim = named(application(ignoring), "argocd", "claim", "2020-01-01T00:00:00Z");
    let limited = project("evil", json!({"destinations": [{"server": "*", "namespace": "evil"}]}));
    let unlimited = project("evil", json!({}));
    let labels = |label: &str| {
        config_map(
            "argocd-cm",
            json!({"application.resourceTrackingMethod": "label", "application.instanceLabelKey": label}),
        )
    };
    let labelled = |label: &str| with(applied(), "/metadata/labels", json!({"app": "web", label: "shop"}));
    let installation = config_map("argocd-cm", json!({"installationID": "blue"}));
    let installed = |id: &str| {
        with(
            tracked("shop:apps/Deployment:prod/web"),
            "/metadata/annotations/argocd.argoproj.io~1installation-id",
            id.into(),
        )
    };
    for (what, objects, stored, expected) in [
        ("the project forbids it", vec![limited, claim.clone()], applied(), "deny"),
        (
            "the mark names the other one",
            vec![unlimited.clone(), claim.clone()],
            tracked("shop:apps/Deployment:prod/web"),
            "deny",
        ),
        (
            "a label does",
            vec![labels("app.kubernetes.io/instance"), claim.clone()],
            labelled("app.kubernetes.io/instance"),
            "deny",
        ),
        ("a label of their own does", vec![labels("acme.io/app"), claim.clone()], labelled("acme.io/app"), "deny"),
        ("a label that does not count", vec![claim.clone()], labelled("app.kubernetes.io/instance"), "allow"),
        ("with the id of this Argo CD", vec![installation.clone(), claim.clone()], installed("blue"), "deny"),
        ("with the id of another one", vec![installation, claim.clone()], installed("green"), "allow"),
        ("nothing names anybody: the older one's", vec![unlimited, claim], applied(), "allow"),
    ] {
        let objects: Vec<_> = objects.into_iter().chain([application(json!({}))]).collect();
        let new = scaled(&stored);
        let (found, message) = answer(&snapshot(&objects), &Cluster(None), &update(ALICE, &stored, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn what_the_tool_never_wrote_is_nobodys_for_certain() {
    // An application may list what is kube-system's, driftwall's own, or another tool's.
    let (stored, snapshot) = (foreign(), snapshot(&[application(json!({}))]));
    let new = scaled(&stored);
    let delete = |user| Case { user, operation: "DELETE", old: Some(&stored), new: None, subresource: "", manager: "" };
    for (what, case, expected) in [
        ("a person changes it", update(ALICE, &stored, &new), "warn"),
        ("its own controller does", update(OPERATOR, &stored, &new), "allow"),
        ("a person deletes it", delete(ALICE), "warn"),
        ("its own controller does", delete(OPERATOR), "warn"),
    ] {
        let (found, message) = answer(&snapshot, &Cluster(None), &case);
        assert_eq!(found, expected, "{what}: {message}");
    }
    let (_, message) = answer(&snapshot, &Cluster(None), &update(ALICE, &stored, &new));
    assert_eq!(message, "driftwall: deployment.apps \"web\": spec.replicas: 7; what Argo CD applied is not known");
}

#[test]
fn what_is_absurd_in_one_application_is_told_and_changes_no_other() {
    let entry = |n: usize| json!({"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "prod", "name": format!("n{n}")});
    let many: Vec<_> = (0..50_000).map(entry).collect();
    let rules = |rule: Value, count: usize| json!(vec![rule; count]);
    let pointer = json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/metadata/annotations/x"]});
    let glob = json!({"group": "a*", "kind": "D*", "jsonPointers": ["/metadata/annotations/x"]});
    let jq = |expression: &str| json!([{"group": "apps", "kind": "Deployment", "jqPathExpressions": [expression]}]);
    let many_visits = format!(".spec[]?{}", "[]?".repeat(300));
    for (what, pointer_to, value, own, noted) in [
        ("a list that is too long", "/status/resources", json!(many), "allow", "30000 entries of its list of objects"),
        (
            "a list of nonsense",
            "/status/resources",
            json!([7, null, {}, {"kind": 7}]),
            "allow",
            "4 entries of its list",
        ),
        ("no list", "/status/resources", json!("none"), "allow", ""),
        ("rules beyond number", "/spec/ignoreDifferences", rules(pointer, 20_000), "warn", "more than is read"),
        ("patterns beyond number", "/spec/ignoreDifferences", rules(glob, 100), "warn", "more than is read"),
        ("rules of nonsense", "/spec/ignoreDifferences", json!([7, {"jsonPointers": 7}]), "deny", ""),
        ("a pattern that is none", "/spec/ignoreDifferences", json!([{"kind": "a{"}]), "warn", "is not a pattern"),
        ("a jq that loops", "/spec/ignoreDifferences", jq("def f: f; f"), "warn", "does more than is read"),
        ("a jq that counts", "/spec/ignoreDifferences", jq("range(1e9)"), "warn", "does more than is read"),
        ("a jq that is long", "/spec/ignoreDifferences", jq(&many_visits), "deny", ""),
        ("a spec of nonsense", "/spec", json!([1, 2]), "allow", ""),
        ("a source of nonsense", "/spec/source", json!(7), "deny", ""),
        ("a project of nonsense", "/spec/project", json!({}), "deny", "is not there"),
        ("conditions of nonsense", "/status/conditions", json!([[], 7]), "deny", ""),
    ] {
        let hostile = with(application(json!({})), pointer_to, value);
        let calm = named(application(json!({})), "argocd", "calm", "2026-11-27T18:00:00Z");
        let calm = with(calm, "/status/resources/0/namespace", "calm".into());
        let snapshot = snapshot(&[hostile, calm]);
        let (old, new) = (applied(), scaled(&applied()));
        let (found, message) = answer(&snapshot, &Cluster(None), &update(ALICE, &old, &new));
        assert_eq!(found, own, "{what}: {message}");
        let applications = snapshot.applications();
        let told: Vec<String> = applications.iter().flat_map(Application::notes).collect();
        assert!(told.iter().any(|note| note.contains(noted)) || noted.is_empty(), "{what}: {told:?}");
        let calm = applications.iter().find(|application| application.name.name == "calm").unwrap();
        assert_eq!(calm.objects.objects.len(), 1, "{what}");
        assert!(applications.iter().all(|it| it.objects.objects.len() <= MAX_LISTED_OBJECTS), "{what}");
    }
}

#[test]
fn names_are_compared_as_they_are() {
    // Names of RBAC are limited by no alphabet, and messages replace such characters.
    for name in ["system:node-proxier", "über", "a b", "a\u{200b}b", "a\tb", "a_b__c"] {
        let role = json!({"group": "rbac.authorization.k8s.io", "version": "v1", "kind": "ClusterRole", "name": name});
        let snapshot = snapshot(&[with(application(json!({})), "/status/resources", json!([role]))]);
        let key = driftwall_core::desired::ObjectKey {
            group: "rbac.authorization.k8s.io",
            kind: "ClusterRole",
            namespace: "",
            name,
        };
        assert_eq!(snapshot.applications().listing(key).len(), 1, "{name:?}");
    }
}

#[test]
fn a_jq_that_visits_too_much_of_an_object_leaves_it_uncertain() {
    let rule = json!({"group": "apps", "kind": "*", "jqPathExpressions": [".spec.template.spec.containers[].env[].name, .spec.template.spec.containers[].env[].value"]});
    let snapshot = snapshot(&[application(json!({"ignoreDifferences": [rule]}))]);
    let env: Vec<_> = (0..30_000).map(|n| json!({"name": format!("N{n}"), "value": "1"})).collect();
    let old = with(
        owned(&[entry("argocd-controller", "Apply", fields())]),
        "/spec/template/spec/containers/0/env",
        json!(env),
    );
    let (found, message) = answer(&snapshot, &Cluster(None), &update(ALICE, &old, &scaled(&old)));
    assert_eq!(found, "warn", "{message}");
}
