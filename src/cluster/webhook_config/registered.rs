//! The `caBundle` that API servers trust and the paths that they use, as they are in the webhook
//! configuration.
//!
//! Beside the controller's watch of the same object, this polls: it also runs where
//! driftwall does not manage the webhook configuration, and a certificate must not be signed
//! by a new CA before the registered ones are known.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhookConfiguration, WebhookClientConfig};
use kube::Api;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::cluster::api_error::{none_if_not_found, with_timeout};
use crate::cluster::context::ClusterContext;
use crate::telemetry::LogChanges;
use driftwall_core::webhook_config::{ReviewPath, path_of_url};

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

/// The paths that API servers use, as far as they are known. `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum RegisteredPaths {
    /// There is no webhook configuration.
    NoWebhookConfig,
    /// The paths of its webhooks.
    Paths(BTreeSet<String>),
    /// The webhook configuration has not been read yet.
    #[default]
    Unknown,
}

impl RegisteredPaths {
    /// Whether no API server uses another path than the one that everybody knows.
    pub fn are_well_known_at_most(&self) -> bool {
        match self {
            Self::NoWebhookConfig => true,
            Self::Paths(paths) => paths.iter().all(|path| path == ReviewPath::well_known().as_str()),
            Self::Unknown => false,
        }
    }
}

impl std::fmt::Debug for RegisteredPaths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegisteredPaths")
    }
}

/// What is registered with the API server.
#[derive(Debug, Default)]
pub struct RegisteredWebhooks {
    /// The `caBundle`.
    pub ca: watch::Sender<RegisteredCa>,
    /// The paths.
    pub paths: watch::Sender<RegisteredPaths>,
}

/// Polls the webhook configuration `name`; never returns. While it cannot be read, the last
/// values stay.
pub async fn poll_registered(context: &ClusterContext, name: &str, registered: &RegisteredWebhooks) -> Infallible {
    let api = Api::<ValidatingWebhookConfiguration>::all(context.client.clone());
    let mut problem = LogChanges::default();
    loop {
        match none_if_not_found(with_timeout(REQUEST_TIMEOUT, api.get(name)).await) {
            Ok(config) => {
                let (ca, paths) = match config {
                    Some(config) => (RegisteredCa::Bundle(ca_bundle(&config)), RegisteredPaths::Paths(paths(&config))),
                    None => (RegisteredCa::NoWebhookConfig, RegisteredPaths::NoWebhookConfig),
                };
                registered.ca.send_if_modified(|last| std::mem::replace(last, ca.clone()) != ca);
                registered.paths.send_if_modified(|last| std::mem::replace(last, paths.clone()) != paths);
                problem.recovered();
            }
            Err(error) if problem.is_new(&error.to_string()) => {
                tracing::warn!(webhook_config = %name, %error, "Failed to read what is registered");
            }
            Err(_) => {}
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// The first CA bundle: all webhooks of driftwall's configuration are one server.
fn ca_bundle(config: &ValidatingWebhookConfiguration) -> String {
    let mut webhooks = config.webhooks.iter().flatten();
    let bundle = webhooks.find_map(|webhook| webhook.client_config.ca_bundle.as_ref());
    bundle.map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned()).unwrap_or_default()
}

fn paths(config: &ValidatingWebhookConfiguration) -> BTreeSet<String> {
    let path = |client: &WebhookClientConfig| match (&client.service, &client.url) {
        // An API server calls the root where no path is given.
        (Some(service), _) => service.path.clone().unwrap_or_else(|| "/".to_owned()),
        (None, Some(url)) => path_of_url(url).to_owned(),
        (None, None) => String::new(),
    };
    config.webhooks.iter().flatten().map(|webhook| path(&webhook.client_config)).collect()
}
