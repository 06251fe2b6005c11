//! Tests of the metrics: a text with every one of them.

use std::time::Duration;

use driftwall_core::canary::CanaryResult;

use super::metrics::unix_now;
use super::{
    ApplicationHealth, CanaryDisplay, DiscoveryHealth, DriftLabels, Health, Metrics, MetricsFormat, MirrorHealth,
    ReviewLabels, SkippedHealth, SourceHealth, WatchHealth,
};

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
        let flux = ApplicationHealth { tool: "Flux", grade: "applied", objects: 12, ..ApplicationHealth::default() };
        let partly = ApplicationHealth { notes: vec!["a rule".into()], ..flux.clone() };
        let watch = WatchHealth { name: "kustomizations".into(), is_in_step: true, error: None };
        DiscoveryHealth { applications: vec![flux, partly], watches: vec![watch] }
    }
}

/// A text with a value for every metric.
fn every_metric(format: MetricsFormat) -> String {
    let metrics = Metrics::new();
    metrics.count_review(&ReviewLabels { verdict: "drift", actor: "person", answer: "deny", mode: "enforce" });
    metrics.count_drift(&DriftLabels {
        source: "prod".into(),
        object_namespace: "web".into(),
        kind: "Deployment".into(),
        actor: "person",
        answer: "deny",
    });
    metrics.observe_latency(Duration::from_micros(70));
    metrics.count_rejection("slow_body");
    metrics.count_config_reload(false);
    metrics.set_registration_state("changed", Some("Fail"));
    metrics.count_registration_write(false);
    metrics.set_certificate_expiry(unix_now() + 1000);
    metrics.set_ca_expiry(unix_now() + 1000);
    metrics.set_certificate_trusted(Some(true));
    metrics.mark_called();
    metrics.show_canary(CanaryDisplay::Result(CanaryResult::Timeout));
    metrics.count_canary(CanaryResult::Timeout);
    let sources = vec![SourceHealth {
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
    }];
    metrics.render(&StubHealth(sources), format)
}

#[test]
fn the_text_has_every_metric_and_one_end_marker() {
    let text = every_metric(MetricsFormat::OpenMetrics);
    for line in [
        r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"} 1"#,
        r#"driftwall_drift_total{source="prod",object_namespace="web",kind="Deployment",actor="person",answer="deny"} 1"#,
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
        r#"driftwall_canary{result="timeout"} 1"#,
        r#"driftwall_canary{result="called"} 0"#,
        r#"driftwall_canary{result="off"} 0"#,
        r#"driftwall_canary_sent_total{result="timeout"} 1"#,
        r#"driftwall_canary_sent_total{result="called"} 0"#,
        "driftwall_canary_last_called_timestamp_seconds 0",
        "driftwall_reviews_in_flight 0",
        "driftwall_reviews_shed_total 0",
        "driftwall_connections 0",
        "driftwall_certificate_trusted 1",
        "driftwall_tls_handshake_failures_total 0",
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
    // Of this process, whatever another test does.
    assert!(text.contains("\ndriftwall_log_lines_lost_total "), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("# EOF\n"));
    for (series, since) in [
        ("certificate_not_after_timestamp_seconds", 1000.0),
        ("ca_not_after_timestamp_seconds", 1000.0),
        ("last_called_timestamp_seconds", 0.0),
        ("source_last_sync_timestamp_seconds{source=\"prod\"}", -1.5),
    ] {
        let name = format!("driftwall_{series} ");
        let time: f64 = text.lines().find_map(|l| l.strip_prefix(&name)).unwrap().parse().unwrap();
        let now = f64::from(u32::try_from(unix_now()).unwrap());
        assert!((time - since - now).abs() < 100.0, "{series}: {time}");
    }
}

#[test]
fn alerts_dashboard_and_runbook_use_only_metrics_that_exist() {
    let text = every_metric(MetricsFormat::Text);
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

#[test]
fn every_series_has_the_name_of_the_cluster_where_it_has_one() {
    let sources = StubHealth(Vec::new());
    let text = Metrics::of_cluster("prod-eu-1").render(&sources, MetricsFormat::Text);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.len() > 50);
    assert!(samples.iter().all(|line| line.contains(r#"{cluster="prod-eu-1""#)), "{text}");
    assert!(!Metrics::new().render(&sources, MetricsFormat::Text).contains("cluster="));
}

#[test]
fn what_alerts_count_is_there_from_the_start() {
    let text = Metrics::new().render(&StubHealth(Vec::new()), MetricsFormat::Text);
    for series in [
        r#"driftwall_reviews_total{verdict="drift",actor="person",answer="warn",mode="break-glass"}"#,
        r#"driftwall_reviews_total{verdict="drift",actor="controller",answer="deny",mode="enforce"}"#,
        r#"driftwall_reviews_total{verdict="error",actor="unknown",answer="deny",mode="enforce"}"#,
        r#"driftwall_requests_rejected_total{reason="unknown_path"}"#,
        r#"driftwall_registration_writes_total{result="failed"}"#,
        r#"driftwall_canary_sent_total{result="timeout"}"#,
        r#"driftwall_canary{result="called"}"#,
        "driftwall_last_called_timestamp_seconds",
        "driftwall_reviews_shed_total",
    ] {
        assert!(text.lines().any(|line| line == format!("{series} 0")), "{series} is not in\n{text}");
    }
}
