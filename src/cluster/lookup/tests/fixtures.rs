//! An API server that knows some paths, and counts who asks.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::ACCEPT;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{ApiLookup, Duration};

#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: Vec<(String, Value)>,
    asked: Vec<String>,
    /// Paths with this in them get no answer.
    silent: Option<&'static str>,
    /// Paths with this in them are refused with the status.
    refused: Option<(&'static str, StatusCode)>,
}

impl ApiServer {
    /// The usual kinds and owners, and custom ones.
    pub(super) fn usual() -> Self {
        let server = Self::default();
        server.group("", &[("Pod", "pods", true), ("Namespace", "namespaces", false)]);
        server.group("apps", &[("Deployment", "deployments", true), ("ReplicaSet", "replicasets", true)]);
        server.group("batch", &[("CronJob", "cronjobs", true), ("Job", "jobs", true)]);
        server.group("a.example", &[("Widget", "widgetry", true), ("Maker", "makers", false)]);
        server.owned("/api/v1/namespaces/prod/pods/web-1-x", Some(("apps/v1", "ReplicaSet", "web-1")));
        server.owned("/apis/apps/v1/namespaces/prod/replicasets/web-1", Some(("apps/v1", "Deployment", "web")));
        server.owned("/apis/apps/v1/namespaces/prod/deployments/web", None);
        server.owned("/api/v1/namespaces/prod/pods/report-1-x", Some(("batch/v1", "Job", "report-1")));
        server.owned("/apis/batch/v1/namespaces/prod/jobs/report-1", Some(("batch/v1", "CronJob", "report")));
        server.owned("/apis/a.example/v1/namespaces/prod/widgetry/w", Some(("a.example/v1", "Maker", "m")));
        server.owned("/apis/a.example/v1/makers/m", None);
        server.defined("1", ".spec.size");
        server
    }

    /// A look-up in it takes no longer than `longest`; called on a runtime.
    pub(super) fn live(&self, longest: Duration) -> ApiLookup {
        let server = self.clone();
        let router = Router::new().fallback(move |request: Request| server.clone().answer(request));
        ApiLookup::within(kube::Client::new(router, "default"), Handle::current(), longest)
    }

    pub(super) fn group(&self, group: &str, kinds: &[(&str, &str, bool)]) {
        let version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
        let resources = kinds.iter().flat_map(|(kind, plural, namespaced)| {
            let resource = |name: String, kind: &str| {
                json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get"]})
            };
            [resource((*plural).to_owned(), kind), resource(format!("{plural}/scale"), "Scale")]
        });
        let resources = resources.collect::<Vec<_>>();
        let list = json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
        if group.is_empty() {
            return self.put("/api/v1", list);
        }
        let served = json!({"groupVersion": version, "version": "v1"});
        let about = json!({"kind": "APIGroup", "name": group, "versions": [served], "preferredVersion": served});
        self.put(&format!("/apis/{group}"), about);
        self.put(&format!("/apis/{group}/v1"), list);
    }

    pub(super) fn owned(&self, path: &str, by: Option<(&str, &str, &str)>) {
        let owners = by.map(|(version, kind, name)| {
            let mere = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "mere", "uid": "0"});
            let owner = json!({"apiVersion": version, "kind": kind, "name": name, "uid": "1", "controller": true});
            json!([mere, owner])
        });
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "it", "ownerReferences": owners}});
        self.put(path, object);
    }

    /// The CustomResourceDefinition of Widgets.
    pub(super) fn defined(&self, resource_version: &str, replicas: &str) {
        let version = json!({
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object"}},
            "subresources": {"scale": {"specReplicasPath": replicas, "statusReplicasPath": ".status.size"}},
        });
        let names = json!({"kind": "Widget", "plural": "widgetry"});
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgetry.a.example", "resourceVersion": resource_version},
            "spec": {"group": "a.example", "names": names, "scope": "Namespaced", "versions": [version]},
        });
        self.put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgetry.a.example", object);
    }

    pub(super) fn put(&self, path: &str, object: Value) {
        let mut state = self.0.lock().unwrap();
        state.objects.retain(|(there, _)| there != path);
        state.objects.push((path.to_owned(), object));
    }

    pub(super) fn silence(&self, part: Option<&'static str>) {
        self.0.lock().unwrap().silent = part;
    }

    pub(super) fn refuse(&self, part: &'static str, status: StatusCode) {
        self.0.lock().unwrap().refused = Some((part, status));
    }

    /// How often a path with this in it was asked for, the metadata alone counted by a `#` before it.
    pub(super) fn asked(&self, part: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|path| path.contains(part)).count()
    }

    async fn answer(self, request: Request) -> Response {
        let (path, headers) = (request.uri().path().to_owned(), request.headers());
        let just_metadata = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().ends_with(b";v=v1"));
        let (found, silent, refused) = {
            let mut state = self.0.lock().unwrap();
            state.asked.push(format!("{}{path}", if just_metadata { "#" } else { "" }));
            let found = state.objects.iter().find(|(there, _)| *there == path).map(|(_, object)| object.clone());
            let silent = state.silent.is_some_and(|part| path.contains(part));
            (found, silent, state.refused.filter(|(part, _)| path.contains(part)))
        };
        if silent {
            std::future::pending::<()>().await;
        }
        let status = |code: StatusCode, reason: &str| {
            let message = format!("{path} is {reason}");
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code.as_u16()});
            (code, body.to_string()).into_response()
        };
        match (refused, found) {
            (Some((_, code)), _) => status(code, "refused"),
            (None, Some(object)) => object.to_string().into_response(),
            (None, None) => status(StatusCode::NOT_FOUND, "NotFound"),
        }
    }
}
