//! A fake API server: it keeps objects by their path, gets, lists, replaces, patches and
//! deletes them, refuses what was changed meanwhile, and counts who asks. It allows no
//! watches, so what watches must poll as well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::patch;
use crate::cluster::ClusterContext;

#[derive(Clone, Default)]
pub(in crate::cluster) struct ApiServer(Arc<Mutex<ServerState>>);

#[derive(Default)]
struct ServerState {
    objects: BTreeMap<String, Value>,
    /// The last `resourceVersion`.
    version: u64,
    is_away: bool,
    /// Paths that contain this get no answer.
    silenced: Option<&'static str>,
    refused: Option<Refusal>,
    /// Every path that was asked for; with a `#` before it where only metadata was.
    requests: Vec<String>,
}

#[derive(Clone)]
struct Refusal {
    /// `None` refuses every method.
    method: Option<Method>,
    /// Paths that contain this are refused.
    part: &'static str,
    code: StatusCode,
}

impl ApiServer {
    pub(in crate::cluster) fn client(&self) -> kube::Client {
        let server = self.clone();
        let router = Router::new().fallback(move |request: Request| server.clone().answer(request));
        kube::Client::new(router, "ops")
    }

    /// The context of a replica in the namespace `ops`.
    pub(in crate::cluster) fn context(&self, identity: &str) -> ClusterContext {
        let client = self.client();
        ClusterContext { lookup_client: client.clone(), client, namespace: "ops".into(), identity: identity.into() }
    }

    /// From now on every request fails, or none.
    pub(in crate::cluster) fn set_away(&self, is_away: bool) {
        self.state().is_away = is_away;
    }

    /// From now on paths that contain `part` get no answer.
    pub(in crate::cluster) fn silence(&self, part: &'static str) {
        self.state().silenced = Some(part);
    }

    /// From now on paths that contain `part` are refused; this ends an earlier refusal.
    pub(in crate::cluster) fn refuse(&self, method: Option<Method>, part: &'static str, code: StatusCode) {
        self.state().refused = Some(Refusal { method, part, code });
    }

    pub(in crate::cluster) fn object(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// Stores an object; it gets a `resourceVersion` and a uid where it has metadata without.
    pub(in crate::cluster) fn put(&self, path: &str, object: Value) {
        let mut state = self.state();
        if object["metadata"]["resourceVersion"].is_null() {
            state.store(path, object);
        } else {
            state.objects.insert(path.to_owned(), object);
        }
    }

    pub(in crate::cluster) fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    /// Changes an object, as somebody else would; creates it where it is missing.
    pub(in crate::cluster) fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.state();
        let mut object = state.objects.get(path).cloned().unwrap_or_else(|| json!({"metadata": {}}));
        edit(&mut object);
        state.store(path, object);
    }

    /// How often a path that contains `part` was asked for. A request for metadata alone
    /// has a `#` before its path.
    pub(in crate::cluster) fn count_requests(&self, part: &str) -> usize {
        self.state().requests.iter().filter(|path| path.contains(part)).count()
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.0.lock().unwrap()
    }

    async fn answer(self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let path = parts.uri.path();
        let is_silenced = {
            let mut state = self.state();
            let is_metadata = parts.headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().ends_with(b";v=v1"));
            state.requests.push(format!("{}{path}", if is_metadata { "#" } else { "" }));
            state.silenced.is_some_and(|part| path.contains(part))
        };
        if is_silenced {
            std::future::pending::<()>().await;
        }
        self.state().answer(&parts, &body)
    }
}

impl ServerState {
    fn answer(&mut self, parts: &Parts, body: &Bytes) -> Response {
        let (method, path) = (&parts.method, parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        if self.is_away {
            return failure(StatusCode::SERVICE_UNAVAILABLE, "away");
        }
        if let Some(Refusal { method: refused, part, code }) = &self.refused
            && refused.as_ref().is_none_or(|refused| refused == method)
            && path.contains(part)
        {
            return failure(*code, &format!("{path} is refused"));
        }
        if query.contains("watch=") {
            return failure(StatusCode::FORBIDDEN, "no watches here");
        }
        let sent: Value = serde_json::from_slice(body).unwrap_or_default();
        let stored = self.objects.get(path).cloned();
        if *method == Method::PATCH {
            let content_type = parts.headers[CONTENT_TYPE].to_str().unwrap();
            return self.patch(path, content_type, stored, sent);
        }
        match (method, stored) {
            (&Method::GET, Some(object)) => object.to_string().into_response(),
            (&Method::GET, None) if is_collection(path) => self.list(path, query),
            (&Method::PUT, Some(stored)) => {
                if is_outdated(&sent, &stored, "resourceVersion") {
                    return failure(StatusCode::CONFLICT, "changed meanwhile");
                }
                self.store(path, sent).to_string().into_response()
            }
            (&Method::DELETE, Some(_)) => {
                self.objects.remove(path);
                json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}).to_string().into_response()
            }
            _ => failure(StatusCode::NOT_FOUND, "not found"),
        }
    }

    fn patch(&mut self, path: &str, content_type: &str, stored: Option<Value>, sent: Value) -> Response {
        let patched = match (content_type, stored) {
            ("application/apply-patch+yaml", stored) => {
                let before = stored.unwrap_or_default();
                if is_outdated(&sent, &before, "resourceVersion") || is_outdated(&sent, &before, "uid") {
                    return failure(StatusCode::CONFLICT, "changed meanwhile");
                }
                let mut object = before;
                if object.is_null() {
                    object = json!({});
                }
                patch::apply(&mut object, sent);
                object
            }
            (_, None) => return failure(StatusCode::NOT_FOUND, "not found"),
            ("application/json-patch+json", Some(stored)) => match patch::json_patch(stored, &sent) {
                Some(object) => object,
                None => return failure(StatusCode::UNPROCESSABLE_ENTITY, "a test of the patch fails"),
            },
            (_, Some(mut stored)) => {
                patch::merge(&mut stored, sent);
                stored
            }
        };
        self.store(path, patched).to_string().into_response()
    }

    fn list(&self, path: &str, query: &str) -> Response {
        let labels = label_selector(query);
        let is_selected =
            |object: &Value| labels.iter().all(|(key, value)| object["metadata"]["labels"][key] == **value);
        let inside = format!("{path}/");
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|(path, object)| path.starts_with(&inside) && is_selected(object))
            .map(|(_, object)| object)
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}).to_string().into_response()
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        if object["metadata"].is_object() {
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
            if object["metadata"]["uid"].is_null() {
                object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
            }
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// Whether what was sent names another state of the object than the stored one.
fn is_outdated(sent: &Value, stored: &Value, field: &str) -> bool {
    let sent = &sent["metadata"][field];
    !sent.is_null() && *sent != stored["metadata"][field]
}

/// Whether a path ends with the plural of a kind, such as `…/namespaces/ops/leases`.
fn is_collection(path: &str) -> bool {
    let inside = path.split_once("/namespaces/").and_then(|(_, inside)| inside.split_once('/'));
    inside.is_some_and(|(_, rest)| !rest.contains('/'))
}

/// The labels that a list asks for.
fn label_selector(query: &str) -> Vec<(String, String)> {
    let selector = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector=")).unwrap_or_default();
    let selector = selector.replace("%2F", "/").replace("%3D", "=").replace("%2C", ",");
    let terms = selector.split(',').filter_map(|term| term.split_once('='));
    terms.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn failure(code: StatusCode, message: &str) -> Response {
    let reason = if code == StatusCode::NOT_FOUND { "NotFound" } else { "" };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    (code, status.to_string()).into_response()
}
