//! The `caBundle` that API servers trust, as it is in the webhook configuration.
//!
//! Beside the controller's watch of the same object, this polls: it also runs where
//! driftwall does not manage the webhook configuration, and a certificate must not be signed
//! by a new CA before the registered ones are known.

use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::api_error::{none_if_not_found, with_timeout};
use crate::cluster::context::ClusterContext;
use crate::telemetry::LogChanges;

const POLL_INTERVAL: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What API servers trust, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegisteredCa {
    /// The `caBundle` of the webhook configuration, PEM; empty where it names no CA.
    Bundle(String),
    /// There is no webhook configuration.
    NoWebhookConfig,
    /// The webhook configuration has not been read yet, which is not the same as none.
    #[default]
    Unknown,
}

/// Polls the `caBundle` of the webhook configuration `name`; never returns. While the
/// configuration cannot be read, the last value stays.
pub async fn poll_registered_ca(
    context: &ClusterContext,
    name: &str,
    registered: &watch::Sender<RegisteredCa>,
) -> Infallible {
    let api = Api::<ValidatingWebhookConfiguration>::all(context.client.clone());
    let mut problem = LogChanges::default();
    loop {
        match none_if_not_found(with_timeout(REQUEST_TIMEOUT, api.get(name)).await) {
            Ok(config) => {
                let current = match config {
                    Some(config) => RegisteredCa::Bundle(ca_bundle(config)),
                    None => RegisteredCa::NoWebhookConfig,
                };
                registered.send_if_modified(|last| std::mem::replace(last, current.clone()) != current);
                problem.recovered();
            }
            Err(error) if problem.is_new(&error.to_string()) => {
                tracing::warn!(webhook_config = %name, %error, "Failed to read the registered CAs");
            }
            Err(_) => {}
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// The first CA bundle: all webhooks of driftwall's configuration are one server.
fn ca_bundle(config: ValidatingWebhookConfiguration) -> String {
    let mut webhooks = config.webhooks.into_iter().flatten();
    let bundle = webhooks.find_map(|webhook| webhook.client_config.ca_bundle);
    bundle.map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned()).unwrap_or_default()
}
