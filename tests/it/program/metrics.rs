//! The metrics of a running server, as Prometheus' own tool reads them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::common::programs;
use crate::harness::http_client::{get_page, get_page_as};
use crate::harness::reviews::recorded_review;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess};

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let Some(promtool) = programs::of_package("/usr/bin/promtool", "prometheus") else { return };
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    assert_eq!(server.review(&recorded_review("patch-replicas-7", "alice")).await["allowed"], false);
    let (_, headers, text) = get_page(server.admin, "/metrics").await;
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(text.contains("driftwall_build_info{") && text.contains(r#"verdict="drift""#), "{text}");

    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = check.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_metrics_have_the_samples_of_the_text_and_an_end() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (_, headers, open_metrics) = get_page_as(server.admin, "/metrics", prometheus).await;
    assert_eq!(headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open_metrics.ends_with("# EOF\n"));
    let (_, _, text) = get_page(server.admin, "/metrics").await;
    let series = |page: &str| -> Vec<String> {
        let samples = page.lines().filter(|line| !line.starts_with('#'));
        let mut names: Vec<_> = samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(series(&open_metrics), series(&text));
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_counted_by_place_in_a_cluster_with_a_name() {
    let config = format!("clusterName: prod-eu-1\n{PROD_SOURCE}");
    let server = ServeProcess::with_config(&config).until_ready().await;
    let response = server.review(&recorded_review("patch-replicas-7", "alice")).await;
    assert_eq!(response["auditAnnotations"]["cluster"], "prod-eu-1");
    let series = "driftwall_drift_total{cluster=\"prod-eu-1\",source=\"prod\",object_namespace=\"prod\",\
                  kind=\"Deployment\",actor=\"person\",answer=\"deny\"}";
    assert_eq!(server.metric(series).await, 1.0);
    let (_, text) = server.admin_page("/metrics").await;
    let nameless = text.lines().find(|line| !line.starts_with('#') && !line.contains(r#"cluster="prod-eu-1""#));
    assert_eq!(nameless, None);
    assert!(!text.contains("alice") && !text.contains("python-app-prod"), "{text}");
}
