//! The API server of the test's own.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::cluster::ClusterContext;

pub(super) const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/driftwall";
pub(super) const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/wall/leases/driftwall";
pub(super) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/wall/deployments/driftwall";
pub(super) const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/driftwall";

/// Objects by path, and what is refused.
#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    objects: Vec<(String, Value)>,
    refused: Option<(Method, &'static str)>,
    version: u64,
}

impl ApiServer {
    pub(super) fn usual() -> Self {
        let server = Self::default();
        server.put("/version", &json!({"major": "1", "minor": "30"}));
        server.put(DEPLOYMENT, &json!({"metadata": {"uid": "one"}}));
        server.put(ROLE, &json!({"metadata": {"uid": "role"}}));
        server.put(LEASE, &json!({"metadata": {}}));
        server
    }

    pub(super) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, path: &str, object: &Value) {
        let mut state = self.state();
        state.version += 1;
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = state.version.to_string().into();
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = format!("of {}", state.version).into();
        }
        state.objects.retain(|(there, _)| there != path);
        state.objects.push((path.to_owned(), object));
    }

    pub(super) fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.iter().find(|(there, _)| there == path).map(|(_, object)| object.clone())
    }

    pub(super) fn remove(&self, path: &str) {
        self.state().objects.retain(|(there, _)| there != path);
    }

    pub(super) fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut object = self.get(path).unwrap();
        edit(&mut object);
        self.put(path, &object);
    }

    pub(super) fn refuse(&self, what: Option<(Method, &'static str)>) {
        self.state().refused = what;
    }

    pub(super) fn home(&self) -> ClusterContext {
        let server = self.clone();
        let router = Router::new().fallback(move |request: Request| server.clone().answer(request));
        let client = kube::Client::new(router, "wall");
        ClusterContext { lookup_client: client.clone(), client, namespace: "wall".into(), identity: "it".into() }
    }

    pub(super) async fn answer(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let status = |code: StatusCode| {
            let message = format!("{} {path} is refused", parts.method);
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code.as_u16()});
            (code, status.to_string()).into_response()
        };
        let is_refused = |(method, part): &(Method, &str)| *method == parts.method && path.contains(part);
        if self.state().refused.as_ref().is_some_and(is_refused) {
            return status(StatusCode::FORBIDDEN);
        }
        let there = self.get(&path);
        if path == CONFIGURATION {
            let is_other = |guard: &str| {
                let sent = &sent["metadata"][guard];
                !sent.is_null() && there.as_ref().is_none_or(|there| there["metadata"][guard] != *sent)
            };
            if is_other("uid") || is_other("resourceVersion") {
                return status(StatusCode::CONFLICT);
            }
        }
        let content = parts.headers.get("content-type").map(|content| content.to_str().unwrap().to_owned());
        match (content.as_deref(), there) {
            (Some("application/apply-patch+yaml"), there) => self.put(&path, &applied(there, sent)),
            (_, None) => return status(StatusCode::NOT_FOUND),
            (Some("application/json-patch+json"), Some(there)) => match patched(there, &sent) {
                Some(object) => self.put(&path, &object),
                None => return status(StatusCode::UNPROCESSABLE_ENTITY),
            },
            (Some("application/merge-patch+json"), Some(mut there)) => {
                there["metadata"]["annotations"] = sent["metadata"]["annotations"].clone();
                self.put(&path, &there);
            }
            (_, Some(_)) => {}
        }
        self.get(&path).unwrap().to_string().into_response()
    }
}

/// A server-side apply: webhooks of others stay.
pub(super) fn applied(there: Option<Value>, mut sent: Value) -> Value {
    let others = there.map(|there| there["webhooks"].clone()).unwrap_or_default();
    let sent_names = sent["webhooks"].as_array().unwrap().iter().map(|webhook| webhook["name"].clone());
    let sent_names = sent_names.collect::<Vec<_>>();
    let others = others.as_array().into_iter().flatten().filter(|other| !sent_names.contains(&other["name"]));
    sent["webhooks"].as_array_mut().unwrap().extend(others.cloned());
    sent
}

pub(super) fn patched(mut there: Value, operations: &Value) -> Option<Value> {
    for operation in operations.as_array().unwrap() {
        let path = operation["path"].as_str().unwrap();
        match operation["op"].as_str().unwrap() {
            "test" if there.pointer(path) != Some(&operation["value"]) => return None,
            "test" => {}
            _ => {
                let (parent, key) = path.rsplit_once('/').unwrap();
                there.pointer_mut(parent).unwrap()[key] = operation["value"].clone();
            }
        }
    }
    Some(there)
}
