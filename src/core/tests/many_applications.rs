//! What a thousand Applications with thirty thousand objects take, when asked for:
//! `cargo test --release -p driftwall-core --test many_applications -- --ignored --nocapture`

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::decode;
use driftwall_core::applications::{ApplicationKind, Applications, ObservedKind, ObservedTools};
use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, Verdict, evaluate};
use serde_json::{Value, json};

const APPLICATIONS: usize = 1000;
const OBJECTS: usize = 30;

/// An Application with the status that Argo CD gives it.
fn application(number: usize, status: &str) -> Value {
    let resource = |object: usize| {
        json!({
            "group": "apps", "version": "v1", "kind": "Deployment", "namespace": format!("team-{number}"),
            "name": format!("service-{object}"), "status": status, "health": {"status": "Healthy"},
        })
    };
    let source = json!({
        "repoURL": "https://github.com/acme/gitops.git", "path": format!("apps/{number}"), "targetRevision": "main",
    });
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": format!("app-{number}"), "namespace": "argocd", "managedFields": [{"manager": "argocd"}]},
        "spec": {
            "project": "default", "source": source,
            "destination": {"server": "https://kubernetes.default.svc", "namespace": format!("team-{number}")},
        },
        "status": {
            "reconciledAt": "2026-11-27T18:00:00Z",
            "sync": {"status": status, "revision": "ac2850849bd1f06d03580bd9cccb66259051b8f4"},
            "history": [{"revision": "ac2850849bd1f06d03580bd9cccb66259051b8f4", "source": source}],
            "operationState": {"syncResult": {"resources": (0..OBJECTS).map(resource).collect::<Vec<_>>()}},
            "resources": (0..OBJECTS).map(resource).collect::<Vec<_>>(),
        },
    })
}

/// Memory of this process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kilobytes: u32 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    f64::from(kilobytes) / 1024.0
}

fn mean(repeat: u32, mut work: impl FnMut()) -> Duration {
    let begun = Instant::now();
    for _ in 0..repeat {
        work();
    }
    begun.elapsed() / repeat
}

#[test]
#[ignore = "it prints figures"]
fn a_thousand_applications() {
    const KIND: ObservedKind = ObservedKind::Application(ApplicationKind::Application);
    let before = resident();
    let begun = Instant::now();
    let mut tools = ObservedTools::new("argocd", &[], false);
    let mut applications = Applications::default();
    for first in (0..APPLICATIONS).step_by(100) {
        let mut changes = Vec::new();
        for number in first..first + 100 {
            changes.extend(tools.observe(KIND, application(number, "Synced")));
        }
        applications = applications.after(changes);
    }
    println!(
        "{APPLICATIONS} applications, {} objects: {:?}, {:.1} MiB",
        APPLICATIONS * OBJECTS,
        begun.elapsed(),
        resident() - before
    );
    let mut number = 0;
    let status = mean(1000, || {
        number += 1;
        let changes = tools.observe(KIND, application(number % APPLICATIONS, "OutOfSync"));
        applications = applications.after(changes);
    });
    let parse = mean(1000, || drop(application(1, "OutOfSync")));
    println!("a new status: {status:?} (of it {parse:?} for making it)");

    let snapshot = Snapshot::default().with_applications(Arc::new(applications));
    let container = |n: usize| json!({"name": format!("c{n}"), "image": "web:1", "env": [{"name": "A", "value": "1"}]});
    let owned = |n: usize| {
        (
            format!("k:{{\"name\":\"c{n}\"}}"),
            json!({".": {}, "f:name": {}, "f:image": {}, "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}}),
        )
    };
    let old = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "service-7", "namespace": "team-500", "managedFields": [{
            "manager": "argocd-controller", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {
                "f:containers": (0..5).map(owned).collect::<serde_json::Map<_, _>>(),
            }}}},
        }]},
        "spec": {"replicas": 2, "template": {"spec": {"containers": (0..5).map(container).collect::<Vec<_>>()}}},
    });
    let mut new = old.clone();
    new["spec"]["replicas"] = 7.into();
    let review = |user: &str| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "namespace": "team-500", "name": "service-7", "operation": "UPDATE", "userInfo": {"username": user},
            "object": new, "oldObject": old,
        }})
        .to_string()
    };
    let (actors, policy) = (ActorRules::new(Vec::new(), &["argocd".to_owned()]).unwrap(), Policy::default());
    for (user, expected) in [("alice", Verdict::Drift), ("system:node:n1", Verdict::Unmanaged)] {
        let body = review(user);
        let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };
        let cost = mean(1000, || {
            let write = decode(body.as_bytes()).unwrap();
            let assessment = evaluate(&write, context);
            assert!(assessment.verdict == expected || user != "alice");
        });
        println!("a judged write by {user}: {cost:?}, {} bytes", body.len());
    }
}
