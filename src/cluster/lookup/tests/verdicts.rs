//! Verdicts that need a look-up in the cluster.

use serde_json::{Value, json};

use super::fixtures::{cluster, lookup};
use super::{ApiLookup, Arc, LONG, SHORT};
use driftwall_core::actor::ActorRules;
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::policy::{EvaluationContext, Policy, Verdict, evaluate};
use driftwall_core::{admission, manifest};

const GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec: {replicas: 3}
---
apiVersion: a.example/v1
kind: Widget
metadata: {name: w, namespace: prod}
spec: {size: 3}
";

/// The verdict, and the fields it is about.
async fn verdict(lookups: Arc<ApiLookup>, request: Value) -> (Verdict, Vec<String>) {
    let task = tokio::spawn(async move {
        let objects = manifest::parse("git.yaml", GIT.as_bytes()).objects;
        let file = FileContents::new(&Arc::from("git.yaml"), None, objects).unwrap();
        let contents = SourceContents::new(Source::default(), vec![Arc::new(file)]);
        let snapshot = Snapshot::new(vec![Arc::new(contents)]);
        let (actors, policy) = (ActorRules::new(Vec::new(), &[]).unwrap(), Policy::default());
        let body = serde_json::to_vec(&request).unwrap();
        let write = admission::decode(&body).unwrap();
        let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &*lookups };
        let assessment = evaluate(&write, context);
        (assessment.verdict, assessment.findings.iter().map(|finding| finding.path.to_string()).collect())
    });
    task.await.unwrap()
}

fn update(user: &str, resource: [&str; 3], name: &str, old: &Value, new: &Value) -> Value {
    let [group, plural, subresource] = resource;
    let groups = match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        Some((namespace, _)) => {
            vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
        }
        None => Vec::new(),
    };
    let kind = old["kind"].as_str().unwrap();
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "UPDATE", "name": name, "namespace": "prod", "subResource": subresource,
        "kind": {"group": if kind == "Scale" { "autoscaling" } else { group }, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": plural},
        "userInfo": {"username": user, "groups": groups}, "object": new, "oldObject": old,
    }})
}

fn scale(user: &str, plural: &str, name: &str) -> Value {
    let group = if plural == "replicasets" { "apps" } else { "a.example" };
    let scale = |replicas: u8| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": name, "namespace": "prod"}, "spec": {"replicas": replicas}});
    update(user, [group, plural, "scale"], name, &scale(3), &scale(7))
}

const OPERATOR: &str = "system:serviceaccount:ops:operator";

#[tokio::test(flavor = "multi_thread")]
async fn a_scale_is_judged_by_a_definition_that_only_the_cluster_has() {
    let server = cluster();
    let lookups = Arc::new(lookup(&server, LONG));
    let found = verdict(Arc::clone(&lookups), scale("alice", "widgetry", "w")).await;
    assert_eq!(found, (Verdict::Drift, vec!["spec.size".to_owned()]));
    assert_eq!(verdict(lookups, scale("alice", "makers", "m")).await.0, Verdict::Unmanaged);
    assert_eq!(server.count_requests("customresourcedefinitions"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_judged_by_the_deployment_that_owns_it() {
    let server = cluster();
    let lookups = Arc::new(lookup(&server, LONG));
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": true}]);
    let pod = |image: &str| {
        let metadata = json!({"name": "web-1-x", "namespace": "prod", "ownerReferences": owner});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "a", "image": image}]}})
    };
    let request = |user| update(user, ["", "pods", ""], "web-1-x", &pod("a"), &pod("b"));
    let (verdict_of_person, fields) = verdict(Arc::clone(&lookups), request("alice")).await;
    assert_eq!((verdict_of_person, fields.len()), (Verdict::Drift, 1));
    assert_eq!(verdict(Arc::clone(&lookups), scale("alice", "replicasets", "web-1")).await.0, Verdict::Drift);
    server.silence("apps");
    let blind = Arc::new(lookup(&server, SHORT));
    assert_eq!(verdict(blind, request("alice")).await.0, Verdict::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_that_need_no_look_up_ask_the_cluster_nothing() {
    let server = cluster();
    let lookups = Arc::new(lookup(&server, LONG));
    let thing = |size: u8| json!({"apiVersion": "b.example/v1", "kind": "Thing", "metadata": {"name": "t", "namespace": "prod"}, "spec": {"size": size}});
    for request in [
        update(OPERATOR, ["b.example", "things", ""], "t", &thing(1), &thing(2)),
        update(OPERATOR, ["b.example", "things", "scale"], "t", &thing(1), &thing(2)),
        update("alice", ["b.example", "things", ""], "t", &thing(1), &thing(2)),
        update("system:kube-controller-manager", ["a.example", "widgetry", ""], "w", &thing(1), &thing(2)),
    ] {
        let (found, _) = verdict(Arc::clone(&lookups), request).await;
        assert!(matches!(found, Verdict::Unmanaged | Verdict::Exempt), "{found}");
    }
    assert_eq!(server.count_requests(""), 0);
}
