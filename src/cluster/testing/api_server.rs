//! An API server for tests that keeps objects: it makes, replaces, lists and
//! deletes them, and refuses what was written over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::cluster::ClusterContext;

#[derive(Clone, Default)]
pub(in crate::cluster) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    is_away: bool,
}

impl ApiServer {
    pub(in crate::cluster) fn home(&self, identity: &str) -> ClusterContext {
        let server = self.clone();
        let router = Router::new().fallback(move |request: Request| server.clone().answer(request));
        let client = kube::Client::new(router, "ops");
        ClusterContext { lookup_client: client.clone(), client, namespace: "ops".into(), identity: identity.into() }
    }

    pub(in crate::cluster) fn go_away(&self, is_away: bool) {
        self.0.lock().unwrap().is_away = is_away;
    }

    pub(in crate::cluster) fn object(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    pub(in crate::cluster) fn remove(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }

    /// As somebody does it who looks at nothing before.
    pub(in crate::cluster) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.0.lock().unwrap();
        let mut object = state.objects.get(path).cloned().unwrap_or_else(|| json!({"metadata": {}}));
        change(&mut object);
        state.put(path, object);
    }

    async fn answer(self, request: Request) -> Response {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch="));
        let selector = selector(request.uri().query().unwrap_or_default());
        let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
        let mut state = self.0.lock().unwrap();
        if state.is_away {
            return status(StatusCode::SERVICE_UNAVAILABLE, "away");
        }
        // Who watches has to look without it as well.
        if is_watch {
            return status(StatusCode::FORBIDDEN, "no watches here");
        }
        let sent = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let there = state.objects.get(&path).cloned();
        let is_list = !path.rsplit('/').next().is_some_and(|name| name.starts_with("wall"));
        match (method, there) {
            (Method::GET, _) if is_list => {
                let items = state.objects.iter().filter(|(at, _)| at.starts_with(&path));
                let has =
                    |object: &Value| selector.iter().all(|(key, value)| object["metadata"]["labels"][key] == **value);
                let items: Vec<_> = items.map(|(_, object)| object.clone()).filter(has).collect();
                json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}).to_string().into_response()
            }
            (Method::GET, Some(object)) => object.to_string().into_response(),
            (Method::PUT, Some(there)) => {
                if sent["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"] {
                    return status(StatusCode::CONFLICT, "written over");
                }
                state.put(&path, sent).to_string().into_response()
            }
            (Method::PATCH, there) => {
                let mut object = there.unwrap_or_else(|| json!({}));
                merge(&mut object, sent);
                state.put(&path, object).to_string().into_response()
            }
            (Method::DELETE, Some(_)) => {
                state.objects.remove(&path);
                json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}).to_string().into_response()
            }
            _ => status(StatusCode::NOT_FOUND, "not found"),
        }
    }
}

impl State {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        object["metadata"]["uid"] = json!("1");
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// The labels that a list asks for.
fn selector(query: &str) -> Vec<(String, String)> {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector=")).unwrap_or_default();
    let asked = asked.replace("%2F", "/").replace("%3D", "=").replace("%2C", ",");
    asked.split(',').filter_map(|term| term.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect()
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn status(code: StatusCode, message: &str) -> Response {
    let reason = if code == StatusCode::NOT_FOUND { "NotFound" } else { "" };
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason, "code": code.as_u16()});
    (code, body.to_string()).into_response()
}
