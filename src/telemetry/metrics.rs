//! What is counted and measured, and its `OpenMetrics` text.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::applications::register_applications;
use super::health::{Health, SkippedHealth};
use super::labels::{ReasonLabel, ResultLabel, ReviewLabels, SkippedLabels, SourceInfoLabels, SourceLabel};
use super::registration::RegistrationMetrics;

/// All metrics. Labels only take values from short, fixed lists or names from the
/// configuration, so that the number of time series stays bounded.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<ReviewLabels, Counter>,
    latency: Histogram,
    /// Reviews that are being worked on.
    pub(crate) in_flight: Gauge,
    /// Reviews rejected because too many were in flight.
    pub(crate) overload_rejections: Counter,
    rejected: Family<ReasonLabel, Counter>,
    /// Connections of the webhook that are open.
    pub(crate) connections: Gauge,
    /// TLS handshakes that failed or took too long.
    pub(crate) handshake_failures: Counter,
    certificate_reloads: Family<ResultLabel, Counter>,
    config_reloads: Family<ResultLabel, Counter>,
    registration: RegistrationMetrics,
    /// Unix time at which the served certificate expires; 0 while none is served.
    certificate_expiry: AtomicI64,
    /// Unix time at which the CA of the served certificate expires; 0 while it is not known.
    ca_expiry: AtomicI64,
    /// Whether the registered `caBundle` trusts the served certificate; negative while that is not known.
    certificate_trusted: AtomicI64,
}

/// The content type of [`Metrics::render`].
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Histogram buckets in seconds: from a review with nothing to compare to one that
/// takes as long as the API server waits by default.
const LATENCY_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("driftwall"),
            reviews: Family::default(),
            latency: Histogram::new(LATENCY_BUCKETS),
            in_flight: Gauge::default(),
            overload_rejections: Counter::default(),
            rejected: Family::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
            certificate_reloads: Family::default(),
            config_reloads: Family::default(),
            registration: RegistrationMetrics::default(),
            certificate_expiry: AtomicI64::new(0),
            ca_expiry: AtomicI64::new(0),
            certificate_trusted: AtomicI64::new(-1),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self {
            registry,
            reviews,
            latency,
            in_flight,
            overload_rejections,
            rejected,
            connections,
            handshake_failures,
            certificate_reloads,
            config_reloads,
            registration,
            certificate_expiry: _,
            ca_expiry: _,
            certificate_trusted: _,
        } = self;
        registry.register("reviews", "Reviews answered", reviews.clone());
        registry.register("review_duration_seconds", "From the request's headers to the answer", latency.clone());
        registry.register("reviews_in_flight", "Reviews that are being answered", in_flight.clone());
        registry.register(
            "reviews_shed",
            "Reviews rejected because too many were in flight",
            overload_rejections.clone(),
        );
        registry.register("requests_rejected", "Requests that were not evaluated", rejected.clone());
        registry.register("connections", "Open connections to the webhook", connections.clone());
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed or took too long",
            handshake_failures.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Reloads of a changed serving certificate",
            certificate_reloads.clone(),
        );
        registry.register("config_reloads", "Reloads of a changed configuration", config_reloads.clone());
        registration.register(registry);
        registry.register(
            "build",
            "Version of the running program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))].to_vec()),
        );
        // `increase()` in an alert sees the first event only if the counter was there before it.
        for result in [ResultLabel::OK, ResultLabel::FAILED] {
            drop(certificate_reloads.get_or_create(&result));
            drop(config_reloads.get_or_create(&result));
        }
    }

    /// Counts an answered review.
    pub(crate) fn count_review(&self, labels: &ReviewLabels) {
        self.reviews.get_or_create(labels).inc();
    }

    /// Records how long a review took.
    pub(crate) fn observe_latency(&self, duration: Duration) {
        self.latency.observe(duration.as_secs_f64());
    }

    /// Counts a request that was not evaluated.
    pub(crate) fn count_rejection(&self, reason: &'static str) {
        self.rejected.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Counts a reload of a changed serving certificate.
    pub(crate) fn count_certificate_reload(&self, succeeded: bool) {
        self.certificate_reloads.get_or_create(&ResultLabel::of(succeeded)).inc();
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
        self.certificate_expiry.store(unix, Ordering::Relaxed);
    }

    /// Sets when the CA of the served certificate expires, in Unix time.
    pub fn set_ca_expiry(&self, unix: i64) {
        self.ca_expiry.store(unix, Ordering::Relaxed);
    }

    /// Sets whether the registered `caBundle` trusts the served certificate; `None` while that is not known.
    pub fn set_certificate_trusted(&self, trusted: Option<bool>) {
        self.certificate_trusted.store(trusted.map_or(-1, i64::from), Ordering::Relaxed);
    }

    /// The current `OpenMetrics` text.
    pub fn render(&self, health: &dyn Health) -> String {
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
        out
    }

    /// What is read at the time of a scrape rather than counted as it happens.
    fn scrape_time_registry(&self, health: &dyn Health) -> Registry {
        let mut registry = Registry::with_prefix("driftwall");
        for (name, help, expiry) in [
            ("certificate_expiry_seconds", "Seconds until the served certificate expires", &self.certificate_expiry),
            ("ca_expiry_seconds", "Seconds until the CA of the served certificate expires", &self.ca_expiry),
        ] {
            let expiry = expiry.load(Ordering::Relaxed);
            if expiry != 0 {
                let left = Gauge::<i64>::default();
                left.set(expiry.saturating_sub(unix_now()));
                registry.register(name, help, left);
            }
        }
        let trusted = self.certificate_trusted.load(Ordering::Relaxed);
        if trusted >= 0 {
            let gauge = Gauge::<i64>::default();
            gauge.set(trusted);
            registry.register(
                "certificate_trusted",
                "1 if the registered caBundle trusts the served certificate",
                gauge,
            );
        }

        let age = Family::<SourceLabel, Gauge<f64, AtomicU64>>::default();
        let polls = Family::<SourceLabel, Counter>::default();
        let disputed_fields = Family::<SourceLabel, Gauge>::default();
        let contested_objects = Family::<SourceLabel, Gauge>::default();
        let objects = Family::<SourceLabel, Gauge>::default();
        let info = Family::<SourceInfoLabels, Gauge>::default();
        let failing = Family::<SourceLabel, Gauge>::default();
        let skipped = Family::<SkippedLabels, Gauge>::default();
        // The first source that reads a repository.
        let mut readers = HashMap::new();
        for source in health.sources() {
            readers.entry(source.repo.clone()).or_insert_with(|| source.name.clone());
            let label = SourceLabel { source: source.name.clone() };
            // An alert on the age must fire for a source that was never synced.
            age.get_or_create(&label).set(source.age.map_or(f64::INFINITY, |age| age.as_secs_f64()));
            polls.get_or_create(&label).inc_by(source.polls);
            let disputed = i64::try_from(source.disputed_fields.len()).unwrap_or(i64::MAX);
            disputed_fields.get_or_create(&label).set(disputed);
            let contested = i64::try_from(source.contested_objects.len()).unwrap_or(i64::MAX);
            contested_objects.get_or_create(&label).set(contested);
            objects.get_or_create(&label).set(i64::try_from(source.objects).unwrap_or(i64::MAX));
            failing.get_or_create(&label).set(i64::from(source.error.is_some()));
            for SkippedHealth { reason, count, .. } in source.skipped {
                let labels = SkippedLabels { source: source.name.clone(), reason };
                skipped.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            let labels = SourceInfoLabels { source: source.name, revision: source.revision, commit: source.commit };
            info.get_or_create(&labels).set(1);
        }
        registry.register("source_age_seconds", "Seconds since the last successful sync of the source", age);
        registry.register("source_polls", "Times the source was polled", polls);
        registry.register(
            "source_disputed_fields",
            "Fields to which a GitOps tool gives another value",
            disputed_fields,
        );
        registry.register(
            "source_contested_objects",
            "Objects that another declaration of the same priority contradicts; drift there is warned about at most",
            contested_objects,
        );
        registry.register("source_skipped", "Files, folders and documents of the source that are not read", skipped);
        registry.register("source_objects", "Objects that the source declares", objects);
        registry.register("source_info", "The commit in force", info);
        registry.register("source_failing", "1 if the last sync of the source failed", failing);
        let mirrors = Family::<SourceLabel, Gauge>::default();
        for mirror in health.mirrors() {
            // Every pod may read this, so no repository is named.
            let source = readers.get(&mirror.repo).cloned().unwrap_or_default();
            // Fetched with different credentials, a repository has several.
            let bytes = i64::try_from(mirror.bytes).unwrap_or(i64::MAX);
            mirrors.get_or_create(&SourceLabel { source }).inc_by(bytes);
        }
        registry.register("mirror_bytes", "Bytes that the mirror of a repository takes on the disk", mirrors);
        register_applications(&mut registry, &health.applications());
        registry
    }
}

/// The current Unix time in seconds.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{ApplicationHealth, DiscoveryHealth, MirrorHealth, SourceHealth, WatchHealth};

    struct StubHealth(Vec<SourceHealth>);

    impl Health for StubHealth {
        fn waiting_sources(&self) -> Vec<String> {
            Vec::new()
        }

        fn sources(&self) -> Vec<SourceHealth> {
            self.0.clone()
        }

        fn mirrors(&self) -> Vec<MirrorHealth> {
            let mirror = MirrorHealth { repo: "https://example.org/acme/gitops".into(), bytes: 4096 };
            vec![mirror.clone(), mirror]
        }

        fn applications(&self) -> DiscoveryHealth {
            let flux =
                ApplicationHealth { tool: "Flux", grade: "applied", objects: 12, ..ApplicationHealth::default() };
            let partly = ApplicationHealth { notes: vec!["a rule".into()], ..flux.clone() };
            let watch = WatchHealth { name: "kustomizations".into(), is_in_step: true, error: None };
            DiscoveryHealth { applications: vec![flux, partly], watches: vec![watch] }
        }
    }

    /// A text with a value for every metric.
    fn every_metric() -> String {
        let metrics = Metrics::new();
        metrics.count_review(&ReviewLabels { verdict: "drift", actor: "person", answer: "deny", mode: "enforce" });
        metrics.observe_latency(Duration::from_micros(70));
        metrics.count_rejection("slow_body");
        metrics.count_config_reload(false);
        metrics.set_registration_state("changed", Some("Fail"));
        metrics.count_registration_write(false);
        metrics.set_certificate_expiry(unix_now() + 1000);
        metrics.set_ca_expiry(unix_now() + 1000);
        metrics.set_certificate_trusted(Some(true));
        metrics.render(&StubHealth(vec![SourceHealth {
            name: "prod".into(),
            repo: "https://example.org/acme/gitops".into(),
            revision: "main".into(),
            commit: "abc".into(),
            objects: 7,
            age: Some(Duration::from_millis(1500)),
            polls: 4,
            error: Some("gone".into()),
            disputed_fields: vec!["spec.replicas".into()],
            contested_objects: vec!["ConfigMap prod/app".into()],
            skipped: vec![SkippedHealth {
                reason: "submodule",
                message: "in another repository",
                count: 2,
                places: vec!["lib".into()],
            }],
        }]))
    }

    #[test]
    fn the_text_has_every_metric_and_one_end_marker() {
        let text = every_metric();
        for line in [
            r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"} 1"#,
            r#"driftwall_review_duration_seconds_bucket{le="0.00005"} 0"#,
            r#"driftwall_review_duration_seconds_bucket{le="0.0001"} 1"#,
            r#"driftwall_review_duration_seconds_bucket{le="10.0"} 1"#,
            r#"driftwall_requests_rejected_total{reason="slow_body"} 1"#,
            r#"driftwall_config_reloads_total{result="failed"} 1"#,
            r#"driftwall_config_reloads_total{result="ok"} 0"#,
            r#"driftwall_registration{state="changed"} 1"#,
            r#"driftwall_registration{state="in_sync"} 0"#,
            r#"driftwall_registration_failure_policy{policy="Fail"} 1"#,
            r#"driftwall_registration_failure_policy{policy="Ignore"} 0"#,
            r#"driftwall_registration_writes_total{result="failed"} 1"#,
            "driftwall_reviews_in_flight 0",
            "driftwall_reviews_shed_total 0",
            "driftwall_connections 0",
            "driftwall_certificate_trusted 1",
            "driftwall_tls_handshake_failures_total 0",
            r#"driftwall_source_age_seconds{source="prod"} 1.5"#,
            r#"driftwall_source_objects{source="prod"} 7"#,
            r#"driftwall_source_polls_total{source="prod"} 4"#,
            r#"driftwall_source_disputed_fields{source="prod"} 1"#,
            r#"driftwall_source_contested_objects{source="prod"} 1"#,
            r#"driftwall_source_skipped{source="prod",reason="submodule"} 2"#,
            r#"driftwall_source_info{source="prod",revision="main",commit="abc"} 1"#,
            r#"driftwall_source_failing{source="prod"} 1"#,
            r#"driftwall_applications{tool="Flux",grade="applied"} 2"#,
            r#"driftwall_application_objects{tool="Flux"} 24"#,
            r#"driftwall_applications_partly_understood{tool="Flux"} 1"#,
            r#"driftwall_discovery_in_step{watch="kustomizations"} 1"#,
            r#"driftwall_mirror_bytes{source="prod"} 8192"#,
            concat!("driftwall_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# EOF").count(), 1);
        assert!(text.ends_with("# EOF\n"));
        for expiring in ["certificate", "ca"] {
            let name = format!("driftwall_{expiring}_expiry_seconds ");
            let left = text.lines().find_map(|l| l.strip_prefix(&name)).unwrap();
            assert!((900..=1000).contains(&left.parse::<i64>().unwrap()), "{expiring}: {left}");
        }
    }

    #[test]
    fn alerts_dashboard_and_runbook_use_only_metrics_that_exist() {
        let text = every_metric();
        let existing: std::collections::HashSet<_> = text.lines().map(metric_name).collect();
        for file in ["deploy/monitoring/driftwall.json", "deploy/monitoring/prometheusrule.yaml", "deploy/RUNBOOK.md"] {
            let shipped = std::fs::read_to_string(file).unwrap();
            let used: Vec<_> = shipped.match_indices("driftwall_").map(|(at, _)| metric_name(&shipped[at..])).collect();
            assert!(!used.is_empty(), "{file}");
            for metric in used {
                assert!(existing.contains(metric), "{file}: {metric} is not in\n{text}");
            }
        }
    }

    fn metric_name(text: &str) -> &str {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &text[..end.unwrap_or(text.len())]
    }
}
