//! What the reconciler asks of the API server; every object by its name, so that the
//! rights to them can be limited to these names.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cluster::FIELD_MANAGER;
use crate::cluster::api_error::{ApiError, none_if_not_found, with_timeout};

/// Nobody waits for these requests, and a failed one is retried.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The first minor version of Kubernetes 1 that has `matchConditions` enabled by default.
const MATCH_CONDITIONS_SINCE: u32 = 28;

/// The Lease's annotation that tells which installation wrote the webhook configuration.
pub(super) const REGISTERED_ANNOTATION: &str = "driftwall.io/registered";

/// The API of webhook configurations. Objects stay untyped, so that fields of newer API servers survive.
pub(super) fn webhook_config_api(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &ApiResource::erase::<ValidatingWebhookConfiguration>(&()))
}

/// The API server, as the reconciler needs it.
#[derive(Clone)]
pub(super) struct WebhookConfigClient {
    client: Client,
    configs: Api<DynamicObject>,
    cluster_roles: Api<ClusterRole>,
    deployments: Api<Deployment>,
    leases: Api<Lease>,
}

impl WebhookConfigClient {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self {
            configs: webhook_config_api(&client),
            cluster_roles: Api::all(client.clone()),
            deployments: Api::namespaced(client.clone(), namespace),
            leases: Api::namespaced(client.clone(), namespace),
            client,
        }
    }

    /// Whether the API server supports `matchConditions`.
    pub(super) async fn supports_match_conditions(&self) -> Result<bool, ApiError> {
        let version = with_timeout(REQUEST_TIMEOUT, self.client.apiserver_version()).await?;
        Ok(supports_match_conditions(&version.major, &version.minor))
    }

    /// The webhook configuration; `None` where it does not exist.
    pub(super) async fn config(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let answer = with_timeout(REQUEST_TIMEOUT, self.configs.get(name)).await;
        Ok(none_if_not_found(answer)?.map(to_json))
    }

    /// Applies the webhook configuration, whoever owns its fields.
    pub(super) async fn apply(&self, name: &str, config: &Value) -> Result<Value, ApiError> {
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(config);
        let applied = with_timeout(REQUEST_TIMEOUT, self.configs.patch(name, &parameters, &patch)).await?;
        Ok(to_json(applied))
    }

    /// Changes the webhook configuration by the operations of a JSON patch.
    pub(super) async fn json_patch(&self, name: &str, operations: Value) -> Result<Value, ApiError> {
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let operations = serde_json::from_value(operations).expect("driftwall's own patch is a JSON patch");
        let patch: Patch<()> = Patch::Json(operations);
        let patched = with_timeout(REQUEST_TIMEOUT, self.configs.patch(name, &parameters, &patch)).await?;
        Ok(to_json(patched))
    }

    /// The uid of the `ClusterRole` that owns the webhook configuration; `None` where it does
    /// not exist or must not be read.
    pub(super) async fn cluster_role_uid(&self, name: &str) -> Result<Option<String>, ApiError> {
        uid(&self.cluster_roles, name).await
    }

    /// The uid of driftwall's Deployment, which tells this installation from others of
    /// its name; `None` where it does not exist or must not be read.
    pub(super) async fn deployment_uid(&self, service: &str) -> Result<Option<String>, ApiError> {
        uid(&self.deployments, service).await
    }

    /// The installation that last wrote the webhook configuration, as the Lease says.
    pub(super) async fn registered_installation(&self, lease: &str) -> Result<Option<String>, ApiError> {
        let answer = with_timeout(REQUEST_TIMEOUT, self.leases.get(lease)).await;
        let lease = none_if_not_found(answer)?;
        Ok(lease.and_then(|lease| lease.annotations().get(REGISTERED_ANNOTATION).cloned()))
    }

    /// Notes in the Lease which installation wrote the webhook configuration. The leader election
    /// creates the Lease; it is created here where that has not happened yet.
    pub(super) async fn set_registered_installation(&self, lease: &str, installation: &str) -> Result<(), ApiError> {
        let annotations = json!({REGISTERED_ANNOTATION: installation});
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        // Not by server-side apply: it would remove what other parts of driftwall apply.
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let patched = with_timeout(REQUEST_TIMEOUT, self.leases.patch(lease, &parameters, &patch)).await;
        if none_if_not_found(patched)?.is_none() {
            let mut object = Lease::default();
            object.metadata.name = Some(lease.to_owned());
            object.annotations_mut().insert(REGISTERED_ANNOTATION.to_owned(), installation.to_owned());
            let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
            with_timeout(REQUEST_TIMEOUT, self.leases.create(&parameters, &object)).await?;
        }
        Ok(())
    }
}

/// An object's uid; `None` where it does not exist or must not be read.
async fn uid<K>(api: &Api<K>, name: &str) -> Result<Option<String>, ApiError>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    let answer = with_timeout(REQUEST_TIMEOUT, api.get_metadata(name)).await;
    match none_if_not_found(answer) {
        Ok(object) => Ok(object.and_then(|object| object.metadata.uid)),
        Err(ApiError::Refused { code: 403, message }) => {
            tracing::debug!(%message, "No right to read an object");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn to_json(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object that was read from JSON can be written as JSON")
}

fn supports_match_conditions(major: &str, minor: &str) -> bool {
    // Some providers write `28+`.
    let number = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().unwrap_or(0);
    number(major) > 1 || number(minor) >= MATCH_CONDITIONS_SINCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn match_conditions_are_supported_since_1_28() {
        for (major, minor, expected) in [
            ("1", "20", false),
            ("1", "27+", false),
            ("1", "28", true),
            ("1", "30+", true),
            ("2", "0", true),
            ("", "", false),
        ] {
            assert_eq!(supports_match_conditions(major, minor), expected, "{major}.{minor}");
        }
    }
}
