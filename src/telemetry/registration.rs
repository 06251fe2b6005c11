//! The metrics of driftwall's registration with the API server, its webhook configuration.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::ResultLabel;

/// The state of the webhook configuration, and how often it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct RegistrationMetrics {
    states: Family<StateLabel, Gauge>,
    policies: Family<PolicyLabel, Gauge>,
    writes: Family<ResultLabel, Counter>,
}

const STATES: [&str; 7] = ["absent", "changed", "in_sync", "off", "pending", "unknown", "missing_ca"];
const POLICIES: [&str; 2] = ["Fail", "Ignore"];

impl RegistrationMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { states, policies, writes } = self;
        registry.register("registration", "1 at the state of the webhook configuration", states.clone());
        registry.register(
            "registration_failure_policy",
            "1 at what the API server does when the webhook cannot be called",
            policies.clone(),
        );
        registry.register("registration_writes", "Writes of the webhook configuration", writes.clone());
        // `increase()` in an alert sees the first event only if the counter was there before it.
        for result in [ResultLabel::OK, ResultLabel::FAILED] {
            drop(writes.get_or_create(&result));
        }
    }

    pub(super) fn set_state(&self, current: &'static str, failure_policy: Option<&str>) {
        for state in STATES {
            self.states.get_or_create(&StateLabel { state }).set(i64::from(state == current));
        }
        for policy in POLICIES {
            self.policies.get_or_create(&PolicyLabel { policy }).set(i64::from(failure_policy == Some(policy)));
        }
    }

    pub(super) fn count_write(&self, succeeded: bool) {
        self.writes.get_or_create(&ResultLabel::of(succeeded)).inc();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabel {
    policy: &'static str,
}
