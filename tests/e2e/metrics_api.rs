//! The metrics API (`metrics.k8s.io`) of the cluster, served by this process: pods use what a test says.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::common::tls::server_config;
use crate::control_plane::ControlPlane;

/// The API, and the metrics of pods. Without any, no autoscaler scales.
pub(crate) struct MetricsApi {
    pods: Arc<Mutex<Vec<Value>>>,
    _runtime: Runtime,
}

impl MetricsApi {
    /// Serves the API, and registers it with the API server.
    pub(crate) fn start(control_plane: &ControlPlane) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = control_plane.folder.path();
        let [chain, key] = ["server.crt", "server.key"].map(|name| std::fs::read(folder.join(name)).unwrap());
        let tls = TlsAcceptor::from(server_config(&chain, &key));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let pods = Arc::new(Mutex::new(Vec::new()));
        let said = pods.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, said) = (tls.clone(), said.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service =
                        service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, &said))));
                    let server = hyper::server::conn::http1::Builder::new();
                    // The API server may close the connection at any time.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        register(control_plane, port);
        Self { pods, _runtime: runtime }
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

fn answer(request: &Request<Incoming>, pods: &Mutex<Vec<Value>>) -> Response<Full<Bytes>> {
    let group = "/apis/metrics.k8s.io/v1beta1";
    let (status, body) = match request.uri().path().strip_prefix(group) {
        Some("") => (StatusCode::OK, resources()),
        Some(path) if path.ends_with("/pods") => {
            let items = pods.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let api_version = "metrics.k8s.io/v1beta1";
            let list = json!({"kind": "PodMetricsList", "apiVersion": api_version, "metadata": {}, "items": items});
            (StatusCode::OK, list)
        }
        _ => (StatusCode::NOT_FOUND, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})),
    };
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
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
