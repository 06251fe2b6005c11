//! The metrics of the serving certificate.

use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::ResultLabel;

/// The serving certificate: how long it is valid, whether it is trusted, how often it was loaded.
#[derive(Debug)]
pub(super) struct CertificateMetrics {
    reloads: Family<ResultLabel, Counter>,
    /// Unix time at which the served certificate expires; 0 while none is served.
    not_after: AtomicI64,
    /// Unix time at which its CA expires; 0 while that is not known.
    ca_not_after: AtomicI64,
    /// Whether the registered `caBundle` trusts the served certificate; negative while that is not known.
    trusted: AtomicI64,
}

impl CertificateMetrics {
    pub(super) fn new() -> Self {
        Self {
            reloads: Family::default(),
            not_after: AtomicI64::new(0),
            ca_not_after: AtomicI64::new(0),
            trusted: AtomicI64::new(-1),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        // `increase()` in an alert sees the first event only if the counter was there before it.
        for result in [ResultLabel::OK, ResultLabel::FAILED] {
            drop(self.reloads.get_or_create(&result));
        }
        registry.register("certificate_reloads", "Reloads of a changed serving certificate", self.reloads.clone());
    }

    /// Registers what is missing while it is not known.
    pub(super) fn register_known(&self, registry: &mut Registry) {
        let gauge = |value: i64| {
            let gauge = Gauge::<i64>::default();
            gauge.set(value);
            gauge
        };
        let known = |time: &AtomicI64| Some(time.load(Ordering::Relaxed)).filter(|time| *time != 0);
        if let Some(time) = known(&self.not_after) {
            registry.register(
                "certificate_not_after_timestamp_seconds",
                "When the served certificate expires, in Unix time",
                gauge(time),
            );
        }
        if let Some(time) = known(&self.ca_not_after) {
            registry.register(
                "ca_not_after_timestamp_seconds",
                "When the CA of the served certificate expires, in Unix time",
                gauge(time),
            );
        }
        let trusted = self.trusted.load(Ordering::Relaxed);
        if trusted >= 0 {
            registry.register(
                "certificate_trusted",
                "1 if the registered caBundle trusts the served certificate",
                gauge(trusted),
            );
        }
    }

    pub(super) fn count_reload(&self, succeeded: bool) {
        self.reloads.get_or_create(&ResultLabel::of(succeeded)).inc();
    }

    pub(super) fn set_not_after(&self, unix: i64) {
        self.not_after.store(unix, Ordering::Relaxed);
    }

    pub(super) fn set_ca_not_after(&self, unix: i64) {
        self.ca_not_after.store(unix, Ordering::Relaxed);
    }

    pub(super) fn set_trusted(&self, trusted: Option<bool>) {
        self.trusted.store(trusted.map_or(-1, i64::from), Ordering::Relaxed);
    }
}
