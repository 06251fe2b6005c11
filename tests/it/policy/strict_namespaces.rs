//! Namespaces that accept only what Git declares.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::cases::{GIT, assert_allowed, assert_denied, case};
use super::controllers::{keda_autoscaler, operator_statefulset};
use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{recorded_action, review_of_yaml};
use driftwall_core::actor::Class;
use driftwall_core::desired::{NamespaceScope, Snapshot, Source, SourceContents};
use driftwall_core::policy::{NamespaceRule, Outcome};
use driftwall_core::skipped::{SkipReason, SkippedContent};
use driftwall_core::source_state::{SourceEvent, SourceState};

const BREAK_GLASS: &str = "{apiVersion: driftwall.io/v1alpha1, kind: BreakGlass, metadata: {name: a, namespace: prod},
    spec: {reason: the shop is down, duration: 30m}}";
const SLEEP: &str = "{apiVersion: kube-green.com/v1alpha1, kind: SleepInfo, metadata: {name: a, namespace: prod},
    spec: {weekdays: '*', sleepAt: '20:00'}}";
const LEASE: &str = "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: a, namespace: prod}, spec: {}}";
const EVENT: &str = "{apiVersion: v1, kind: Event, metadata: {name: a, namespace: prod}, reason: Pulled}";
const NEW_EVENT: &str = "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: a, namespace: prod}}";
const ENDPOINTS: &str = "{apiVersion: v1, kind: Endpoints, metadata: {name: patroni, namespace: prod}}";
const SLICE: &str = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, namespace: prod}}";
const SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: orders, namespace: prod}}";
const CONFIG_MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: istio-ca-root-cert, namespace: prod}}";

#[test]
fn a_rule_that_names_workloads_is_for_them() {
    let mut evaluator = Evaluator::new(GIT, &[]);
    let rule = NamespaceRule::new(&["prod".into()], Outcome::Deny).unwrap();
    evaluator.policy.unmanaged = vec![rule.for_actors(vec![Class::Workload])];
    let secret = review_of_yaml("secrets", SECRET).into_create();
    assert_eq!(evaluator.evaluate(&secret.clone().by("ci/deployer")).outcome, Outcome::Deny);
    assert_eq!(evaluator.evaluate(&secret).outcome, Outcome::Allow, "persons are not named");
    let endpoints = review_of_yaml("endpoints", ENDPOINTS).into_create().by("prod/app");
    assert_eq!(evaluator.evaluate(&endpoints).outcome, Outcome::Allow);
}

#[test]
fn a_denial_names_the_source_whose_content_is_not_read_whole() {
    let skipping = |reason: SkipReason, namespaces: &[&str]| {
        let mut skipped = SkippedContent::default();
        skipped.add(reason, "lib", None);
        let source = Source { name: "team".into(), ..Source::default() };
        let contents = Arc::new(SourceContents::new(source, Vec::new()).with_skipped(&skipped));
        let scope = NamespaceScope::new(namespaces.iter().map(|&glob| glob.into()).collect()).unwrap();
        let state = SourceState::default().after(SourceEvent::Loaded(contents), Duration::ZERO);
        let mut evaluator = Evaluator::new("", &[]);
        evaluator.snapshot = Snapshot::assemble(vec![state.snapshot_source("team", &scope)], None);
        evaluator.policy.unmanaged = vec![NamespaceRule::new(&["prod".into()], Outcome::Deny).unwrap()];
        evaluator
    };
    let secret = review_of_yaml("secrets", SECRET).into_create();
    let hint = "If it is declared: driftwall does not read all of source team, see `driftwall sources`.";
    for (reason, namespaces, expected) in [
        (SkipReason::Submodule, &[] as &[&str], true),
        (SkipReason::LfsPointer, &["prod"], true),
        (SkipReason::Submodule, &["team-*"], false),
        (SkipReason::NoKind, &[], false),
    ] {
        let answered = skipping(reason, namespaces).evaluate(&secret);
        assert_eq!(answered.outcome, Outcome::Deny, "{reason:?}");
        assert_eq!(answered.message().contains(hint), expected, "{reason:?}: {}", answered.message());
    }
}

#[test]
fn runtime_objects_are_allowed_in_a_strict_namespace() {
    let owned = |object: &mut serde_json::Value| {
        let owner = json!({"apiVersion": "db.example.org/v1", "kind": "Postgres", "name": "orders", "uid": "u"});
        object["metadata"]["ownerReferences"] = json!([owner]);
    };
    let cases = vec![
        case("a workload takes a lease", review_of_yaml("leases", LEASE).into_create().by("prod/app"), "unmanaged"),
        case("a workload writes an event", review_of_yaml("events", EVENT).into_create().by("prod/app"), "unmanaged"),
        case(
            "a workload writes a new event",
            review_of_yaml("events", NEW_EVENT).into_create().by("prod/app"),
            "unmanaged",
        ),
        case("a person's kubectl writes an event", review_of_yaml("events", EVENT).into_create(), "unmanaged"),
        case(
            "a workload elects a leader by Endpoints",
            review_of_yaml("endpoints", ENDPOINTS).into_create().by("prod/app"),
            "unmanaged",
        ),
        case(
            "a workload mirrors EndpointSlices",
            review_of_yaml("endpointslices", SLICE).into_create().by("mesh/mesh"),
            "unmanaged",
        ),
        case(
            "a token is asked for",
            review_of_yaml(
                "serviceaccounts",
                "{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, namespace: prod}}",
            )
            .into_create()
            .subresource("token"),
            "runtime",
        ),
        case(
            "an operator makes a StatefulSet for a resource of Git",
            operator_statefulset().into_create(),
            "unmanaged",
        ),
        case("KEDA makes an autoscaler for a ScaledObject of Git", keda_autoscaler().into_create(), "unmanaged")
            .preset("keda"),
        case(
            "an operator makes a Secret that names its owner without calling it a controller",
            review_of_yaml("secrets", SECRET).into_create().with_object(owned).by("postgres/operator"),
            "unmanaged",
        ),
        case(
            "cert-manager makes a Secret for a Certificate",
            review_of_yaml("secrets", SECRET).into_create().by("cert-manager/cert-manager"),
            "unmanaged",
        ),
        case(
            "a pipeline makes a release's Secret",
            review_of_yaml("secrets", SECRET).into_create().by("ci/deployer"),
            "unmanaged",
        ),
        case(
            "istiod makes its root certificate",
            review_of_yaml("configmaps", CONFIG_MAP).into_create().by("istio-system/istiod"),
            "unmanaged",
        ),
        case("a person breaks the glass", review_of_yaml("breakglasses", BREAK_GLASS).into_create(), "unmanaged"),
        case("Pods are evicted", recorded_action("evict-pod"), "runtime"),
        case("what is there already is changed", review_of_yaml("secrets", SECRET), "unmanaged"),
        case("what is there already is deleted", review_of_yaml("secrets", SECRET).into_delete(), "unmanaged"),
    ];
    assert_allowed(cases.into_iter().map(super::cases::WriteCase::strict).collect());
}

#[test]
fn undeclared_objects_are_denied_in_a_strict_namespace() {
    let forged = json!([
        {"apiVersion": "db.example.org/v1", "kind": "Postgres", "name": "orders", "uid": "u", "controller": true},
    ]);
    let cases = vec![
        case("a person creates a Deployment", recorded_action("create-unmanaged-deployment"), "unmanaged"),
        case("a person runs a Pod", recorded_action("run-pod"), "unmanaged"),
        case(
            "a person forges an owner",
            review_of_yaml("secrets", SECRET)
                .into_create()
                .with_object(|new| new["metadata"]["ownerReferences"] = forged),
            "unmanaged",
        ),
        case("a person puts all to sleep", review_of_yaml("sleepinfos", SLEEP).into_create(), "unmanaged"),
        case("a person writes Endpoints", review_of_yaml("endpoints", ENDPOINTS).into_create(), "unmanaged"),
    ];
    assert_denied(cases.into_iter().map(super::cases::WriteCase::strict).collect());
}
