//! The metrics of the registration with the API server.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How it stands, and how often it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Registration {
    states: Family<State, Gauge>,
    policies: Family<FailurePolicy, Gauge>,
    writes: Family<Written, Counter>,
}

const STATES: [&str; 7] = ["absent", "as_wanted", "behind", "changed", "off", "unknown", "untrusted"];
const POLICIES: [&str; 2] = ["Fail", "Ignore"];

impl Registration {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { states, policies, writes } = self;
        registry.register("registration", "1 at how the registration with the API server stands", states.clone());
        registry.register(
            "registration_failure_policy",
            "1 at what the API server does when the webhook cannot be called",
            policies.clone(),
        );
        registry.register("registration_writes", "Times the registration was written, or could not be", writes.clone());
        // A counter that is there before its first event can be alerted upon.
        for result in ["ok", "failed"] {
            drop(writes.get_or_create(&Written { result }));
        }
    }

    pub(super) fn stands(&self, now: &'static str, failure_policy: Option<&str>) {
        for state in STATES {
            self.states.get_or_create(&State { state }).set(i64::from(state == now));
        }
        for policy in POLICIES {
            self.policies.get_or_create(&FailurePolicy { policy }).set(i64::from(failure_policy == Some(policy)));
        }
    }

    pub(super) fn written(&self, written: bool) {
        let result = if written { "ok" } else { "failed" };
        self.writes.get_or_create(&Written { result }).inc();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailurePolicy {
    policy: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Written {
    result: &'static str,
}
