//! The metrics of whether the API server calls driftwall.

use driftwall_core::canary::CanaryResult;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::unix_now;

/// Where no canary is sent.
const OFF: &str = "off";

/// When the API server called last, and what comes of the canary.
#[derive(Debug, Default)]
pub(super) struct CalledMetrics {
    last_called: Gauge,
    canary: Family<CanaryLabel, Gauge>,
    canary_sent: Family<CanaryLabel, Counter>,
    canary_last_called: Gauge,
}

/// What is known of the canary in this replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryDisplay {
    /// No canary is sent.
    Off,
    /// This replica sends it, and this came of it.
    Result(CanaryResult),
    /// Another replica sends it.
    Standby,
}

impl CalledMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { last_called, canary, canary_sent, canary_last_called } = self;
        registry.register(
            "last_called_timestamp_seconds",
            "When a request of the API server came last, the canary's too, in Unix time; 0 before the first",
            last_called.clone(),
        );
        registry.register(
            "canary",
            "1 at what came of the canary; 0 at all where another replica sends it",
            canary.clone(),
        );
        registry.register("canary_sent", "Canaries that this replica sent", canary_sent.clone());
        registry.register(
            "canary_last_called_timestamp_seconds",
            "When the API server last called driftwall for this replica's canary, in Unix time; 0 before the first",
            canary_last_called.clone(),
        );
        for result in CanaryResult::ALL {
            drop(canary_sent.get_or_create(&CanaryLabel { result: result.as_str() }));
        }
        self.show(CanaryDisplay::Off);
    }

    pub(super) fn mark_called(&self) {
        self.last_called.set(unix_now());
    }

    pub(super) fn show(&self, canary: CanaryDisplay) {
        let current = match canary {
            CanaryDisplay::Off => Some(OFF),
            CanaryDisplay::Result(result) => Some(result.as_str()),
            CanaryDisplay::Standby => None,
        };
        for result in CanaryResult::ALL.map(CanaryResult::as_str).into_iter().chain([OFF]) {
            self.canary.get_or_create(&CanaryLabel { result }).set(i64::from(current == Some(result)));
        }
    }

    pub(super) fn count_canary(&self, result: CanaryResult) {
        self.canary_sent.get_or_create(&CanaryLabel { result: result.as_str() }).inc();
        if result == CanaryResult::Called {
            self.canary_last_called.set(unix_now());
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CanaryLabel {
    result: &'static str,
}
