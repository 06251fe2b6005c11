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
    for (subresource, operation) in
        [("exec", "CONNECT"), ("attach", "CONNECT"), ("portforward", "CONNECT"), ("proxy", "CONNECT")]
    {
        let review =
            eviction("solo").subresource(subresource).with_request(|request| request["operation"] = operation.into());
        assert_eq!(evaluator.evaluate(&review).verdict, Verdict::Runtime, "{subresource}");
    }
}

/// A binding of a Pod to a node, as a scheduler sends it; `older` through the way in that the API still has.
fn binding(name: &str, metadata: &Value, older: bool) -> Review {
    let review = eviction(name).subresource(if older { "" } else { "binding" });
    review
        .with_request(|request| {
            for field in ["kind", "requestKind"] {
                request[field] = json!({"group": "", "version": "v1", "kind": "Binding"});
            }
            if older {
                request["resource"]["resource"] = "bindings".into();
                request["name"] = "".into();
            }
        })
        .with_object(|object| {
            *object = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": "prod"},
                "target": {"kind": "Node", "name": "n1"}});
            for (field, value) in metadata.as_object().into_iter().flatten() {
                object["metadata"][field] = value.clone();
            }
        })
}

#[test]
fn a_binding_brings_nothing_to_a_declared_pod_that_a_person_may_not_write() {
    let evaluator = Evaluator::new(GIT, &["flux"]);
    let opt_out = json!({"annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}});
    let tracking = json!({"labels": {"argocd.argoproj.io/instance": "other"}});
    let cloud = json!({"annotations": {"iam.amazonaws.com/role": "admin"}});
    let note = json!({"annotations": {"note": "x"}});
    for older in [false, true] {
        for (name, metadata, by, expected, fields) in [
            ("solo", &Value::Null, "alice", Outcome::Warn, &["spec.nodeName"][..]),
            ("solo", &note, "alice", Outcome::Warn, &["spec.nodeName"]),
            (
                "solo",
                &opt_out,
                "alice",
                Outcome::Deny,
                &["metadata.annotations[\"kustomize.toolkit.fluxcd.io/reconcile\"]", "spec.nodeName"],
            ),
            (
                "solo",
                &tracking,
                "alice",
                Outcome::Deny,
                &["metadata.labels[\"argocd.argoproj.io/instance\"]", "spec.nodeName"],
            ),
            (
                "solo",
                &cloud,
                "alice",
                Outcome::Deny,
                &["metadata.annotations[\"iam.amazonaws.com/role\"]", "spec.nodeName"],
            ),
            ("solo", &cloud, "batch/volcano", Outcome::Allow, &[]),
            (
                "solo",
                &opt_out,
                "batch/volcano",
                Outcome::Deny,
                &["metadata.annotations[\"kustomize.toolkit.fluxcd.io/reconcile\"]"],
            ),
            ("solo", &note, "batch/volcano", Outcome::Allow, &[]),
            ("solo", &opt_out, "system:kube-scheduler", Outcome::Allow, &[]),
            ("free", &opt_out, "alice", Outcome::Allow, &[]),
            ("python-app-prod-5c56d97996-jm5lb", &note, "alice", Outcome::Allow, &[]),
        ] {
            let got = evaluator.evaluate(&binding(name, metadata, older).by(by));
            assert_eq!(
                (got.outcome, &*got.fields),
                (expected, &fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>()[..]),
                "{name}: {metadata} by {by}"
            );
        }
    }
    let denied = evaluator.evaluate(&binding("solo", &opt_out, true));
    assert!(
        denied.message().starts_with("pod \"solo\" is declared in Git, and this write would drift"),
        "{}",
        denied.message()
    );
    // Where the Pod is bound says Git.
    let placed = GIT.replace("spec: {containers", "spec: {nodeName: n1, containers");
    assert_eq!(Evaluator::new(&placed, &[]).evaluate(&binding("solo", &Value::Null, false)).verdict, Verdict::Runtime);
}

#[test]
fn what_is_written_to_a_declared_pod_through_a_subresource_is_judged_as_by_itself() {
    let git = "{apiVersion: v1, kind: Pod, metadata: {name: solo, namespace: prod}, spec: {containers: [{name: a, image: a, resources: {requests: {cpu: 1}}}]}}";
    let evaluator = Evaluator::new(git, &[]);
    let pod = |subresource: &str, pointer: &str, value: Value| {
        let review = review_of_yaml("pods", git).subresource(subresource);
        review.with_object(|new| set_at(new, pointer, value))
    };
    let debug = json!([{"name": "debug", "image": "busybox", "targetContainerName": "a"}]);
    let cpu = "/spec/containers/0/resources/requests/cpu";
    let memory = "/spec/containers/0/resources/requests/memory";
    for (subresource, pointer, value, of_person, of_workload) in [
        ("resize", cpu, json!("2"), Outcome::Deny, Outcome::Deny),
        ("resize", cpu, json!("1000m"), Outcome::Allow, Outcome::Allow),
        // An autoscaler of resources works where Git leaves them out.
        ("resize", memory, json!("1Gi"), Outcome::Deny, Outcome::Allow),
        ("ephemeralcontainers", "/spec/ephemeralContainers", debug, Outcome::Deny, Outcome::Allow),
        ("status", "/status/phase", json!("Failed"), Outcome::Allow, Outcome::Allow),
    ] {
        for (by, expected) in [("alice", of_person), ("vpa/updater", of_workload), ("system:node:n1", Outcome::Allow)] {
            let got = evaluator.evaluate(&pod(subresource, pointer, value.clone()).by(by));
            assert_eq!(got.outcome, expected, "{subresource} {pointer} by {by}: {got:?}");
        }
    }
}
