//! Reports the state of the webhook configuration: metrics, log lines and Events, each change once.

use std::sync::Arc;

use super::client::REGISTERED_ANNOTATION;
use super::{Observer, WebhookConfigState, WebhookSpec};
use crate::cluster::api_error::ApiError;
use crate::telemetry::LogChanges;
use driftwall_core::webhook_config::LiveState;

/// Reports what differs from the last report.
pub(super) struct Reporter {
    observer: Arc<dyn Observer>,
    /// The uid of driftwall's Deployment, which Events are about; empty until it could be read.
    deployment_uid: String,
    /// Whether this process has seen the webhook configuration in the cluster.
    has_seen_config: bool,
    live_state: Option<LiveState>,
    kept_policies: Vec<(String, String)>,
    kinds_in_several_versions: Vec<String>,
    kinds_in_unserved_versions: Vec<String>,
    kinds_never_sent: Vec<String>,
    is_ca_missing: bool,
    problem: LogChanges,
}

impl Reporter {
    pub(super) fn new(observer: Arc<dyn Observer>) -> Self {
        Self {
            observer,
            deployment_uid: String::new(),
            has_seen_config: false,
            live_state: None,
            kept_policies: Vec::new(),
            kinds_in_several_versions: Vec::new(),
            kinds_in_unserved_versions: Vec::new(),
            kinds_never_sent: Vec::new(),
            is_ca_missing: false,
            problem: LogChanges::default(),
        }
    }

    pub(super) fn set_deployment_uid(&mut self, uid: &str) {
        uid.clone_into(&mut self.deployment_uid);
    }

    pub(super) fn set_state(&self, state: WebhookConfigState, failure_policy: Option<&str>) {
        self.observer.set_state(state, failure_policy);
    }

    pub(super) fn record_write(&self, succeeded: bool) {
        self.observer.record_write(succeeded);
    }

    pub(super) fn config_seen(&mut self) {
        self.has_seen_config = true;
    }

    /// Makes the next reported modification an Event again.
    pub(super) fn forget_live_state(&mut self) {
        self.live_state = None;
    }

    pub(super) fn failed(&mut self, error: &ApiError) {
        if self.problem.is_new(&error.to_string()) {
            tracing::error!(%error, "Failed to reconcile the webhook configuration");
        }
    }

    pub(super) fn succeeded(&mut self) {
        if self.problem.recovered() {
            tracing::info!("Reconciling the webhook configuration works again");
        }
    }

    /// Logs and records as an Event that somebody removed or changed the webhook configuration. For the leader.
    pub(super) fn report_modified(&mut self, spec: &WebhookSpec, live_state: &LiveState) {
        if self.live_state.as_ref() == Some(live_state) {
            return;
        }
        self.live_state = Some(live_state.clone());
        if let Some((reason, note)) = event_note(spec, live_state) {
            tracing::error!(%note, "Webhook configuration was modified");
            self.event(reason, note);
        }
    }

    /// Logs that somebody removed or changed the webhook configuration. For the replicas that do not lead.
    pub(super) fn log_modified(&mut self, live_state: &LiveState) {
        let before = self.live_state.replace(live_state.clone());
        if before.as_ref() == Some(live_state) {
            return;
        }
        match live_state {
            LiveState::Absent if self.has_seen_config => tracing::error!("Webhook configuration was removed"),
            LiveState::Modified(differences) => {
                tracing::error!(differences = %joined(differences), "Webhook configuration was modified");
            }
            LiveState::Absent | LiveState::InSync | LiveState::Outdated => {}
        }
        self.has_seen_config |= *live_state != LiveState::Absent;
    }

    /// Logs and records as an Event which webhooks keep the failure policy that an operator set.
    pub(super) fn report_kept_policies(&mut self, kept: Vec<(String, String)>) {
        if kept == self.kept_policies {
            return;
        }
        for (name, policy) in &kept {
            tracing::warn!(webhook = %name, %policy, "Keeping the failurePolicy that an operator set");
            self.event(
                "FailurePolicyChanged",
                format!("an operator set failurePolicy of {name} to {policy}; it is kept"),
            );
        }
        self.kept_policies = kept;
    }

    /// Logs which kinds Git declares in several versions.
    pub(super) fn report_kinds_in_several_versions(&mut self, kinds: Vec<String>) {
        if kinds != self.kinds_in_several_versions && !kinds.is_empty() {
            tracing::warn!(
                kinds = %joined(&kinds),
                "Git declares kinds in several versions; what a person changes in another version than an object's own is denied"
            );
        }
        self.kinds_in_several_versions = kinds;
    }

    /// Logs which kinds Git declares in a version that the API server does not serve.
    pub(super) fn report_kinds_in_unserved_versions(&mut self, kinds: Vec<String>) {
        if kinds != self.kinds_in_unserved_versions && !kinds.is_empty() {
            tracing::warn!(
                kinds = %joined(&kinds),
                "Git declares kinds in versions that the API server does not serve: they cannot be synced, and what a person changes of their content is denied"
            );
        }
        self.kinds_in_unserved_versions = kinds;
    }

    /// Logs of which kinds Git declares objects whose writes no webhook is called for.
    pub(super) fn report_kinds_never_sent(&mut self, kinds: Vec<String>) {
        if kinds != self.kinds_never_sent && !kinds.is_empty() {
            tracing::warn!(
                kinds = %joined(&kinds),
                "Git declares kinds whose writes API servers send to no webhook; edits of them are not seen"
            );
        }
        self.kinds_never_sent = kinds;
    }

    /// Logs that the webhook configuration names no CA, when that begins.
    pub(super) fn report_missing_ca(&mut self, is_missing: bool) {
        if is_missing && !self.is_ca_missing {
            tracing::error!(
                "The webhook configuration names no CA, so API servers cannot call driftwall; failurePolicy is Ignore until it does"
            );
        }
        self.is_ca_missing = is_missing;
    }

    pub(super) fn event(&self, reason: &'static str, note: String) {
        self.observer.record_event(reason, note, &self.deployment_uid);
    }
}

/// A reason in one word, and a sentence; `None` where nobody modified the webhook configuration.
fn event_note(spec: &WebhookSpec, live_state: &LiveState) -> Option<(&'static str, String)> {
    let (name, service) = (&spec.parameters.name, &spec.service);
    let next = if spec.self_heal {
        "; it is restored".to_owned()
    } else {
        format!(
            "; to enable driftwall again: kubectl annotate lease {service} {REGISTERED_ANNOTATION}-, in driftwall's namespace"
        )
    };
    match live_state {
        LiveState::Absent => {
            let note =
                format!("ValidatingWebhookConfiguration {name} was removed: no write is compared with Git{next}");
            Some(("RegistrationRemoved", note))
        }
        LiveState::Modified(differences) => {
            let meanwhile = if spec.self_heal { "" } else { "; what Git newly declares is not added to it" };
            let differences = joined(differences);
            let note = format!("ValidatingWebhookConfiguration {name} was modified: {differences}{meanwhile}{next}");
            Some(("RegistrationChanged", note))
        }
        LiveState::InSync | LiveState::Outdated => None,
    }
}

/// Items that are named; an Event's note is limited to 1024 bytes.
const MAX_NAMED: usize = 6;

fn joined(items: &[String]) -> String {
    let named = items.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}
