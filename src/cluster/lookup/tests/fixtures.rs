//! A cluster at the fake API server: some kinds, owner chains and a custom resource.

use serde_json::json;
use tokio::runtime::Handle;

use super::{ApiLookup, Duration};
use crate::cluster::testing::api_server::ApiServer;

/// Pods of Deployments and `CronJobs`, and the custom resources Widget and Maker.
pub(super) fn cluster() -> ApiServer {
    let server = ApiServer::default();
    put_group(&server, "", &[("Pod", "pods", true), ("Namespace", "namespaces", false)]);
    put_group(&server, "apps", &[("Deployment", "deployments", true), ("ReplicaSet", "replicasets", true)]);
    put_group(&server, "batch", &[("CronJob", "cronjobs", true), ("Job", "jobs", true)]);
    put_group(&server, "a.example", &[("Widget", "widgetry", true), ("Maker", "makers", false)]);
    for (path, owner) in [
        ("/api/v1/namespaces/prod/pods/web-1-x", Some(("apps/v1", "ReplicaSet", "web-1"))),
        ("/apis/apps/v1/namespaces/prod/replicasets/web-1", Some(("apps/v1", "Deployment", "web"))),
        ("/apis/apps/v1/namespaces/prod/deployments/web", None),
        ("/api/v1/namespaces/prod/pods/report-1-x", Some(("batch/v1", "Job", "report-1"))),
        ("/apis/batch/v1/namespaces/prod/jobs/report-1", Some(("batch/v1", "CronJob", "report"))),
        ("/apis/a.example/v1/namespaces/prod/widgetry/w", Some(("a.example/v1", "Maker", "m"))),
        ("/apis/a.example/v1/makers/m", None),
    ] {
        put_object(&server, path, owner);
    }
    put_widget_crd(&server, "1", ".spec.size");
    server
}

/// Look-ups at the server that wait for an answer no longer than this. Must be called on a runtime.
pub(super) fn lookup(server: &ApiServer, wait_timeout: Duration) -> ApiLookup {
    ApiLookup::with_timeout(server.client(), Handle::current(), wait_timeout)
}

/// A group in version `v1`; each kind with its plural and whether it is namespaced.
fn put_group(server: &ApiServer, group: &str, kinds: &[(&str, &str, bool)]) {
    let group_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let mut resources = Vec::new();
    for (kind, plural, namespaced) in kinds {
        for (name, kind) in [((*plural).to_owned(), *kind), (format!("{plural}/scale"), "Scale")] {
            resources.push(json!({
                "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get"],
            }));
        }
    }
    let list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": resources});
    if group.is_empty() {
        return server.put("/api/v1", list);
    }
    let version = json!({"groupVersion": group_version, "version": "v1"});
    server.put(
        &format!("/apis/{group}"),
        json!({"kind": "APIGroup", "name": group, "versions": [version], "preferredVersion": version}),
    );
    server.put(&format!("/apis/{group}/v1"), list);
}

/// An object with an owner that does not control it, and perhaps one that does.
fn put_object(server: &ApiServer, path: &str, controller: Option<(&str, &str, &str)>) {
    let owners = controller.map(|(api_version, kind, name)| {
        json!([
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "0"},
            {"apiVersion": api_version, "kind": kind, "name": name, "uid": "1", "controller": true},
        ])
    });
    let metadata = json!({"name": "it", "ownerReferences": owners});
    server.put(path, json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}));
}

/// The CustomResourceDefinition of Widgets.
pub(super) fn put_widget_crd(server: &ApiServer, resource_version: &str, replicas_path: &str) {
    let version = json!({
        "name": "v1", "served": true, "storage": true,
        "schema": {"openAPIV3Schema": {"type": "object"}},
        "subresources": {"scale": {"specReplicasPath": replicas_path, "statusReplicasPath": ".status.size"}},
    });
    let names = json!({"kind": "Widget", "plural": "widgetry"});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgetry.a.example", "resourceVersion": resource_version},
        "spec": {"group": "a.example", "names": names, "scope": "Namespaced", "versions": [version]},
    });
    server.put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgetry.a.example", crd);
}
