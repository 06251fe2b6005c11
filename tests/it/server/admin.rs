//! Probes and metrics.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use serde_json::json;

use crate::harness::http_client::*;
use crate::harness::waiting::*;
use crate::server::harness::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_probes_show_starting_ready_and_draining() {
    let server = start_server_with(|settings, _| {
        settings.timeouts.drain = HANG;
    })
    .await;
    let live = async || assert_eq!(server.get("/livez").await.2, "ok");

    *server.sources.waiting.lock().unwrap() = vec!["prod".into(), "web".into()];
    live().await;
    let (status, _, text) = server.get("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text, "waiting for sources: prod, web");

    server.sources.waiting.lock().unwrap().clear();
    let (status, _, text) = server.get("/readyz").await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "ok\nprod: main @ c0ffee, synced 2 s ago\n"));

    server.signal_once();
    eventually("unready", async || server.get("/readyz").await.0 == StatusCode::SERVICE_UNAVAILABLE).await;
    live().await;
    // Unready is not closed.
    server.http1().await.expect_answer(simple_review("a")).await.assert_answers("a");

    server.signal_twice();
    in_time(server.task).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_rejections_and_sources_are_in_the_metrics() {
    let server = start_server().await;
    let mut client = server.http1().await;
    for _ in 0..3 {
        client.expect_answer(simple_review("a")).await;
    }
    client.expect_answer(review_request("", &json!({"uid": "a", "do": "garbage"}))).await;
    let (status, headers, text) = server.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        r#"driftwall_reviews_total{verdict="none",actor="person",answer="allow",mode="enforce"} 3"#,
        "driftwall_review_duration_seconds_count 4",
        "driftwall_reviews_in_flight 0",
        "driftwall_reviews_shed_total 0",
        r#"driftwall_requests_rejected_total{reason="malformed_review"} 1"#,
        "driftwall_connections 1",
        r#"driftwall_certificate_reloads_total{result="ok"} 0"#,
        r#"driftwall_source_info{source="prod",revision="main",commit="c0ffee"} 1"#,
        r#"driftwall_source_objects{source="prod"} 3"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    let expires = server.metric("driftwall_certificate_not_after_timestamp_seconds").await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((80_000.0..=86_400.0).contains(&(expires - now)), "{expires}");
    drop(client);
    server.wait_for_metric("driftwall_connections", 0.0).await;
}
