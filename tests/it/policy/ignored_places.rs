//! Ignored fields by their place in a list, as JSON pointers and as `[0]`. As Argo CD does it, what is there is
//! taken out of Git's object and of the one under review, each by its own places.

use crate::harness::evaluator::{Evaluated, Evaluator};
use crate::harness::reviews::{Review, review_of_yaml, set_at};
use driftwall_core::policy::{IgnoreRule, Verdict};
use serde_json::{Value, json};

const GIT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1", args: [a, b]}
      - {name: proxy, image: "proxy:1"}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: prod}
spec:
  rules: [{host: a.example}, {host: b.example}]
"#;

const CONTAINERS: &str = "/spec/template/spec/containers";

fn evaluate(ignored: &str, review: &Review) -> Evaluated {
    let mut evaluator = Evaluator::new(GIT, &[]);
    evaluator.policy.ignore = vec![IgnoreRule::new("*", "*", "*", "*", &[ignored.to_owned()]).unwrap()];
    evaluator.evaluate(review)
}

fn write(plural: &str, index: usize, edit_both: impl Fn(&mut Value), edit: impl FnOnce(&mut Value)) -> Review {
    let yaml = GIT.split("---\n").nth(index).unwrap();
    review_of_yaml(plural, yaml).by("alice").with_both(edit_both).with_object(edit)
}

#[test]
fn a_place_in_a_keyed_list_is_that_of_the_item_in_git() {
    let as_in_git = |_: &mut Value| ();
    let reordered = |object: &mut Value| object.pointer_mut(CONTAINERS).unwrap().as_array_mut().unwrap().reverse();
    let with_sidecar = |object: &mut Value| {
        let containers = object.pointer_mut(CONTAINERS).unwrap().as_array_mut().unwrap();
        containers.insert(0, json!({"name": "sidecar", "image": "sidecar:1"}));
    };
    let set_image = |name: &'static str| {
        move |object: &mut Value| {
            let containers = object.pointer_mut(CONTAINERS).unwrap().as_array_mut().unwrap();
            let container = containers.iter_mut().find(|container| container["name"] == name).unwrap();
            container["image"] = "mine:2".into();
        }
    };
    for ignored in ["/spec/template/spec/containers/0/image", "spec.template.spec.containers[0].image"] {
        for (live, before) in [
            ("as in Git", &as_in_git as &dyn Fn(&mut Value)),
            ("reordered", &reordered),
            ("with a sidecar", &with_sidecar),
        ] {
            for (name, verdict) in [("web", Verdict::Conforms), ("proxy", Verdict::Drift)] {
                let found = evaluate(ignored, &write("deployments", 0, before, set_image(name)));
                assert_eq!(found.verdict, verdict, "{ignored}: {name}, {live}");
            }
        }
        // What Git does not have stands where it stands in the object.
        let sidecar = evaluate(ignored, &write("deployments", 0, with_sidecar, set_image("sidecar")));
        assert_eq!(sidecar.verdict, Verdict::Conforms, "{ignored}");
        // A list in another order is no drift, whatever is ignored in it.
        assert_eq!(evaluate(ignored, &write("deployments", 0, as_in_git, reordered)).verdict, Verdict::Conforms);
        // Nobody gets a field ignored by moving it there.
        let moved = |object: &mut Value| {
            reordered(object);
            set_image("proxy")(object);
        };
        assert_eq!(evaluate(ignored, &write("deployments", 0, as_in_git, moved)).verdict, Verdict::Drift);
    }
}

#[test]
fn a_place_in_a_list_that_is_one_value_is_ignored_in_both() {
    let at = |pointer: &'static str, value: Value| move |object: &mut Value| set_at(object, pointer, value.clone());
    for (ignored, plural, index, pointer, is_ignored) in [
        ("/spec/rules/0/host", "ingresses", 1, "/spec/rules/0/host", true),
        ("spec.rules[*].host", "ingresses", 1, "/spec/rules/1/host", true),
        ("/spec/rules/0/host", "ingresses", 1, "/spec/rules/1/host", false),
        ("/spec/rules/0/host", "ingresses", 1, "/spec/rules/0/http", false),
        ("/spec/rules/0", "ingresses", 1, "/spec/rules/0/host", true),
        ("/spec/rules/7/host", "ingresses", 1, "/spec/rules/0/host", false),
        ("/spec/template/spec/containers/0/args/1", "deployments", 0, "/spec/template/spec/containers/0/args/1", true),
        ("/spec/template/spec/containers/0/args/1", "deployments", 0, "/spec/template/spec/containers/0/args/0", false),
    ] {
        let found = evaluate(ignored, &write(plural, index, |_| (), at(pointer, "mine".into())));
        assert_eq!(found.verdict == Verdict::Conforms, is_ignored, "{ignored}: {pointer}: {found:?}");
    }
    // Beside what is ignored, anything else counts.
    let both = |object: &mut Value| {
        set_at(object, "/spec/rules/0/host", "mine".into());
        set_at(object, "/spec/rules/1/host", "mine".into());
    };
    assert_eq!(evaluate("/spec/rules/0/host", &write("ingresses", 1, |_| (), both)).verdict, Verdict::Drift);
    let longer = at("/spec/rules/-", json!({"host": "c.example"}));
    assert_eq!(evaluate("/spec/rules/0/host", &write("ingresses", 1, |_| (), longer)).verdict, Verdict::Drift);
}
