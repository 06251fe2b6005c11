//! What is said of a registration that is not as driftwall left it.

use super::WebhookSpec;
use super::client::REGISTERED;
use super::reconciler::Reconciler;
use driftwall_core::webhook_config::LiveState;

/// What was said last, which is not said again.
#[derive(Default)]
pub(super) struct LastReported {
    pub(super) standing: Option<LiveState>,
    pub(super) trouble: Option<String>,
    pub(super) policies: Vec<(String, String)>,
    pub(super) mixed: Vec<String>,
    pub(super) untrusted: bool,
}

impl Reconciler {
    /// Says once how the registration stands that is not kept.
    pub(super) fn tell(&mut self, plan: &WebhookSpec, standing: &LiveState) {
        if self.told.standing.as_ref() == Some(standing) {
            return;
        }
        self.told.standing = Some(standing.clone());
        let Some((reason, note)) = note(plan, standing) else { return };
        tracing::error!(%note, "Registration not as it was left");
        self.happened(reason, note);
    }

    /// The same on a replica that does not lead: its log, and no more.
    pub(super) fn tell_aside(&mut self, standing: &LiveState) {
        let before = self.told.standing.replace(standing.clone());
        if before.as_ref() == Some(standing) {
            return;
        }
        match standing {
            LiveState::Absent if self.seen => tracing::error!("Registration removed"),
            LiveState::Modified(what) => tracing::error!(what = %listed(what), "Registration changed by somebody"),
            LiveState::Absent | LiveState::InSync | LiveState::Outdated => {}
        }
        self.seen |= *standing != LiveState::Absent;
    }

    pub(super) fn tell_policies(&mut self, kept: Vec<(String, String)>) {
        if kept == self.told.policies {
            return;
        }
        for (name, policy) in &kept {
            tracing::warn!(webhook = %name, %policy, "An operator's failurePolicy stays");
            self.happened("FailurePolicyChanged", format!("failurePolicy of {name} is {policy} by an operator's hand"));
        }
        self.told.policies = kept;
    }

    pub(super) fn tell_mixed(&mut self, mixed: Vec<String>) {
        if mixed != self.told.mixed && !mixed.is_empty() {
            let kinds = listed(&mixed);
            tracing::warn!(%kinds, "Git declares kinds in several versions; a write in another one than the object's passes with an error");
        }
        self.told.mixed = mixed;
    }

    pub(super) fn happened(&self, reason: &'static str, note: String) {
        self.observer.record_event(reason, note, self.deployment.as_deref().unwrap_or_default());
    }
}

/// A reason in one word, and a sentence; `None` where all is well.
pub(super) fn note(plan: &WebhookSpec, standing: &LiveState) -> Option<(&'static str, String)> {
    let (name, service) = (&plan.registration.name, &plan.service);
    let way_back = if plan.restore {
        "; it is put back".to_owned()
    } else {
        format!("; to register again: kubectl annotate lease {service} {REGISTERED}-, in driftwall's namespace")
    };
    let told = match standing {
        LiveState::Absent => (
            "RegistrationRemoved",
            format!("the ValidatingWebhookConfiguration {name} is removed: no write is held against Git{way_back}"),
        ),
        LiveState::Modified(what) => {
            let meanwhile = if plan.restore { "" } else { "; nothing that Git declares from now on is added to it" };
            let what = listed(what);
            (
                "RegistrationChanged",
                format!(
                    "the ValidatingWebhookConfiguration {name} is changed by somebody: {what}{meanwhile}{way_back}"
                ),
            )
        }
        LiveState::InSync | LiveState::Outdated => return None,
    };
    Some(told)
}

/// Differences that are named; an Event's note has 1024 characters.
const NAMED: usize = 6;

pub(super) fn listed(what: &[String]) -> String {
    let more = what.len().saturating_sub(NAMED);
    let named = what.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    if more == 0 { named } else { format!("{named}; and {more} more") }
}
