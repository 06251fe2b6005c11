//! Several sources in one snapshot: who declares what.

use std::sync::Arc;

use driftwall_core::desired::{DesiredError, ObjectKey, Snapshot, Source, SourceContents};
use driftwall_core::manifest;

use crate::harness::snapshots::source_contents;

/// A source that has read these texts, each from a file of its own.
fn contents(name: &str, priority: i32, texts: &[&str]) -> Arc<SourceContents> {
    let paths: Vec<_> = (0..texts.len()).map(|index| format!("{name}/{index}.yaml")).collect();
    let source = Source { name: name.into(), priority, ..Source::default() };
    source_contents(source, Some("prod"), paths.iter().map(String::as_str).zip(texts.iter().copied()))
}

fn map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {value}}}\n")
}

fn value(snapshot: &Snapshot) -> (String, String) {
    let key = ObjectKey { group: "", kind: "ConfigMap", namespace: "prod", name: "app" };
    let (declared, source) = snapshot.get(key).unwrap();
    (source.name.clone(), declared.object()["data"]["a"].as_str().unwrap().to_owned())
}

#[test]
fn an_object_declared_twice_is_refused_with_both_locations() {
    let (one, two) = (map("app", "one"), map("app", "two"));
    for sources in [
        vec![contents("a", 0, &[&one, &two])],
        vec![contents("a", 0, &[&one]), contents("b", 0, &[&two])],
        vec![contents("a", 7, &[&one]), contents("b", 7, &[&two])],
    ] {
        let Err(DesiredError::DuplicateObject { object, first, second }) = Snapshot::new(sources) else {
            panic!("taken");
        };
        assert_eq!(object, "ConfigMap prod/app");
        assert!(first.contains(".yaml:1 of source a") && second.contains(".yaml:1 of source"), "{first}, {second}");
    }
}

#[test]
fn the_source_with_the_higher_priority_wins() {
    let (one, two) = (map("app", "one"), map("app", "two"));
    for (a, b, expected) in [(0, 1, "b"), (1, 0, "a"), (-1, 0, "b")] {
        let snapshot = Snapshot::new(vec![contents("a", a, &[&one]), contents("b", b, &[&two])]).unwrap();
        let (source, value) = value(&snapshot);
        assert_eq!(source, expected);
        assert_eq!(value, if expected == "a" { "one" } else { "two" });
        assert_eq!(snapshot.count_in_namespace("prod").map(|(count, _)| count), Some(1), "it is one object");
    }
}

#[test]
fn a_kind_without_a_crd_in_git_may_have_one_name_in_two_namespaces() {
    let thing =
        |namespace| format!("apiVersion: example.org/v1\nkind: Thing\nmetadata: {{name: a, namespace: {namespace}}}\n");
    let snapshot = Snapshot::new(vec![contents("a", 0, &[&thing("east"), &thing("west")])]).unwrap();
    for (namespace, is_known) in [("east", true), ("west", true), ("north", false), ("", true)] {
        let key = ObjectKey { group: "example.org", kind: "Thing", namespace, name: "a" };
        assert_eq!(snapshot.get(key).is_some(), is_known, "{namespace}");
    }
}

#[test]
fn a_kind_without_a_crd_in_git_is_expected_in_no_other_namespace() {
    let thing = "apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: db}\n";
    let snapshot = Snapshot::new(vec![contents("a", 0, &[thing])]).unwrap();
    let key = |namespace| ObjectKey { group: "example.org", kind: "Thing", namespace, name: "db" };
    assert!(snapshot.get(key("prod")).is_some() && snapshot.get(key("")).is_some());
    assert!(snapshot.get_scoped(key("")).is_none(), "an owner is not taken for one without a namespace");
    assert!(snapshot.count_in_namespace("prod").is_none(), "nobody says that it is in this namespace");
}

#[test]
fn an_object_with_a_generated_name_is_not_declared() {
    let hook = "\
apiVersion: batch/v1
kind: Job
metadata:
  generateName: migrate-
  annotations: {argocd.argoproj.io/hook: PreSync}
";
    let reading = manifest::parse("hook.yaml", hook.as_bytes());
    assert_eq!((reading.objects.len(), reading.errors.len(), reading.skipped), (0, 0, 1));
}
