//! Logs and metrics, and what the metrics ask of the program's owner.

mod health;
mod logging;
mod registration;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use health::{Health, SourceHealth};
pub use logging::{LogError, LogFormat, init_logging};
use registration::Registration;

/// The labels under which a review is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Tally {
    /// What the review found.
    pub verdict: &'static str,
    /// The class of who writes.
    pub actor: &'static str,
    /// What was answered.
    pub answer: &'static str,
    /// The mode that turned the verdict into the answer.
    pub mode: &'static str,
}

/// Everything that is counted. Labels only ever take values from short, fixed
/// lists, or name what the configuration names.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Tally, Counter>,
    duration: Histogram,
    /// Reviews that are being worked on.
    pub(crate) in_flight: Gauge,
    /// Reviews turned away because too many were in flight.
    pub(crate) shed: Counter,
    refused: Family<Reason, Counter>,
    /// Connections of the webhook that are open.
    pub(crate) connections: Gauge,
    /// TLS handshakes that failed or took too long.
    pub(crate) handshake_failures: Counter,
    certificate_reloads: Family<Outcome, Counter>,
    config_reloads: Family<Outcome, Counter>,
    registration: Registration,
    /// Unix time at which the served certificate ends; 0 where none is served.
    certificate_until: AtomicI64,
    /// Unix time at which the CA of the served certificate ends; 0 where it is not known.
    authority_until: AtomicI64,
    /// Whether API servers trust what is served; negative while that is not known.
    certificate_trusted: AtomicI64,
}

/// The content type of [`Metrics::render`].
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a review that finds nothing to compare to one that fills the longest
/// time-out the API server grants.
const DURATIONS: [f64; 17] = [
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
            duration: Histogram::new(DURATIONS),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            refused: Family::default(),
            connections: Gauge::default(),
            handshake_failures: Counter::default(),
            certificate_reloads: Family::default(),
            config_reloads: Family::default(),
            registration: Registration::default(),
            certificate_until: AtomicI64::new(0),
            authority_until: AtomicI64::new(0),
            certificate_trusted: AtomicI64::new(-1),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self {
            registry,
            reviews,
            duration,
            in_flight,
            shed,
            refused,
            connections,
            handshake_failures,
            certificate_reloads,
            config_reloads,
            registration,
            certificate_until: _,
            authority_until: _,
            certificate_trusted: _,
        } = self;
        registry.register("reviews", "Reviews answered", reviews.clone());
        registry.register("review_duration_seconds", "From the head of a review to its answer", duration.clone());
        registry.register("reviews_in_flight", "Reviews being worked on", in_flight.clone());
        registry.register("reviews_shed", "Reviews turned away because too many were in flight", shed.clone());
        registry.register("requests_refused", "Requests that were not judged", refused.clone());
        registry.register("connections", "Open connections of the webhook", connections.clone());
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed or took too long",
            handshake_failures.clone(),
        );
        registry.register(
            "certificate_reloads",
            "Times a changed serving certificate was taken over or refused",
            certificate_reloads.clone(),
        );
        registry.register(
            "config_reloads",
            "Times a changed configuration was taken over or refused",
            config_reloads.clone(),
        );
        registration.register(registry);
        registry.register("build", "The running program", Info::new([("version", env!("CARGO_PKG_VERSION"))].to_vec()));
        // A counter that is there before its first event can be alerted upon.
        for result in [true, false] {
            drop(certificate_reloads.get_or_create(&Outcome::of(result)));
            drop(config_reloads.get_or_create(&Outcome::of(result)));
        }
    }

    /// Counts an answered review.
    pub(crate) fn reviewed(&self, tally: &Tally) {
        self.reviews.get_or_create(tally).inc();
    }

    /// Notes how long a review took.
    pub(crate) fn took(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
    }

    /// Counts a request that was not judged.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a changed certificate, taken over or refused.
    pub(crate) fn certificate_reloaded(&self, taken: bool) {
        self.certificate_reloads.get_or_create(&Outcome::of(taken)).inc();
    }

    /// Counts a changed configuration, taken over or refused.
    pub fn config_reloaded(&self, taken: bool) {
        self.config_reloads.get_or_create(&Outcome::of(taken)).inc();
    }

    /// Counts a write of the registration.
    pub fn registration_written(&self, written: bool) {
        self.registration.written(written);
    }

    /// Notes how the registration stands, by one of the names that the metric has,
    /// and its failure policy, where there is one.
    pub fn registration_stands(&self, now: &'static str, failure_policy: Option<&str>) {
        self.registration.stands(now, failure_policy);
    }

    /// Notes the Unix time at which the served certificate ends.
    pub(crate) fn certificate_ends(&self, unix: i64) {
        self.certificate_until.store(unix, Ordering::Relaxed);
    }

    /// Notes the Unix time at which the CA ends that has signed what is served.
    pub fn authority_ends(&self, unix: i64) {
        self.authority_until.store(unix, Ordering::Relaxed);
    }

    /// Notes whether what is served is trusted by what is registered; nothing while that is not known.
    pub fn certificate_trusted(&self, trusted: Option<bool>) {
        self.certificate_trusted.store(trusted.map_or(-1, i64::from), Ordering::Relaxed);
    }

    /// The `OpenMetrics` text of this moment.
    pub fn render(&self, health: &dyn Health) -> String {
        let mut out = String::new();
        let moment = self.moment(health);
        let written = text::encode_registry(&mut out, &self.registry)
            .and_then(|()| text::encode_registry(&mut out, &moment))
            .and_then(|()| text::encode_eof(&mut out));
        if written.is_err() {
            // Without its end mark the text is refused as a whole, not half believed.
            out.clear();
            let _ = writeln!(out, "# failed to encode the metrics");
        }
        out
    }

    /// What is asked at the time of a scrape rather than counted.
    fn moment(&self, health: &dyn Health) -> Registry {
        let mut registry = Registry::with_prefix("driftwall");
        for (name, help, until) in [
            ("certificate_expiry_seconds", "Seconds until the served certificate ends", &self.certificate_until),
            ("authority_expiry_seconds", "Seconds until the CA of the served certificate ends", &self.authority_until),
        ] {
            let until = until.load(Ordering::Relaxed);
            if until != 0 {
                let left = Gauge::<i64>::default();
                left.set(until.saturating_sub(unix_now()));
                registry.register(name, help, left);
            }
        }
        let trusted = self.certificate_trusted.load(Ordering::Relaxed);
        if trusted >= 0 {
            let gauge = Gauge::<i64>::default();
            gauge.set(trusted);
            registry.register("certificate_trusted", "1 where the registered caBundle trusts what is served", gauge);
        }

        let age = Family::<Source, Gauge<f64, AtomicU64>>::default();
        let looks = Family::<Source, Counter>::default();
        let doubts = Family::<Source, Gauge>::default();
        let objects = Family::<Source, Gauge>::default();
        let info = Family::<SourceInfo, Gauge>::default();
        let failing = Family::<Source, Gauge>::default();
        for source in health.sources() {
            let label = Source { source: source.name.clone() };
            // A source that was never seen has no age, and no alert should take it for fresh.
            age.get_or_create(&label).set(source.age.map_or(f64::INFINITY, |age| age.as_secs_f64()));
            looks.get_or_create(&label).inc_by(source.looks);
            doubts.get_or_create(&label).set(i64::try_from(source.doubts.len()).unwrap_or(i64::MAX));
            objects.get_or_create(&label).set(i64::try_from(source.objects).unwrap_or(i64::MAX));
            failing.get_or_create(&label).set(i64::from(source.error.is_some()));
            info.get_or_create(&SourceInfo { source: source.name, revision: source.revision, commit: source.commit })
                .set(1);
        }
        registry.register("source_age_seconds", "Since the last successful look at the source", age);
        registry.register("source_looks", "How often the source was looked at", looks);
        registry.register("source_doubts", "Fields that Git's own hand writes otherwise", doubts);
        registry.register("source_objects", "Objects that the source holds", objects);
        registry.register("source_info", "The commit in force", info);
        registry.register("source_failing", "1 where the last look at the source failed", failing);
        registry
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

impl Outcome {
    fn of(taken: bool) -> Self {
        let result = if taken { "ok" } else { "refused" };
        Self { result }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceInfo {
    source: String,
    revision: String,
    commit: String,
}

/// Seconds since 1970 by the system's clock.
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

    struct Fixed(Vec<SourceHealth>);

    impl Health for Fixed {
        fn waiting(&self) -> Vec<String> {
            Vec::new()
        }

        fn sources(&self) -> Vec<SourceHealth> {
            self.0.clone()
        }
    }

    /// A text with something of everything.
    fn full() -> String {
        let metrics = Metrics::new();
        metrics.reviewed(&Tally { verdict: "drift", actor: "person", answer: "deny", mode: "enforce" });
        metrics.took(Duration::from_micros(70));
        metrics.refused("too_large");
        metrics.config_reloaded(false);
        metrics.registration_stands("changed", Some("Fail"));
        metrics.registration_written(false);
        metrics.certificate_ends(unix_now() + 1000);
        metrics.authority_ends(unix_now() + 1000);
        metrics.certificate_trusted(Some(true));
        metrics.render(&Fixed(vec![SourceHealth {
            name: "prod".into(),
            repo: "https://example.org/acme/gitops".into(),
            revision: "main".into(),
            commit: "abc".into(),
            objects: 7,
            age: Some(Duration::from_millis(1500)),
            looks: 4,
            error: Some("gone".into()),
            doubts: vec!["spec.replicas".into()],
        }]))
    }

    #[test]
    fn the_text_tells_counts_and_sources_and_ends_once() {
        let text = full();
        for line in [
            r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"} 1"#,
            r#"driftwall_review_duration_seconds_bucket{le="0.00005"} 0"#,
            r#"driftwall_review_duration_seconds_bucket{le="0.0001"} 1"#,
            r#"driftwall_review_duration_seconds_bucket{le="10.0"} 1"#,
            r#"driftwall_requests_refused_total{reason="too_large"} 1"#,
            r#"driftwall_config_reloads_total{result="refused"} 1"#,
            r#"driftwall_config_reloads_total{result="ok"} 0"#,
            r#"driftwall_registration{state="changed"} 1"#,
            r#"driftwall_registration{state="as_wanted"} 0"#,
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
            r#"driftwall_source_looks_total{source="prod"} 4"#,
            r#"driftwall_source_doubts{source="prod"} 1"#,
            r#"driftwall_source_info{source="prod",revision="main",commit="abc"} 1"#,
            r#"driftwall_source_failing{source="prod"} 1"#,
            concat!("driftwall_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# EOF").count(), 1);
        assert!(text.ends_with("# EOF\n"));
        for of in ["certificate", "authority"] {
            let name = format!("driftwall_{of}_expiry_seconds ");
            let left = text.lines().find_map(|l| l.strip_prefix(&name)).unwrap();
            assert!((900..=1000).contains(&left.parse::<i64>().unwrap()), "{of}: {left}");
        }
    }

    #[test]
    fn what_is_shipped_asks_only_for_metrics_that_there_are() {
        let text = full();
        let printed: std::collections::HashSet<_> = text.lines().map(name).collect();
        for file in ["deploy/monitoring/driftwall.json", "deploy/monitoring/prometheusrule.yaml", "deploy/RUNBOOK.md"] {
            let shipped = std::fs::read_to_string(file).unwrap();
            let asked: Vec<_> = shipped.match_indices("driftwall_").map(|(at, _)| name(&shipped[at..])).collect();
            assert!(!asked.is_empty(), "{file}");
            for metric in asked {
                assert!(printed.contains(metric), "{file}: {metric} is not in\n{text}");
            }
        }
    }

    fn name(text: &str) -> &str {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &text[..end.unwrap_or(text.len())]
    }
}
