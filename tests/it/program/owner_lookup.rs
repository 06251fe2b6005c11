//! Owners that are looked up in the cluster by the running program.

use std::net::SocketAddr;
use std::path::Path;

use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

use crate::common::git::commit_folder;
use crate::harness::reviews::recorded_review;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess};

/// An API server that says of every ReplicaSet that this Deployment owns it.
async fn api_server(deployment: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move |uri: Uri| async move {
        let version = json!({"groupVersion": "apps/v1", "version": "v1"});
        let resource = |name: &str, kind: &str| json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": ["get"]});
        let body = match uri.path() {
            "/apis/apps" => {
                json!({"kind": "APIGroup", "name": "apps", "versions": [version], "preferredVersion": version})
            }
            "/apis/apps/v1" => json!({
                "kind": "APIResourceList", "groupVersion": "apps/v1",
                "resources": [resource("deployments", "Deployment"), resource("replicasets", "ReplicaSet")],
            }),
            path if path.starts_with("/apis/apps/v1/namespaces/prod/replicasets/") => json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {"ownerReferences": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": "1", "controller": true,
                }]},
            }),
            _ => {
                let status = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"});
                return (StatusCode::NOT_FOUND, status.to_string());
            }
        };
        (StatusCode::OK, body.to_string())
    };
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Serves with a cluster at the address.
async fn serve(api_server: SocketAddr, config: &str) -> ServeProcess {
    let folder = tempfile::tempdir().unwrap();
    commit_folder(&folder.path().join("repo"), Path::new("tests/data/reviews/git"));
    let here = json!([{"name": "here", "cluster": {"server": format!("http://{api_server}")}}]);
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "clusters": here,
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {}}],
    });
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
    ServeProcess::start(folder, &format!("{config}\n{PROD_SOURCE}"), &[]).until_ready().await
}

async fn verdict(server: &ServeProcess, review: &Value) -> Value {
    server.review(review).await["auditAnnotations"]["verdict"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_of_a_pod_is_looked_up_in_the_cluster() {
    let review = recorded_review("image-pod", "alice");
    let api = api_server("python-app-prod").await;
    let server = serve(api, "mode: enforce").await;
    assert_eq!(server.review(&review).await["allowed"], false);
    let elsewhere = serve(api_server("undeclared").await, "mode: enforce").await;
    assert_ne!(verdict(&elsewhere, &review).await, "drift");
    let off = serve(api, "mode: enforce\ncluster: off").await;
    assert_ne!(verdict(&off, &review).await, "drift");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_cluster_allows_writes_with_a_warning() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = serve(unused, "mode: enforce").await;
    let response = server.review(&recorded_review("image-pod", "alice")).await;
    assert_eq!(response["allowed"], true);
    let warnings = response["warnings"].to_string();
    assert!(warnings.contains("look up"), "{warnings}");
    assert_eq!(response["auditAnnotations"]["verdict"], "error");
}
