//! What is counted and measured, and its text.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use driftwall_core::canary::CanaryResult;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::applications::register_applications;
use super::called::{CalledMetrics, CanaryDisplay};
use super::certificates::CertificateMetrics;
use super::drift::{DriftLabels, DriftMetrics};
use super::exposition::{MetricsFormat, to_text_format};
use super::health::{Health, SelfCheckCounts};
use super::labels::{ReasonLabel, ResultLabel, ReviewLabels, VersionLabel};
use super::log_writer::lost_lines;
use super::registration::RegistrationMetrics;
use super::reviews::ReviewMetrics;
use super::sources::register_sources;

/// All metrics. Labels only take values from short, fixed lists or names from the
/// configuration, so that the number of time series stays bounded.
#[derive(Debug)]
pub struct Metrics {
    /// The cluster's name; empty where it has none.
    cluster: String,
    registry: Registry,
    reviews: ReviewMetrics,
    drift: DriftMetrics,
    /// Reviews that are being worked on.
    pub(crate) in_flight: Gauge,
    /// Reviews rejected because too many were in flight.
    pub(crate) overload_rejections: Counter,
    /// Connections of the webhook that are open.
    pub(crate) connections: Gauge,
    /// TLS handshakes that failed or took too long.
    pub(crate) handshake_failures: Counter,
    called: CalledMetrics,
    certificates: CertificateMetrics,
    config_reloads: Family<ResultLabel, Counter>,
    registration: RegistrationMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero, in a cluster without a name.
    pub fn new() -> Self {
        Self::of_cluster("")
    }

    /// Everything at zero. The cluster's name, where it has one, is the label `cluster` of every series.
    pub fn of_cluster(name: &str) -> Self {
        let mut metrics = Self {
            cluster: name.to_owned(),
            registry: registry(name),
            reviews: ReviewMetrics::new(),
            drift: DriftMetrics::default(),
            in_flight: Gauge::default(),
            overload_rejections: Counter::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
            called: CalledMetrics::default(),
            certificates: CertificateMetrics::new(),
            config_reloads: Family::default(),
            registration: RegistrationMetrics::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self {
            cluster: _,
            registry,
            reviews,
            drift,
            in_flight,
            overload_rejections,
            connections,
            handshake_failures,
            called,
            certificates,
            config_reloads,
            registration,
        } = self;
        reviews.register(registry);
        drift.register(registry);
        registry.register("reviews_in_flight", "Reviews that are being judged", in_flight.clone());
        registry.register(
            "reviews_shed",
            "Reviews rejected because too many were in flight",
            overload_rejections.clone(),
        );
        registry.register("connections", "Open connections to the webhook", connections.clone());
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed or took too long",
            handshake_failures.clone(),
        );
        called.register(registry);
        certificates.register(registry);
        registry.register("config_reloads", "Reloads of a changed configuration", config_reloads.clone());
        registration.register(registry);
        // No `Info`: its type is unknown to the text format.
        let build = Family::<VersionLabel, Gauge>::default();
        build.get_or_create(&VersionLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Version of the running program", build);
        // `increase()` in an alert sees the first event only if the counter was there before it.
        for result in [ResultLabel::OK, ResultLabel::FAILED] {
            drop(config_reloads.get_or_create(&result));
        }
    }

    /// Counts an answered review.
    pub(crate) fn count_review(&self, labels: &ReviewLabels) {
        self.reviews.answered.get_or_create(labels).inc();
    }

    /// Counts drift that was answered.
    pub(crate) fn count_drift(&self, labels: &DriftLabels) {
        self.drift.count(labels);
    }

    /// Records how long a review took.
    pub(crate) fn observe_latency(&self, duration: Duration) {
        self.reviews.duration.observe(duration.as_secs_f64());
    }

    /// Counts a request that was not evaluated.
    pub(crate) fn count_rejection(&self, reason: &'static str) {
        self.reviews.rejected.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Notes that a request of the API server has come.
    pub(crate) fn mark_called(&self) {
        self.called.mark_called();
    }

    /// Shows what is known of the canary.
    pub fn show_canary(&self, canary: CanaryDisplay) {
        self.called.show(canary);
    }

    /// Counts a canary that was sent.
    pub fn count_canary(&self, result: CanaryResult) {
        self.called.count_canary(result);
    }

    /// Counts a reload of a changed serving certificate.
    pub(crate) fn count_certificate_reload(&self, succeeded: bool) {
        self.certificates.count_reload(succeeded);
    }

    /// Counts a reload of a changed configuration.
    pub fn count_config_reload(&self, succeeded: bool) {
        self.config_reloads.get_or_create(&ResultLabel::of(succeeded)).inc();
    }

    /// Counts a write of the webhook configuration.
    pub fn count_registration_write(&self, succeeded: bool) {
        self.registration.count_write(succeeded);
    }

    /// Sets the state of the webhook configuration, which is one of the metric's label
    /// values, and its failure policy, where there is one.
    pub fn set_registration_state(&self, state: &'static str, failure_policy: Option<&str>) {
        self.registration.set_state(state, failure_policy);
    }

    /// Sets when the served certificate expires, in Unix time.
    pub(crate) fn set_certificate_expiry(&self, unix: i64) {
        self.certificates.set_not_after(unix);
    }

    /// Sets when the CA of the served certificate expires, in Unix time.
    pub fn set_ca_expiry(&self, unix: i64) {
        self.certificates.set_ca_not_after(unix);
    }

    /// Sets whether the registered `caBundle` trusts the served certificate; `None` while that is not known.
    pub fn set_certificate_trusted(&self, trusted: Option<bool>) {
        self.certificates.set_trusted(trusted);
    }

    /// The current text, in a format.
    pub fn render(&self, health: &dyn Health, format: MetricsFormat) -> String {
        let mut out = String::new();
        let at_scrape = self.scrape_time_registry(health);
        let encoded = text::encode_registry(&mut out, &self.registry)
            .and_then(|()| text::encode_registry(&mut out, &at_scrape))
            .and_then(|()| text::encode_eof(&mut out));
        if encoded.is_err() {
            // Without its end marker a scraper rejects the whole text instead of taking half of it.
            out.clear();
            let _ = writeln!(out, "# failed to encode the metrics");
        }
        match format {
            MetricsFormat::OpenMetrics => out,
            MetricsFormat::Text => to_text_format(&out),
        }
    }

    /// What is read at the time of a scrape rather than counted as it happens.
    fn scrape_time_registry(&self, health: &dyn Health) -> Registry {
        let mut registry = registry(&self.cluster);
        self.certificates.register_known(&mut registry);
        register_sources(&mut registry, health.sources(), health.mirrors());
        register_applications(&mut registry, &health.applications());
        register_self_checks(&mut registry, health.self_checks());
        let lost = Counter::<u64>::default();
        lost.inc_by(lost_lines());
        registry.register("log_lines_lost", "Lines of the log that came faster than they could be written", lost);
        registry
    }
}

fn register_self_checks(registry: &mut Registry, counts: SelfCheckCounts) {
    let SelfCheckCounts { compared, repeated, skipped } = counts;
    let checks = Family::<ResultLabel, Counter>::default();
    for (result, count) in [("compared", compared), ("repeated", repeated), ("skipped", skipped)] {
        checks.get_or_create(&ResultLabel { result }).inc_by(count);
    }
    registry.register("self_checks", "Writes of GitOps tools that were to be compared with the sources", checks);
}

fn registry(cluster: &str) -> Registry {
    let labels = (!cluster.is_empty()).then(|| ("cluster".into(), cluster.to_owned().into()));
    Registry::with_prefix_and_labels("driftwall", labels.into_iter())
}

/// The current Unix time in seconds.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}
