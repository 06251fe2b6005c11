//! The metrics of reviews.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{ReasonLabel, ReviewLabels};
use driftwall_core::actor::Class;

/// Histogram buckets in seconds: from a review with nothing to compare to one that
/// takes as long as the API server waits by default.
const LATENCY_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Answers and modes that drift may get: a mode is the strictest answer that there is in it.
const DRIFT_ANSWERS: [(&str, &str); 8] = [
    ("allow", "audit"),
    ("allow", "break-glass"),
    ("allow", "enforce"),
    ("allow", "warn"),
    ("deny", "enforce"),
    ("warn", "break-glass"),
    ("warn", "enforce"),
    ("warn", "warn"),
];

/// The same of a write that could not be evaluated.
const ERROR_ANSWERS: [(&str, &str); 6] = [
    ("allow", "audit"),
    ("allow", "enforce"),
    ("allow", "warn"),
    ("deny", "enforce"),
    ("warn", "enforce"),
    ("warn", "warn"),
];

/// Why requests are not evaluated.
const REJECTION_REASONS: [&str; 9] = [
    "deadline_exceeded",
    "incomplete_body",
    "malformed_review",
    "panic",
    "shed",
    "slow_body",
    "unknown_path",
    "wrong_content_type",
    "wrong_method",
];

/// Reviews that were answered, how long they took, and requests that were not evaluated.
#[derive(Debug)]
pub(super) struct ReviewMetrics {
    pub(super) answered: Family<ReviewLabels, Counter>,
    pub(super) duration: Histogram,
    pub(super) rejected: Family<ReasonLabel, Counter>,
}

impl ReviewMetrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            answered: Family::default(),
            duration: Histogram::new(LATENCY_BUCKETS),
            rejected: Family::default(),
        };
        metrics.create_series();
        metrics
    }

    /// Creates the series that alerts read: `increase()` sees the first event only if the counter was there before it.
    fn create_series(&self) {
        for reason in REJECTION_REASONS {
            drop(self.rejected.get_or_create(&ReasonLabel { reason }));
        }
        // The writer of a review that cannot be read is not known.
        for actor in Class::ALL.map(Class::as_str).into_iter().chain(["unknown"]) {
            for (verdict, answers) in [("drift", DRIFT_ANSWERS.as_slice()), ("error", &ERROR_ANSWERS)] {
                for &(answer, mode) in answers {
                    drop(self.answered.get_or_create(&ReviewLabels { verdict, actor, answer, mode }));
                }
            }
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("reviews", "Reviews answered", self.answered.clone());
        registry.register("review_duration_seconds", "From the request's headers to the answer", self.duration.clone());
        registry.register("requests_rejected", "Requests that were not evaluated", self.rejected.clone());
    }
}
