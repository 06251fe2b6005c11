//! Keeping driftwall's `ValidatingWebhookConfiguration`: every replica watches it,
//! the one that leads writes it. What somebody else removed or changed is told at
//! once, and put back only where the configuration says so: removing it is the
//! documented way out.
//!
//! It needs the rights to get, list, watch, create and patch the configuration by
//! its name; to get, create and patch Leases in driftwall's namespace; and, so that
//! an uninstallation takes the configuration along and is not taken for a removal,
//! to get the `ClusterRole` and the Deployment of its name.

mod ca_bundle;
mod client;
mod desired;
mod discovery;
mod reconciler;
mod registered_ca;
mod report;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::ClusterContext;

use driftwall_core::desired::Snapshot;
use driftwall_core::webhook_config::WebhookParameters;
pub use registered_ca::{RegisteredCa, poll_registered_ca};

use client::WebhookConfigClient;
use discovery::Discovery;
use reconciler::Reconciler;

/// What is to be registered.
#[derive(Clone, Debug)]
pub struct WebhookSpec {
    /// What Git declares.
    pub snapshot: Arc<Snapshot>,
    /// The rest, but for the CA and what the API server knows.
    pub registration: WebhookParameters,
    /// The Deployment's and the Lease's name.
    pub service: String,
    /// Whether what somebody removed or changed is put back.
    pub restore: bool,
}

/// What driftwall is asked to register.
#[derive(Clone, Debug)]
pub enum Desired {
    /// This configuration.
    Managed(Box<WebhookSpec>),
    /// Nothing: somebody else manages the configuration (`registration.manage: false`).
    Off,
    /// Not known yet: no snapshot was loaded so far.
    Unknown,
}

/// How the registration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookConfigState {
    /// There is none.
    Absent,
    /// It is as driftwall wants it.
    InSync,
    /// It is as driftwall left it, and what is wanted now is not written yet.
    Pending,
    /// Somebody changed it.
    Changed,
    /// It is not driftwall's to keep.
    Off,
    /// The API server does not say.
    Unknown,
    /// It is as driftwall wants it, but names no CA: the API server calls nobody.
    MissingCa,
}

/// Who wants to know what becomes of the registration.
pub trait Observer: Send + Sync {
    /// How it stands, and the failure policy of the webhook that is asked about writes.
    fn set_state(&self, state: WebhookConfigState, failure_policy: Option<&str>);
    /// It was written, or could not be.
    fn record_write(&self, succeeded: bool);
    /// Something that people should hear of: a reason in one word, a note, and the
    /// uid of the Deployment that it is to be said of.
    fn record_event(&self, reason: &'static str, note: String, deployment_uid: &str);
}

/// Keeps the registration for as long as it runs.
pub struct WebhookConfigController {
    home: ClusterContext,
    inputs: ControllerInputs,
    observer: Arc<dyn Observer>,
    bundle: watch::Sender<Option<String>>,
}

/// What the registrar goes by; each can change at any time.
#[derive(Clone)]
pub struct ControllerInputs {
    /// Whether this replica writes.
    pub leading: watch::Receiver<bool>,
    /// What is to be registered.
    pub plan: watch::Receiver<Desired>,
    /// The CA certificates that belong into `caBundle`, PEM: nothing is registered before
    /// they are there. Without a channel `caBundle` is left to whoever keeps it.
    pub bundle: Option<watch::Receiver<Option<String>>>,
}

impl WebhookConfigState {
    /// The state's name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::InSync => "in_sync",
            Self::Pending => "pending",
            Self::Changed => "changed",
            Self::Off => "off",
            Self::Unknown => "unknown",
            Self::MissingCa => "missing_ca",
        }
    }
}

impl WebhookConfigController {
    /// Does nothing before it runs.
    pub fn new(home: &ClusterContext, inputs: ControllerInputs, observer: Arc<dyn Observer>) -> Self {
        Self { home: home.clone(), inputs, observer, bundle: watch::Sender::new(None) }
    }

    /// The `caBundle` that the API server goes by, PEM: `None` where there is no
    /// configuration, empty where it names no CA. What cannot be read stays what it was.
    pub fn bundle(&self) -> watch::Receiver<Option<String>> {
        self.bundle.subscribe()
    }

    /// Keeps the registration. What goes wrong is told and tried again.
    pub async fn run(mut self) -> Infallible {
        loop {
            let order = self.inputs.plan.borrow_and_update().clone();
            if let Desired::Managed(plan) = order {
                self.observer.set_state(WebhookConfigState::Unknown, None);
                self.keep(&plan.registration.name).await;
            } else {
                let state =
                    if matches!(order, Desired::Off) { WebhookConfigState::Off } else { WebhookConfigState::Unknown };
                self.observer.set_state(state, None);
                changed(&mut self.inputs.plan).await;
            }
        }
    }

    /// Keeps the configuration of this name, for as long as that is its name.
    async fn keep(&mut self, name: &str) {
        let resource = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
        let api: Api<DynamicObject> = Api::all_with(self.home.client.clone(), &resource);
        // Rights by name hold for a list and a watch by that name, too.
        let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = pin!(watcher(api, only).default_backoff());
        let calls = WebhookConfigClient::new(self.home.client.clone(), self.home.namespace.clone());
        let discovery = Discovery::new(self.home.client.clone());
        let mut keeper =
            Reconciler::new(calls, discovery, self.inputs.clone(), Arc::clone(&self.observer), self.bundle.clone());
        let ControllerInputs { leading, plan, bundle } = &mut self.inputs;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                Some(event) = events.next() => keeper.take(event),
                () = changed(leading) => keeper.forget(),
                () = changed(plan) => {
                    let is_it = |order: &Desired| matches!(order, Desired::Managed(plan) if plan.registration.name == name);
                    if !is_it(&plan.borrow()) {
                        return;
                    }
                }
                () = changed_at_all(bundle.as_mut()) => {}
                () = sleep_until(due) => {}
            }
            due = Instant::now() + keeper.step().await;
        }
    }
}

/// Ends at the next change; never where there will be none.
async fn changed<T>(of: &mut watch::Receiver<T>) {
    if of.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn changed_at_all<T>(of: Option<&mut watch::Receiver<T>>) {
    match of {
        Some(of) => changed(of).await,
        None => std::future::pending().await,
    }
}
