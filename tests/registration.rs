//! The registration made from a snapshot: what a real API server would take,
//! and which writes it asks about.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use driftwall::desired::{Contents, FileContents, Snapshot, Source};
use driftwall::manifest;
use driftwall::registration::{Endpoint, Registration, registration};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;

const GIT: &str = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: prod}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: prod}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: prod}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: prod}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: web, namespace: prod}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgetry.a.example}
spec: {group: a.example, names: {kind: Widget, plural: widgetry}, scope: Namespaced, versions: [{name: v2}]}
---
{apiVersion: a.example/v2, kind: Widget, metadata: {name: web, namespace: prod}}
";

fn snapshot(git: &str) -> Snapshot {
    let objects = manifest::read("git.yaml", git.as_bytes()).objects;
    let file = FileContents::new(&Arc::from("git.yaml"), None, objects).unwrap();
    Snapshot::new(vec![Arc::new(Contents::new(Source::default(), vec![Arc::new(file)]))]).unwrap()
}

fn settings() -> Registration {
    Registration {
        name: "driftwall".into(),
        labels: BTreeMap::new(),
        ca_bundle: Some("UEVN".into()),
        endpoint: Endpoint::Service { namespace: "wall".into(), name: "driftwall".into(), port: 443 },
        failure_policy: "Ignore",
        timeout_seconds: 5,
        left_out: vec!["wall".into(), "kube-system".into()],
        strict: Some(Vec::new()),
        break_glass: false,
        conditions: true,
    }
}

fn made(git: &str, settings: &Registration) -> ValidatingWebhookConfiguration {
    let value = registration(&snapshot(git), settings);
    let typed: ValidatingWebhookConfiguration = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), value, "every field is one of the API's");
    typed
}

/// Whether a write is asked about.
fn asks(configuration: &ValidatingWebhookConfiguration, operation: &str, resource: &str, version: &str) -> bool {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rules = configuration.webhooks.as_ref().unwrap()[0].rules.as_ref().unwrap();
    rules.iter().any(|rule| {
        let has = |list: &Option<Vec<String>>, item: &str| list.iter().flatten().any(|there| there == item);
        has(&rule.api_groups, group)
            && has(&rule.api_versions, version)
            && has(&rule.resources, resource)
            && has(&rule.operations, operation)
    })
}

#[test]
fn what_git_declares_is_asked_about_and_what_belongs_to_it() {
    let made = made(GIT, &settings());
    for (operation, resource, version, asked) in [
        ("CREATE", "deployments.apps", "v1", true),
        ("DELETE", "deployments.apps", "v1", true),
        ("UPDATE", "deployments/scale.apps", "v1", true),
        ("UPDATE", "deployments/status.apps", "v1", true),
        ("UPDATE", "statefulsets.apps", "v1", false),
        ("UPDATE", "configmaps", "v1", true),
        ("UPDATE", "configmaps/status", "v1", false),
        ("CREATE", "secrets", "v1", false),
        ("UPDATE", "networkpolicies.networking.k8s.io", "v1", true),
        ("UPDATE", "gateways.gateway.networking.k8s.io", "v1", true),
        ("UPDATE", "widgetry.a.example", "v2", true),
        ("UPDATE", "widgetry/scale.a.example", "v2", true),
        ("UPDATE", "widgetry.a.example", "v1", false),
        ("UPDATE", "namespaces", "v1", true),
        ("DELETE", "customresourcedefinitions.apiextensions.k8s.io", "v1", true),
        ("UPDATE", "pods", "v1", true),
        ("CREATE", "pods", "v1", false),
        ("UPDATE", "pods/ephemeralcontainers", "v1", true),
        ("CREATE", "pods/eviction", "v1", true),
        ("UPDATE", "pods/resize", "v1", true),
        ("UPDATE", "replicasets/scale.apps", "v1", true),
        ("DELETE", "jobs.batch", "v1", true),
        ("CREATE", "horizontalpodautoscalers.autoscaling", "v2", true),
        ("CREATE", "scaledobjects.keda.sh", "v1alpha1", true),
    ] {
        assert_eq!(asks(&made, operation, resource, version), asked, "{operation} {resource} {version}");
    }
}

#[test]
fn a_namespace_and_a_definition_that_git_does_not_declare_are_asked_about_when_they_go() {
    let made = made("{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: prod}}", &settings());
    for (operation, asked) in [("DELETE", true), ("CREATE", false), ("UPDATE", false)] {
        for resource in ["namespaces", "customresourcedefinitions.apiextensions.k8s.io"] {
            assert_eq!(asks(&made, operation, resource, "v1"), asked, "{operation} {resource}");
        }
    }
}

#[test]
fn it_cannot_lock_a_cluster_out() {
    let strict = Registration { strict: Some(vec!["prod".into()]), ..settings() };
    let webhooks = made(GIT, &strict).webhooks.unwrap();
    assert_eq!(
        webhooks.iter().map(|webhook| &*webhook.name).collect::<Vec<_>>(),
        ["writes.driftwall.io", "strict.driftwall.io"]
    );
    for webhook in &webhooks {
        assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
        assert_eq!((webhook.timeout_seconds, &*webhook.side_effects), (Some(5), "None"));
        let selector = webhook.namespace_selector.as_ref().unwrap().match_expressions.as_ref().unwrap();
        let out = selector.iter().find(|expression| expression.operator == "NotIn").unwrap();
        assert_eq!(out.values.as_ref().unwrap(), &["wall", "kube-system"]);
        assert!(webhook.match_conditions.iter().flatten().any(|condition| condition.name == "not-a-node"));
    }
    let all = |webhook: usize| serde_json::to_string(&webhooks[webhook].rules).unwrap().contains('*');
    assert!(!all(0) && all(1));
    assert_eq!(made(GIT, &settings()).webhooks.unwrap().len(), 1);
}

#[test]
fn the_same_content_gives_the_same_text() {
    let reversed = GIT.split("---").collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n---\n");
    assert_eq!(registration(&snapshot(GIT), &settings()), registration(&snapshot(&reversed), &settings()));
    let url = Registration { endpoint: Endpoint::Url("https://wall.example/validate".into()), ..settings() };
    let client = made(GIT, &url).webhooks.unwrap().remove(0).client_config;
    assert_eq!((client.url.as_deref(), client.service), (Some("https://wall.example/validate"), None));
}
