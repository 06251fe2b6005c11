//! Manages driftwall's `ValidatingWebhookConfiguration`: every replica watches it, the
//! leader writes it. A webhook configuration that somebody removed or changed is reported at
//! once, and restored only where driftwall's configuration says so: removing it is the
//! documented way to disable driftwall.
//!
//! This needs the rights to get, list, watch, create and patch the webhook configuration by its
//! name; to get, create and patch Leases in driftwall's namespace; and to get the
//! `ClusterRole` and the Deployment of its name. The last two are for an uninstallation:
//! it takes the webhook configuration along, and that must not look like a removal.

mod client;
mod client_config;
mod controller;
mod desired;
mod discovery;
mod installation;
mod reconciler;
mod registered;
mod report;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::watch;

use driftwall_core::desired::Snapshot;
use driftwall_core::webhook_config::{ReviewPath, WebhookParameters};

pub use controller::WebhookConfigController;
pub use registered::{RegisteredCa, RegisteredPaths, RegisteredWebhooks, poll_registered};

/// The webhook configuration that is to be in the cluster.
#[derive(Clone, Debug)]
pub struct WebhookSpec {
    /// What Git declares.
    pub snapshot: Arc<Snapshot>,
    /// The rest, except for the CA and what the API server knows.
    pub parameters: WebhookParameters,
    /// The name of driftwall's Deployment and Lease.
    pub service: String,
    /// Whether a webhook configuration that somebody removed or changed is restored.
    pub self_heal: bool,
}

/// What is to be in the cluster, as far as it is known.
#[derive(Clone, Debug)]
pub enum DesiredWebhookConfig {
    /// This webhook configuration.
    Managed(Box<WebhookSpec>),
    /// Whatever somebody else manages (`registration.manage: false`).
    Off,
    /// Not known yet: no snapshot has been loaded so far.
    Unknown,
}

/// The state of the webhook configuration in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookConfigState {
    /// It does not exist.
    Absent,
    /// Somebody changed it.
    Changed,
    /// It is as desired.
    InSync,
    /// It is as desired but names no CA, so the API server cannot call driftwall.
    MissingCa,
    /// It is not managed by driftwall.
    Off,
    /// It is as driftwall wrote it; what is desired now has not been written yet.
    Pending,
    /// The API server does not say.
    Unknown,
}

impl WebhookConfigState {
    /// The value of the metrics label `state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Changed => "changed",
            Self::InSync => "in_sync",
            Self::MissingCa => "missing_ca",
            Self::Off => "off",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
        }
    }
}

/// Receives changes of the webhook configuration.
pub trait Observer: Send + Sync {
    /// Its state now, and the failure policy of the webhook for writes.
    fn set_state(&self, state: WebhookConfigState, failure_policy: Option<&str>);
    /// It was written, or could not be.
    fn record_write(&self, succeeded: bool);
    /// Something that people should know: a reason in one word, a note, and the uid of
    /// the Deployment that the Event is about.
    fn record_event(&self, reason: &'static str, note: String, deployment_uid: &str);
}

/// What the controller depends on; each of them can change at any time.
#[derive(Clone)]
pub struct ControllerInputs {
    /// Whether this replica writes.
    pub is_leader: watch::Receiver<bool>,
    /// What is to be in the cluster.
    pub desired: watch::Receiver<DesiredWebhookConfig>,
    /// The CA certificates for `caBundle`, PEM: nothing is written before they exist.
    /// Without a channel, `caBundle` is left to whoever else sets it.
    pub ca_bundle: Option<watch::Receiver<Option<String>>>,
    /// The path at which reviews are received: nothing is written before it is known.
    pub path: watch::Receiver<Option<ReviewPath>>,
}
