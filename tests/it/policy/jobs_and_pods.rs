//! Declared Jobs and Pods: what ends them other than by deletion.

use driftwall_core::policy::{Outcome, Verdict};
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, review_of_yaml, set_at};

const GIT: &str = "
{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: prod}, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: solo, namespace: prod}, spec: {containers: [{name: a, image: a}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: free, namespace: prod, annotations: {driftwall.io/ignore: 'true'}}, spec: {containers: [{name: a, image: a}]}}
";

fn job(name: &str) -> Review {
    let yaml = format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}, namespace: prod}},
           spec: {{template: {{spec: {{containers: [{{name: a, image: a}}]}}}}}}, status: {{active: 1, startTime: '2026-05-04T03:02:01Z'}}}}"
    );
    review_of_yaml("jobs", &yaml).subresource("status")
}

#[test]
fn only_its_controller_says_what_became_of_a_declared_job() {
    let evaluator = Evaluator::new(GIT, &[]);
    for (pointer, value, field) in [
        ("/status/conditions", json!([{"type": "Complete", "status": "True"}]), "status.conditions"),
        ("/status/conditions", json!([{"type": "Failed", "status": "True"}]), "status.conditions"),
        ("/status/conditions", json!([{"type": "SuccessCriteriaMet", "status": "True"}]), "status.conditions"),
        ("/status/completionTime", json!("2026-05-04T03:02:02Z"), "status.completionTime"),
        ("/status/succeeded", json!(1), "status.succeeded"),
        ("/status/failed", json!(7), "status.failed"),
        ("/status/active", json!(0), "status.active"),
        ("/status/active", Value::Null, "status.active"),
        ("/status/completedIndexes", json!("0-9"), "status.completedIndexes"),
    ] {
        let review = job("migrate").with_object(|new| set_at(new, pointer, value.clone()));
        let got = evaluator.evaluate(&review);
        assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Deny), "{pointer} {value}");
        assert!(got.fields.iter().all(|named| named.starts_with(field)) && !got.fields.is_empty(), "{:?}", got.fields);
        for by in
            ["kube-system/job-controller", "ci/deployer", "kueue-system/kueue", "argocd/argocd-application-controller"]
        {
            assert_eq!(evaluator.evaluate(&review.clone().by(by)).outcome, Outcome::Allow, "{pointer} by {by}");
        }
        let other = job("other").with_object(|new| set_at(new, pointer, value));
        assert_eq!(evaluator.evaluate(&other).outcome, Outcome::Allow, "Git does not declare it");
    }
    assert_eq!(evaluator.evaluate(&job("migrate")).outcome, Outcome::Allow, "nothing changes");
    for condition in ["Complete", "Failed"] {
        let finished = job("migrate").subresource("").into_delete();
        let finished = finished
            .with_old_object(|old| set_at(old, "/status/conditions", json!([{"type": condition, "status": "True"}])));
        assert_eq!(evaluator.evaluate(&finished).verdict, Verdict::Runtime, "{condition}");
    }
    assert_eq!(evaluator.evaluate(&job("migrate").subresource("").into_delete()).outcome, Outcome::Deny, "it runs");
}

/// An eviction of a Pod, as `kubectl drain` sends it.
fn eviction(name: &str) -> Review {
    review_of_yaml(
        "pods",
        &format!("{{apiVersion: policy/v1, kind: Eviction, metadata: {{name: {name}, namespace: prod}}}}"),
    )
    .with_request(|request| {
        for field in ["resource", "requestResource"] {
            request[field] = json!({"group": "", "version": "v1", "resource": "pods"});
        }
    })
    .subresource("eviction")
    .into_create()
}

#[test]
fn a_person_is_warned_who_evicts_a_pod_that_nobody_makes_again() {
    let evaluator = Evaluator::new(GIT, &[]);
    let got = evaluator.evaluate(&eviction("solo"));
    assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Warn));
    let [warning] = got.warnings()[..] else { panic!("{:?}", got.warnings()) };
    assert!(warning.contains("pod \"solo\" is declared in Git, and this eviction would delete it"), "{warning}");
    for (name, by) in [
        ("python-app-prod-5c56d97996-jm5lb", "alice"),
        ("free", "alice"),
        ("solo", "kube-system/descheduler"),
        ("solo", "kube-system/taint-eviction-controller"),
        ("solo", "karpenter/karpenter"),
    ] {
        assert_eq!(evaluator.evaluate(&eviction(name).by(by)).verdict, Verdict::Runtime, "{name} by {by}");
    }
}

#[test]
fn other_posts_to_a_pod_are_operations() {
    let evaluator = Evaluator::new(GIT, &[]);
    for (subresource, operation) in [
        ("binding", "CREATE"),
        ("exec", "CONNECT"),
        ("attach", "CONNECT"),
        ("portforward", "CONNECT"),
        ("proxy", "CONNECT"),
    ] {
        let review =
            eviction("solo").subresource(subresource).with_request(|request| request["operation"] = operation.into());
        assert_eq!(evaluator.evaluate(&review).verdict, Verdict::Runtime, "{subresource}");
    }
}
