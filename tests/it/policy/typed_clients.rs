//! Programs in Go write an object whole, by their own types: zeros go, quantities get their shortest spelling, and what
//! the definition does not have was never stored.

use driftwall_core::policy::Outcome;
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, remove_at, review_of_yaml, set_at};

const GIT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: core, namespace: argocd}
spec:
  project: default
  sources:
  - {repoURL: https://git.example.org/x, path: a, directory: {recurse: false}}
  - {repoURL: https://git.example.org/y, path: b}
  ignoreDifferences:
  - {group: '', kind: Secret, name: x, jsonPointers: [/data]}
---
apiVersion: monitoring.example.org/v1
kind: Monitor
metadata: {name: web, namespace: prod}
spec:
  endpoints: [{port: http, honorLabels: false, interval: 30s, class: {storageClassName: ''}}]
---
apiVersion: search.example.org/v1
kind: Cluster
metadata: {name: logs, namespace: prod}
spec:
  version: '1.10'
  podTemplate: {spec: {containers: [{name: node, resources: {limits: {memory: 2048Mi, cpu: 2}}, ttl: '1.10'}]}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              a: {type: integer}
              list: {type: array, items: {type: object, properties: {x: {type: integer}, y: {type: integer}}}}
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: new, namespace: prod}
spec: {a: 1, newer: 2, list: [{x: 1, newer: 3}]}
";

fn declared(plural: &str, kind: &str) -> Review {
    let document = GIT.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n"))).unwrap();
    review_of_yaml(plural, document)
}

fn assert_outcomes(cases: Vec<(&str, Review, Outcome)>) {
    let evaluator = Evaluator::new(GIT, &["argocd"]);
    for (what, review, expected) in cases {
        let got = evaluator.evaluate(&review);
        assert_eq!(got.outcome, expected, "{what}: {:?} {:?}", got.verdict, got.fields);
    }
}

#[test]
fn a_machine_that_drops_zeros_of_list_items_conforms() {
    const SERVER: &str = "argocd/argocd-server";
    let application = || declared("applications", "Application");
    let no_recurse = |new: &mut Value| remove_at(new, "/spec/sources/0/directory/recurse");
    let parameters = "/spec/sources/0/helm";
    let no_group = |new: &mut Value| remove_at(new, "/spec/ignoreDifferences/0/group");
    let monitor = || declared("monitors", "Monitor").by("op/operator");
    let no_labels = |new: &mut Value| remove_at(new, "/spec/endpoints/0/honorLabels");
    assert_outcomes(vec![
        ("Argo CD's server", application().with_object(no_recurse).with_object(no_group).by(SERVER), Outcome::Allow),
        (
            "a parameter beside it, by who clicks there",
            application()
                .with_object(no_recurse)
                .with_object(|new| set_at(new, parameters, json!([{"name": "a"}])))
                .by(SERVER),
            Outcome::Deny,
        ),
        (
            "which was there before",
            application()
                .with_both(|object| set_at(object, parameters, json!([{"name": "a"}])))
                .with_object(no_recurse)
                .by(SERVER),
            Outcome::Allow,
        ),
        ("an operator", monitor().with_object(no_labels), Outcome::Allow),
        (
            "that changes something with it",
            monitor().with_object(no_labels).with_object(|new| set_at(new, "/spec/endpoints/0/port", "x".into())),
            Outcome::Deny,
        ),
        (
            "or fills what Git leaves empty",
            monitor().with_object(no_labels).with_object(|new| {
                set_at(new, "/spec/endpoints/0/class/storageClassName", "fast".into());
            }),
            Outcome::Deny,
        ),
        (
            "or turns it on",
            monitor().with_object(|new| set_at(new, "/spec/endpoints/0/honorLabels", true.into())),
            Outcome::Deny,
        ),
        (
            "or drops what is no zero",
            monitor().with_object(|new| remove_at(new, "/spec/endpoints/0/interval")),
            Outcome::Deny,
        ),
        (
            "or an empty text that means something",
            monitor().with_object(|new| remove_at(new, "/spec/endpoints/0/class/storageClassName")),
            Outcome::Deny,
        ),
        ("a person", monitor().with_object(no_labels).by("alice"), Outcome::Deny),
    ]);
}

#[test]
fn quantities_in_a_pod_template_of_a_custom_resource_are_compared_by_value() {
    let cluster = || declared("clusters", "Cluster");
    let limit = "/spec/podTemplate/spec/containers/0/resources/limits";
    for by in ["op/operator", "alice"] {
        let set = |value: Value| cluster().with_object(|new| set_at(new, limit, value)).by(by);
        assert_outcomes(vec![
            ("shorter", set(json!({"memory": "2Gi", "cpu": "2"})), Outcome::Allow),
            ("more", set(json!({"memory": "3Gi", "cpu": "2"})), Outcome::Deny),
            (
                "what only looks like one",
                cluster().with_object(|new| set_at(new, "/spec/version", "1.1".into())).by(by),
                Outcome::Deny,
            ),
        ]);
    }
}

#[test]
fn what_the_definition_does_not_have_is_not_missed() {
    let thing =
        || declared("things", "Thing").with_both(|object| set_at(object, "/spec", json!({"a": 1, "list": [{"x": 1}]})));
    let drifted = |spec: Value| thing().with_old_object(|old| set_at(old, "/spec", spec));
    for by in ["alice", "ci/deployer"] {
        assert_outcomes(vec![
            ("created", thing().into_create().by(by), Outcome::Allow),
            ("the way back in a list", drifted(json!({"a": 1, "list": [{"x": 5}]})).by(by), Outcome::Allow),
            ("of an item", drifted(json!({"a": 1, "list": [{"x": 1}, {"x": 2}]})).by(by), Outcome::Allow),
            ("drift", thing().with_object(|new| set_at(new, "/spec/a", 2.into())).by(by), Outcome::Deny),
            (
                "drift in a list",
                thing().with_object(|new| set_at(new, "/spec/list/0/x", 2.into())).by(by),
                Outcome::Deny,
            ),
            (
                "what another definition does have",
                thing().with_old_object(|old| set_at(old, "/spec/newer", 2.into())).by(by),
                Outcome::Deny,
            ),
        ]);
    }
}
