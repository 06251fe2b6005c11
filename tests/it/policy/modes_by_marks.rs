//! Modes by application and by label: as Git declares them, never softer because of what an object claims.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::evaluator::{Evaluator, contents};
use crate::harness::reviews::{Review, recorded_action, review_of_yaml, set_at};
use driftwall_core::policy::{Mode, ModeRule, Outcome};

const GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {tier: critical, app.kubernetes.io/instance: shop-eu}
spec: {replicas: 3}
";

/// Scales the Deployment of `GIT`.
fn scaled() -> Review {
    review_of_yaml("deployments", GIT).with_object(|new| set_at(new, "/spec/replicas", 7.into()))
}

fn for_labels(labels: &[(&str, &str)], mode: Mode) -> ModeRule {
    let labels: BTreeMap<_, _> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ModeRule::new(&[], Vec::new(), mode).unwrap().for_labels(&labels).unwrap()
}

fn for_applications(applications: &[&str], mode: Mode) -> ModeRule {
    let applications: Vec<_> = applications.iter().map(|name| (*name).to_owned()).collect();
    ModeRule::new(&[], Vec::new(), mode).unwrap().for_applications(&applications).unwrap()
}

fn outcome(global: Mode, rule: ModeRule, review: &Review) -> Outcome {
    let mut evaluator = Evaluator::with_sources(vec![contents("payments", &[("a.yaml".into(), GIT.into())])], &[]);
    evaluator.policy.mode = global;
    evaluator.policy.modes = vec![rule];
    evaluator.evaluate(review).outcome
}

#[test]
fn labels_count_as_git_declares_them() {
    use Mode::{Audit, Enforce, Warn};
    for (labels, expected) in [
        (&[("tier", "critical")][..], Outcome::Deny),
        (&[("tier", "crit*")], Outcome::Deny),
        (&[("tier", "critical"), ("app.kubernetes.io/instance", "shop-*")], Outcome::Deny),
        (&[("tier", "critical"), ("team", "*")], Outcome::Allow),
        (&[("tier", "low")], Outcome::Allow),
    ] {
        assert_eq!(outcome(Audit, for_labels(labels, Enforce), &scaled()), expected, "{labels:?}");
    }
    let relabelled = scaled().with_both(|object| set_at(object, "/metadata/labels/tier", "low".into()));
    assert_eq!(outcome(Enforce, for_labels(&[("tier", "low")], Audit), &relabelled), Outcome::Deny, "not Git's label");
    assert_eq!(outcome(Enforce, for_labels(&[("tier", "critical")], Warn), &relabelled), Outcome::Warn);
}

#[test]
fn applications_are_sources_and_what_marks_in_git_name() {
    use Mode::{Audit, Enforce};
    for (applications, expected) in [
        (&["payments"][..], Outcome::Allow),
        (&["pay*", "other"], Outcome::Allow),
        (&["shop-eu"], Outcome::Allow),
        (&["web", "shop"], Outcome::Deny),
    ] {
        let got = outcome(Enforce, for_applications(applications, Audit), &scaled());
        assert_eq!(got, expected, "{applications:?}");
    }
}

#[test]
fn a_mark_that_an_object_merely_carries_makes_an_answer_stricter_and_never_softer() {
    use Mode::{Audit, Enforce};
    let tracked = |id: &str| {
        let annotation = json!({"argocd.argoproj.io/tracking-id": id});
        scaled().with_both(|object: &mut Value| set_at(object, "/metadata/annotations", annotation.clone()))
    };
    let own = tracked("sandbox:apps/Deployment:shop/web");
    let copied = tracked("sandbox:apps/Deployment:shop/api");
    let sandbox = |mode| for_applications(&["sandbox"], mode);
    assert_eq!(outcome(Audit, sandbox(Enforce), &own), Outcome::Deny, "stricter");
    assert_eq!(outcome(Enforce, sandbox(Audit), &own), Outcome::Deny, "not softer");
    assert_eq!(outcome(Audit, sandbox(Enforce), &copied), Outcome::Allow, "it is another object's");
    let brought = tracked("sandbox:apps/Deployment:shop/web").with_old_object(|old| {
        old["metadata"]["annotations"] = Value::Null;
    });
    assert_eq!(outcome(Audit, sandbox(Enforce), &brought), Outcome::Allow, "the write brings it");
}

#[test]
fn what_belongs_to_a_declared_object_has_its_mode() {
    let labels = BTreeMap::from([("app.kubernetes.io/name".to_owned(), "*".to_owned())]);
    let mut evaluator = Evaluator::new("", &[]);
    let by_source = for_applications(&["prod"], Mode::Warn);
    for (rule, expected) in [
        (by_source, Outcome::Warn),
        (for_labels(&[("no-such-label", "*")], Mode::Warn), Outcome::Deny),
        (ModeRule::new(&[], Vec::new(), Mode::Warn).unwrap().for_labels(&labels).unwrap(), Outcome::Deny),
    ] {
        evaluator.policy.modes = vec![rule];
        assert_eq!(evaluator.evaluate(&recorded_action("image-pod")).outcome, expected, "{:?}", evaluator.policy.modes);
    }
    let cascade = recorded_action("delete-namespace");
    evaluator.policy.modes = vec![for_applications(&["prod"], Mode::Warn)];
    assert_eq!(evaluator.evaluate(&cascade).outcome, Outcome::Warn, "by the source of what it holds");
}
