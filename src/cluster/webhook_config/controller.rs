//! Runs the reconciler whenever something changes that it depends on.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::client::{WebhookConfigClient, webhook_config_api};
use super::discovery::KindDiscovery;
use super::reconciler::Reconciler;
use super::{ControllerInputs, DesiredWebhookConfig, Observer, WebhookConfigState};
use crate::cluster::ClusterContext;

/// Manages the webhook configuration for as long as it runs.
pub struct WebhookConfigController {
    context: ClusterContext,
    inputs: ControllerInputs,
    observer: Arc<dyn Observer>,
}

impl WebhookConfigController {
    /// Nothing happens before [`WebhookConfigController::run`].
    pub fn new(context: &ClusterContext, inputs: ControllerInputs, observer: Arc<dyn Observer>) -> Self {
        Self { context: context.clone(), inputs, observer }
    }

    /// Manages the webhook configuration; never returns. What fails is logged and retried.
    pub async fn run(mut self) -> Infallible {
        loop {
            let desired = self.inputs.desired.borrow_and_update().clone();
            let state = match desired {
                DesiredWebhookConfig::Managed(spec) => {
                    self.observer.set_state(WebhookConfigState::Unknown, None);
                    self.manage(&spec.parameters.name).await;
                    continue;
                }
                DesiredWebhookConfig::Off => WebhookConfigState::Off,
                DesiredWebhookConfig::Unknown => WebhookConfigState::Unknown,
            };
            self.observer.set_state(state, None);
            changed(&mut self.inputs.desired).await;
        }
    }

    /// Manages the webhook configuration of this name, for as long as this is the desired name.
    async fn manage(&mut self, name: &str) {
        let client = &self.context.client;
        // A right that is limited to a name covers a list and a watch of that name, too.
        let mut events = pin!(watch_object(webhook_config_api(client), name).default_backoff());
        let mut reconciler = Reconciler::new(
            WebhookConfigClient::new(client.clone(), &self.context.namespace),
            KindDiscovery::new(client.clone()),
            self.inputs.clone(),
            Arc::clone(&self.observer),
        );
        let ControllerInputs { is_leader, desired, ca_bundle, path } = &mut self.inputs;
        let mut due = Instant::now();
        loop {
            tokio::select! {
                Some(event) = events.next() => reconciler.on_watch_event(event),
                () = changed(is_leader) => reconciler.on_leadership_change(),
                () = changed(desired) => match &*desired.borrow() {
                    DesiredWebhookConfig::Managed(spec) if spec.parameters.name == name => {}
                    _ => return,
                },
                () = changed_if_any(ca_bundle.as_mut()) => {}
                () = changed(path) => {}
                () = sleep_until(due) => {}
            }
            due = Instant::now() + reconciler.reconcile().await;
        }
    }
}

/// Returns at the next change; never where no change can come any more.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn changed_if_any<T>(receiver: Option<&mut watch::Receiver<T>>) {
    match receiver {
        Some(receiver) => changed(receiver).await,
        None => std::future::pending().await,
    }
}
