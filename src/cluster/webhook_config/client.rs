//! What the registrar asks of the API server, by name and no wider.

use std::time::Duration;

use axum::http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use crate::cluster::api_error::{ApiError, found};

/// driftwall's name among those who write fields.
const MANAGER: &str = "fieldManager=driftwall";

/// Nobody waits for these calls, and the next try comes by itself.
const LONGEST: Duration = Duration::from_secs(10);

/// The first minor version of Kubernetes 1 that knows `matchConditions` unasked.
const CONDITIONS_SINCE: u32 = 28;

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// The API server, as the registrar needs it.
#[derive(Clone)]
pub(super) struct WebhookConfigClient {
    client: Client,
    namespace: String,
}

impl WebhookConfigClient {
    pub(super) fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace }
    }

    /// Whether the API server knows `matchConditions`.
    pub(super) async fn knows_conditions(&self) -> Result<bool, ApiError> {
        let version = self.call(Method::GET, "/version", "", &Value::Null).await?;
        Ok(knows_conditions(&version))
    }

    /// The configuration; `None` where it is not there.
    pub(super) async fn configuration(&self, name: &str) -> Result<Option<Value>, ApiError> {
        self.get(&format!("{CONFIGURATIONS}/{name}")).await
    }

    /// Applies the configuration, whoever holds its fields.
    pub(super) async fn apply(&self, name: &str, configuration: &Value) -> Result<Value, ApiError> {
        let path = format!("{CONFIGURATIONS}/{name}?{MANAGER}&force=true");
        // JSON is YAML too.
        self.call(Method::PATCH, &path, "application/apply-patch+yaml", configuration).await
    }

    /// Changes the configuration by the operations of a JSON patch.
    pub(super) async fn patch(&self, name: &str, operations: &Value) -> Result<Value, ApiError> {
        let path = format!("{CONFIGURATIONS}/{name}?{MANAGER}");
        self.call(Method::PATCH, &path, "application/json-patch+json", operations).await
    }

    /// The uid of the `ClusterRole` with which the configuration goes; `None` where
    /// it is not there or not to be read.
    pub(super) async fn role(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.uid(&format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}")).await
    }

    /// The uid of driftwall's Deployment, which tells this installation from others
    /// of its name; `None` where it is not there or not to be read.
    pub(super) async fn deployment(&self, service: &str) -> Result<Option<String>, ApiError> {
        self.uid(&format!("/apis/apps/v1/namespaces/{}/deployments/{service}", self.namespace)).await
    }

    /// The installation that the Lease remembers to have registered.
    pub(super) async fn remembered(&self, lease: &str) -> Result<Option<String>, ApiError> {
        let lease = self.get(&self.lease(lease)).await?;
        Ok(lease.and_then(|lease| lease["metadata"]["annotations"][REGISTERED].as_str().map(str::to_owned)))
    }

    /// Has the Lease remember an installation. Another part of driftwall makes the
    /// Lease; here it is made where that has not happened yet.
    pub(super) async fn remember(&self, lease: &str, installation: &str) -> Result<(), ApiError> {
        let metadata = json!({"annotations": {REGISTERED: installation}});
        let path = format!("{}?{MANAGER}", self.lease(lease));
        // Not by server-side apply, which would take away what the others of driftwall apply.
        let patched =
            self.call(Method::PATCH, &path, "application/merge-patch+json", &json!({"metadata": metadata})).await;
        match patched {
            Err(ApiError::Refused { code: 404, .. }) => {
                let metadata = json!({"name": lease, "annotations": {REGISTERED: installation}});
                let object = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata});
                let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases?{MANAGER}", self.namespace);
                self.call(Method::POST, &path, "application/json", &object).await.map(drop)
            }
            patched => patched.map(drop),
        }
    }

    fn lease(&self, name: &str) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{name}", self.namespace)
    }

    /// An object's uid; `None` where it is not there or not to be read.
    async fn uid(&self, path: &str) -> Result<Option<String>, ApiError> {
        match self.get(path).await {
            Ok(object) => Ok(object.and_then(|object| object["metadata"]["uid"].as_str().map(str::to_owned))),
            Err(ApiError::Refused { code: 403, message }) => {
                tracing::debug!(%message, "Not to be read");
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, ApiError> {
        let request = request(Method::GET, path, "", &Value::Null)?;
        let answer = tokio::time::timeout(LONGEST, self.client.request(request)).await;
        answer.map_or(Err(ApiError::Slow), found)
    }

    async fn call(&self, method: Method, path: &str, content: &str, body: &Value) -> Result<Value, ApiError> {
        let request = request(method, path, content, body)?;
        let answer = tokio::time::timeout(LONGEST, self.client.request(request)).await;
        answer.map_or(Err(ApiError::Slow), |answer| answer.map_err(ApiError::from))
    }
}

/// The Lease's annotation that remembers which installation has registered.
pub(super) const REGISTERED: &str = "driftwall.io/registered";

fn request(method: Method, path: &str, content: &str, body: &Value) -> Result<Request<Vec<u8>>, ApiError> {
    let mut request = Request::builder().method(method).uri(path).header("accept", "application/json");
    if !content.is_empty() {
        request = request.header("content-type", content);
    }
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    request.body(body).map_err(|error| ApiError::Unreachable(error.to_string()))
}

fn knows_conditions(version: &Value) -> bool {
    let number = |field: &str| {
        // Some providers write `28+`.
        let digits = version[field].as_str().unwrap_or_default().trim_end_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<u32>().unwrap_or(0)
    };
    number("major") > 1 || number("minor") >= CONDITIONS_SINCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_for_servers_that_know_them() {
        for (major, minor, knows) in [
            ("1", "20", false),
            ("1", "27+", false),
            ("1", "28", true),
            ("1", "30+", true),
            ("2", "0", true),
            ("", "", false),
        ] {
            assert_eq!(knows_conditions(&json!({"major": major, "minor": minor})), knows, "{major}.{minor}");
        }
    }
}
