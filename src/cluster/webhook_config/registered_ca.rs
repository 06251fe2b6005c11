//! The `caBundle` that API servers trust, as it stands in the webhook configuration.

use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cluster::context::ClusterContext;
use crate::cluster::reason;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// The API server's answer to one.
const ANSWER: Duration = Duration::from_secs(5);

/// What API servers trust, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RegisteredCa {
    /// It was not looked at yet, which is not the same as nothing.
    #[default]
    Unknown,
    /// There is no such configuration.
    NoWebhookConfig,
    /// The `caBundle` of the configuration, as PEM; empty where it names no CA.
    Bundle(String),
}

/// Looks at the `caBundle` of the configuration `name`, for ever. What cannot be
/// looked at stays what it was.
pub async fn poll_registered_ca(
    home: &ClusterContext,
    name: &str,
    trusted: &watch::Sender<RegisteredCa>,
) -> Infallible {
    let api = Api::<ValidatingWebhookConfiguration>::all(home.client.clone());
    let mut told = String::new();
    loop {
        let error = match timeout(ANSWER, api.get_opt(name)).await {
            Ok(Ok(found)) => {
                let now = found.map_or(RegisteredCa::NoWebhookConfig, |found| RegisteredCa::Bundle(bundle(found)));
                trusted.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
                String::new()
            }
            Ok(Err(error)) => reason(&error),
            Err(_) => "the API server does not answer in time".to_owned(),
        };
        if told != error && !error.is_empty() {
            tracing::warn!(configuration = %name, %error, "Registered CAs could not be looked at");
        }
        told = error;
        sleep(LOOK).await;
    }
}

/// All webhooks of a configuration of driftwall's are one server.
fn bundle(configuration: ValidatingWebhookConfiguration) -> String {
    let mut webhooks = configuration.webhooks.into_iter().flatten();
    let bundle = webhooks.find_map(|webhook| webhook.client_config.ca_bundle);
    bundle.map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned()).unwrap_or_default()
}
