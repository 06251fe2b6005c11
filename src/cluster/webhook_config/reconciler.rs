//! Reconciles the webhook configuration: compares what is in the cluster with what is
//! desired, and writes or reports the difference.

use std::sync::Arc;
use std::time::Duration;

use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::WebhookConfigClient;
use super::client_config::{
    client_patch, has_desired_client, names_a_ca, webhooks_patch, with_desired_paths, writes_webhook,
};
use super::desired::{BuiltConfig, DesiredCa, hash};
use super::discovery::KindDiscovery;
use super::installation::Installation;
use super::report::Reporter;
use super::{ControllerInputs, DesiredWebhookConfig, Observer, WebhookConfigState, WebhookSpec};
use crate::cluster::api_error::ApiError;
use driftwall_core::webhook_config::{
    LiveState, kinds_in_several_versions, kinds_in_unserved_versions, kinds_never_sent, live_state,
};

/// How often it is checked whether driftwall was enabled again, while it must not write the webhook configuration.
const REENABLE_POLL_INTERVAL: Duration = Duration::from_secs(3);

/// Between two restorations. The first one is immediate; whoever changes it again right
/// away is a machine, and would go on for ever.
const MIN_RESTORE_INTERVAL: Duration = Duration::from_secs(10);

/// How often the webhook configuration is read beside the watch: it can take minutes until a
/// client finds out that its watch has broken off.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// Between two writes: two leaders that each take the other's version for an old one
/// must not keep an API server busy.
const MIN_WRITE_INTERVAL: Duration = Duration::from_secs(2);

const MIN_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_mins(1);

/// Reconciles, and remembers what it needs from one time to the next.
pub(super) struct Reconciler {
    client: WebhookConfigClient,
    discovery: KindDiscovery,
    pub(super) inputs: ControllerInputs,
    reporter: Reporter,
    live: LiveConfig,
    /// Whether `live` may be old, because the watch or a write failed.
    is_stale: bool,
    /// When the webhook configuration was read last, beside the watch.
    polled_at: Instant,
    supports_match_conditions: Option<bool>,
    installation: Installation,
    /// Whether this installation has written the webhook configuration before, where that is known.
    has_registered: Option<bool>,
    restored_at: Option<Instant>,
    written_at: Option<Instant>,
    pub(super) min_write_interval: Duration,
    failures: u32,
}

/// The webhook configuration in the cluster.
enum LiveConfig {
    /// `None` where it does not exist.
    Known(Option<Value>),
    /// The API server has not said yet.
    Unknown,
}

/// What the leader is to do.
enum Action {
    None,
    /// As `Write`, although somebody removed or changed the webhook configuration.
    Restore,
    /// Set the CA and the path alone; the rest is as somebody changed it.
    SetClient,
    Write,
}

impl Reconciler {
    pub(super) fn new(
        client: WebhookConfigClient,
        discovery: KindDiscovery,
        inputs: ControllerInputs,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            client,
            discovery,
            inputs,
            reporter: Reporter::new(observer),
            live: LiveConfig::Unknown,
            is_stale: false,
            polled_at: Instant::now(),
            supports_match_conditions: None,
            installation: Installation::default(),
            has_registered: None,
            restored_at: None,
            written_at: None,
            min_write_interval: MIN_WRITE_INTERVAL,
            failures: 0,
        }
    }

    /// Takes what the watch brings: the webhook configuration, or `None` where it does not exist.
    pub(super) fn on_watch_event(&mut self, event: Result<Option<DynamicObject>, watcher::Error>) {
        match event {
            Ok(object) => {
                self.live = LiveConfig::Known(object.and_then(|object| serde_json::to_value(object).ok()));
            }
            Err(error) => {
                tracing::debug!(error = %ApiError::from(error), "The watch of the webhook configuration failed");
                (self.is_stale, self.supports_match_conditions) = (true, None);
            }
        }
    }

    /// Forgets what another leader may have changed since.
    pub(super) fn on_leadership_change(&mut self) {
        self.has_registered = None;
        // What was only logged becomes an Event when this replica leads.
        self.reporter.forget_live_state();
    }

    /// Reconciles once; returns after what time at the latest to do it again.
    pub(super) async fn reconcile(&mut self) -> Duration {
        match self.try_reconcile().await {
            Ok(wait) => {
                self.reporter.succeeded();
                self.failures = 0;
                wait.unwrap_or(POLL_INTERVAL)
            }
            Err(error) if error.is_conflict() => {
                tracing::debug!(%error, "The webhook configuration was changed meanwhile");
                MIN_BACKOFF
            }
            Err(error) => {
                self.reporter.failed(&error);
                let backoff = MIN_BACKOFF.saturating_mul(1 << self.failures.min(8)).min(MAX_BACKOFF);
                self.failures += 1;
                backoff
            }
        }
    }

    async fn try_reconcile(&mut self) -> Result<Option<Duration>, ApiError> {
        let DesiredWebhookConfig::Managed(mut spec) = self.inputs.desired.borrow().clone() else { return Ok(None) };
        if self.is_stale || self.polled_at.elapsed() >= POLL_INTERVAL {
            self.poll(&spec.parameters.name).await?;
        }
        let LiveConfig::Known(live) = &self.live else { return Ok(None) };
        let Some(path) = self.inputs.path.borrow().clone() else { return Ok(None) };
        spec.parameters.path = path;
        let live = live.clone();
        spec.parameters.match_conditions = self.supports_match_conditions().await?;
        spec.parameters.served = self.discovery.served(&spec.snapshot).await;
        let ca = match &self.inputs.ca_bundle {
            Some(ca_bundle) => DesiredCa::Own(ca_bundle.borrow().clone()),
            None => DesiredCa::External,
        };
        let BuiltConfig { config: desired, kept_policies } = BuiltConfig::new(&spec, &ca, live.as_ref());
        let live_state = match (live_state(live.as_ref(), &desired, hash), &live) {
            (LiveState::Modified(_), Some(live)) => {
                live_state(Some(&with_desired_paths(live, &desired)), &desired, hash)
            }
            (live_state, _) => live_state,
        };
        self.report_state(&live_state, live.as_ref(), &desired);
        if !*self.inputs.is_leader.borrow() {
            self.reporter.log_modified(&live_state);
            return Ok(None);
        }
        self.update_uids(&spec).await?;
        self.reporter.report_kept_policies(kept_policies);
        self.reporter.report_kinds_in_several_versions(kinds_in_several_versions(&spec.snapshot));
        self.reporter.report_kinds_never_sent(kinds_never_sent(&spec.snapshot));
        let unserved = kinds_in_unserved_versions(&spec.snapshot, &spec.parameters.served);
        self.reporter.report_kinds_in_unserved_versions(unserved);
        if ca == DesiredCa::Own(None) {
            // driftwall's own certificate has not been created yet.
            return Ok(None);
        }
        self.run_as_leader(&spec, live, desired, &live_state).await
    }

    async fn supports_match_conditions(&mut self) -> Result<bool, ApiError> {
        if let Some(supported) = self.supports_match_conditions {
            return Ok(supported);
        }
        let supported = self.client.supports_match_conditions().await?;
        self.supports_match_conditions = Some(supported);
        Ok(supported)
    }

    async fn update_uids(&mut self, spec: &WebhookSpec) -> Result<(), ApiError> {
        if self.installation.deployment_uid.is_none() {
            self.installation.deployment_uid = self.client.deployment_uid(&spec.service).await?;
            self.reporter.set_deployment_uid(self.installation.deployment_uid.as_deref().unwrap_or_default());
        }
        let cluster_role_uid = self.client.cluster_role_uid(&spec.parameters.name).await?;
        if self.installation.cluster_role_uid != cluster_role_uid {
            self.installation.cluster_role_uid = cluster_role_uid;
            self.has_registered = None;
        }
        Ok(())
    }

    /// What only the leader does: writes the webhook configuration, or reports why it must not.
    async fn run_as_leader(
        &mut self,
        spec: &WebhookSpec,
        live: Option<Value>,
        desired: Value,
        live_state: &LiveState,
    ) -> Result<Option<Duration>, ApiError> {
        let name = &spec.parameters.name;
        match self.choose_action(spec, live_state, live.as_ref(), &desired).await? {
            Action::None => {}
            Action::Restore => {
                if let Some(wait) = remaining(self.restored_at, MIN_RESTORE_INTERVAL) {
                    return Ok(Some(wait));
                }
                self.restored_at = Some(Instant::now());
                self.reporter.report_modified(spec, live_state);
                self.write(name, desired).await?;
                self.reporter
                    .event("RegistrationRestored", format!("ValidatingWebhookConfiguration {name} was restored"));
            }
            Action::SetClient => {
                if let Some(live) = live {
                    self.reporter.report_modified(spec, live_state);
                    let patched = self.client.json_patch(name, client_patch(&live, &desired)).await;
                    self.on_written(patched)?;
                }
            }
            Action::Write => {
                if let Some(wait) = remaining(self.written_at, self.min_write_interval) {
                    return Ok(Some(wait));
                }
                self.write(name, desired).await?;
            }
        }
        if matches!(live_state, LiveState::Absent | LiveState::Modified(_)) && self.has_registered == Some(true) {
            self.reporter.report_modified(spec, live_state);
            return Ok(Some(REENABLE_POLL_INTERVAL));
        }
        if self.has_registered != Some(true) {
            let installation = self.installation.to_string();
            self.client.set_registered_installation(&spec.service, &installation).await?;
            self.has_registered = Some(true);
        }
        self.reporter.forget_live_state();
        Ok(None)
    }

    /// Reads the webhook configuration, beside the watch.
    async fn poll(&mut self, name: &str) -> Result<(), ApiError> {
        self.polled_at = Instant::now();
        // Whoever asks for a registration that is there already takes the note away, and the next removal would be none.
        self.has_registered = None;
        match self.client.config(name).await {
            Ok(found) => (self.live, self.is_stale) = (LiveConfig::Known(found), false),
            Err(error) => {
                self.reporter.set_state(WebhookConfigState::Unknown, None);
                // An API server that comes back may be another version.
                (self.is_stale, self.supports_match_conditions) = (true, None);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn choose_action(
        &mut self,
        spec: &WebhookSpec,
        live_state: &LiveState,
        live: Option<&Value>,
        desired: &Value,
    ) -> Result<Action, ApiError> {
        let can_call = live.is_none_or(|live| has_desired_client(live, desired));
        match live_state {
            LiveState::InSync if can_call && self.installation.owns(live) => {
                if self.has_registered.is_none() {
                    self.has_registered = Some(self.read_has_registered(spec).await?);
                }
                return Ok(Action::None);
            }
            LiveState::InSync | LiveState::Outdated => return Ok(Action::Write),
            LiveState::Absent | LiveState::Modified(_) => {}
        }
        let has_registered = self.read_has_registered(spec).await?;
        self.has_registered = Some(has_registered);
        Ok(match live_state {
            // Nobody removed or changed what this installation has never written.
            _ if !has_registered => Action::Write,
            _ if spec.self_heal => Action::Restore,
            LiveState::Modified(_) if !can_call => Action::SetClient,
            _ => Action::None,
        })
    }

    /// Whether this installation has written the webhook configuration before: then a missing
    /// one was removed by somebody.
    async fn read_has_registered(&self, spec: &WebhookSpec) -> Result<bool, ApiError> {
        let registered = self.client.registered_installation(&spec.service).await?;
        Ok(registered.is_some_and(|registered| self.installation.is(&registered)))
    }

    async fn write(&mut self, name: &str, mut desired: Value) -> Result<(), ApiError> {
        self.written_at = Some(Instant::now());
        if let Some(owner) = self.installation.owner_reference(name) {
            desired["metadata"]["ownerReferences"] = json!([owner]);
        }
        if let LiveConfig::Known(Some(live)) = &self.live {
            // Fails where somebody deletes or changes the webhook configuration at this moment.
            for precondition in ["resourceVersion", "uid"] {
                desired["metadata"][precondition] = live["metadata"][precondition].clone();
            }
        }
        let applied = self.client.apply(name, &desired).await;
        let applied = self.on_written(applied)?;
        // A server-side apply leaves what others have added.
        if live_state(Some(&applied), &desired, hash) != LiveState::InSync {
            let replaced = self.client.json_patch(name, webhooks_patch(&applied, &desired)).await;
            self.on_written(replaced)?;
        }
        let webhooks = desired["webhooks"].as_array().into_iter().flatten();
        let rules: usize = webhooks.filter_map(|webhook| webhook["rules"].as_array()).map(Vec::len).sum();
        tracing::info!(%name, rules, "Webhook configuration written");
        let state = if names_a_ca(&desired) { WebhookConfigState::InSync } else { WebhookConfigState::MissingCa };
        self.reporter.set_state(state, desired["webhooks"][0]["failurePolicy"].as_str());
        Ok(())
    }

    /// Takes the answer to a write.
    fn on_written(&mut self, answer: Result<Value, ApiError>) -> Result<Value, ApiError> {
        if answer.as_ref().is_err_and(ApiError::is_conflict) {
            // Somebody was faster; their version is read first.
            self.is_stale = true;
        } else {
            self.reporter.record_write(answer.is_ok());
        }
        let written = answer?;
        self.reporter.config_seen();
        self.live = LiveConfig::Known(Some(written.clone()));
        Ok(written)
    }

    fn report_state(&mut self, live_state: &LiveState, live: Option<&Value>, desired: &Value) {
        let has_ca = live.is_none_or(names_a_ca);
        let can_call = live.is_some_and(|live| has_desired_client(live, desired));
        let state = match live_state {
            LiveState::Absent => WebhookConfigState::Absent,
            LiveState::Modified(_) => WebhookConfigState::Changed,
            LiveState::InSync | LiveState::Outdated if !has_ca => WebhookConfigState::MissingCa,
            LiveState::InSync if can_call => WebhookConfigState::InSync,
            LiveState::InSync | LiveState::Outdated => WebhookConfigState::Pending,
        };
        let writes = live.and_then(writes_webhook);
        self.reporter.set_state(state, writes.and_then(|webhook| webhook["failurePolicy"].as_str()));
        self.reporter.report_missing_ca(!has_ca);
    }
}

/// What remains of an interval that began then.
fn remaining(since: Option<Instant>, interval: Duration) -> Option<Duration> {
    let remaining = interval.saturating_sub(since?.elapsed());
    (!remaining.is_zero()).then_some(remaining)
}
