//! Sends the canary for as long as this replica leads, and reports whether the API server called driftwall for it.
//!
//! This needs the rights to create and patch the ConfigMap by its name, and to get the webhook configuration. The API
//! server that is asked is the one that this connection leads to: where there are several, each new connection may
//! lead to another.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::client::Body;
use kube::core::Request;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::FIELD_MANAGER;
use super::api_error::{ApiError, none_if_not_found, with_timeout};
use super::context::ClusterContext;
use driftwall_core::canary::{
    CANARY_TIMEOUT_SECONDS, CANARY_WEBHOOK, CanaryAnswer, CanaryChange, CanaryObject, CanaryResult, CanaryState,
};

/// The API server's own time beside that of the webhook.
const MARGIN: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read: more than a ConfigMap without data or a failure has.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanarySettings {
    /// The object that is written.
    pub object: CanaryObject,
    /// The name of the webhook configuration.
    pub webhook_config: String,
}

/// What is known of the canary in this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryStatus {
    /// No canary is sent.
    Off,
    /// This replica sends it, and this came of it.
    Sending(CanaryResult),
    /// Another replica sends it.
    Standby,
}

/// Receives what is known of the canary.
pub trait CanaryObserver: Send + Sync {
    /// What is known now.
    fn set_status(&self, status: CanaryStatus);
    /// A canary was sent and came to this.
    fn record(&self, result: CanaryResult);
}

/// Sends the canary.
pub struct CanarySender {
    context: ClusterContext,
    is_leader: watch::Receiver<bool>,
    settings: watch::Receiver<Option<CanarySettings>>,
    observer: Arc<dyn CanaryObserver>,
}

impl CanarySender {
    /// Nothing is sent before [`CanarySender::run`], and none without settings.
    pub fn new(
        context: &ClusterContext,
        is_leader: watch::Receiver<bool>,
        settings: watch::Receiver<Option<CanarySettings>>,
        observer: Arc<dyn CanaryObserver>,
    ) -> Self {
        Self { context: context.clone(), is_leader, settings, observer }
    }

    /// Sends it whenever it is time; never returns.
    pub async fn run(self) -> Infallible {
        let (mut is_leader, mut settings) = (self.is_leader.clone(), self.settings.clone());
        loop {
            let current = settings.borrow_and_update().clone();
            let leads = *is_leader.borrow_and_update();
            let changed = async {
                tokio::select! {
                    changed = is_leader.changed() => changed,
                    changed = settings.changed() => changed,
                }
            };
            let changed = match current {
                Some(current) if leads => tokio::select! {
                    never = self.send(&current) => match never {},
                    changed = changed => changed,
                },
                Some(_) => {
                    self.observer.set_status(CanaryStatus::Standby);
                    changed.await
                }
                None => {
                    self.observer.set_status(CanaryStatus::Off);
                    changed.await
                }
            };
            if changed.is_err() {
                // The senders only go when the program is about to end.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn send(&self, settings: &CanarySettings) -> Infallible {
        let mut state = CanaryState::default();
        self.observer.set_status(CanaryStatus::Sending(state.result()));
        loop {
            let found = self.ask(settings).await;
            let (next, change) = state.after(found);
            state = next;
            self.observer.record(found);
            if let Some(change) = change {
                self.observer.set_status(CanaryStatus::Sending(state.result()));
                log(change);
            }
            sleep(state.wait()).await;
        }
    }

    async fn ask(&self, settings: &CanarySettings) -> CanaryResult {
        let limit = Duration::from_secs(CANARY_TIMEOUT_SECONDS.into()) + MARGIN;
        let found = match timeout(limit, self.apply(&settings.object)).await {
            Ok(Ok(answer)) => CanaryResult::of(&answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "Failed to send the canary");
                CanaryResult::Unknown
            }
            Err(_) => CanaryResult::Unknown,
        };
        if found == CanaryResult::NotAsked && !self.is_registered(&settings.webhook_config).await {
            return CanaryResult::NotRegistered;
        }
        found
    }

    /// Applies the object by dry run. Not by `Api`, which keeps neither warnings nor an answer that is no object.
    async fn apply(&self, object: &CanaryObject) -> Result<CanaryAnswer, ApiError> {
        let parameters = PatchParams { dry_run: true, ..PatchParams::apply(FIELD_MANAGER).force() };
        let collection = format!("/api/v1/namespaces/{}/configmaps", object.namespace);
        let request = Request::new(collection).patch(&object.name(), &parameters, &Patch::Apply(object.manifest()));
        let unreachable = |error: String| ApiError::Unreachable(error);
        let request = request.map_err(|error| unreachable(error.to_string()))?;
        let response = self.context.lookup_client.send(request.map(Body::from)).await?;
        let warnings = response.headers().get_all("warning").iter();
        let warnings = warnings.map(|warning| String::from_utf8_lossy(warning.as_bytes()).into_owned()).collect();
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| unreachable(error.to_string()))?.to_bytes();
        let message = if code < 300 { String::new() } else { message_of(&body) };
        Ok(CanaryAnswer { code, message, warnings })
    }

    /// Whether there is a webhook for the canary. Where that cannot be read, another reason is more likely.
    async fn is_registered(&self, webhook_config: &str) -> bool {
        let api = Api::<ValidatingWebhookConfiguration>::all(self.context.lookup_client.clone());
        match none_if_not_found(with_timeout(MARGIN, api.get(webhook_config)).await) {
            Ok(found) => {
                let mut webhooks = found.iter().flat_map(|config| config.webhooks.iter().flatten());
                webhooks.any(|webhook| webhook.name == CANARY_WEBHOOK)
            }
            Err(_) => true,
        }
    }
}

/// The message of a `Status`; the text itself where it is none.
fn message_of(body: &[u8]) -> String {
    let status: Value = serde_json::from_slice(body).unwrap_or_default();
    status["message"].as_str().map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// Logs a change. Never the API server's own message: it may name the path at which reviews are received.
fn log(change: CanaryChange) {
    match change {
        CanaryChange::Called { again: false } => tracing::info!("API server calls driftwall"),
        CanaryChange::Called { again: true } => tracing::info!("API server calls driftwall again"),
        CanaryChange::NotCalled(result) => {
            let (result, meaning) = (result.as_str(), result.explanation());
            tracing::error!(result, meaning, "API server does not call driftwall: writes pass unchecked or fail");
        }
        CanaryChange::Unknown => {
            tracing::warn!("API server does not answer driftwall's canary: not known whether it calls driftwall");
        }
    }
}
