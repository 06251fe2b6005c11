//! The metrics API (`metrics.k8s.io`) of the cluster, served by this process: pods use what a test says.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::https_server::HttpsServer;

/// The API, and the metrics of pods. Without any, no autoscaler scales.
pub(crate) struct MetricsApi {
    pods: Arc<Mutex<Vec<Value>>>,
    _server: HttpsServer,
}

impl MetricsApi {
    /// Serves the API, and registers it with the API server.
    pub(crate) fn start(control_plane: &ControlPlane) -> Self {
        let pods = Arc::new(Mutex::new(Vec::new()));
        let said = pods.clone();
        let server = HttpsServer::start(control_plane, move |request| answer(request, &said));
        register(control_plane, server.port);
        Self { pods, _server: server }
    }

    /// Sets what each of these pods uses from now on; other pods have no metrics.
    pub(crate) fn set_cpu_usage(&self, namespace: &str, pods: &[String], cpu: &str) {
        let pod = |name: &String| {
            json!({
                "metadata": {"name": name, "namespace": namespace},
                "timestamp": jiff::Timestamp::now().to_string(),
                "window": "30s",
                "containers": [{"name": "web", "usage": {"cpu": cpu, "memory": "1Mi"}}],
            })
        };
        *self.pods.lock().unwrap_or_else(PoisonError::into_inner) = pods.iter().map(pod).collect();
    }
}

fn register(control_plane: &ControlPlane, port: u16) {
    let ca = std::fs::read_to_string(control_plane.folder.path().join("ca.crt")).unwrap();
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "metrics", "namespace": "kube-system"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": crate::install::encoded(&ca),
                "service": {"name": "metrics", "namespace": "kube-system", "port": port},
            },
        },
    ]});
    std::fs::write(control_plane.folder.path().join("metrics.json"), objects.to_string()).unwrap();
    control_plane.admin("kubectl create -f metrics.json");
    control_plane.admin("kubectl wait apiservice/v1beta1.metrics.k8s.io --for=condition=Available --timeout=60s");
}

fn answer(request: &Request<Bytes>, pods: &Mutex<Vec<Value>>) -> (StatusCode, Value) {
    let group = "/apis/metrics.k8s.io/v1beta1";
    match request.uri().path().strip_prefix(group) {
        Some("") => (StatusCode::OK, resources()),
        Some(path) if path.ends_with("/pods") => {
            let items = pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let api_version = "metrics.k8s.io/v1beta1";
            let list = json!({"kind": "PodMetricsList", "apiVersion": api_version, "metadata": {}, "items": items});
            (StatusCode::OK, list)
        }
        _ => (StatusCode::NOT_FOUND, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})),
    }
}

fn resources() -> Value {
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "metrics.k8s.io/v1beta1",
        "resources": [{
            "name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"],
        }],
    })
}
