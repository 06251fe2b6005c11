//! The answer to each sort of request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::harness::http_client::*;
use crate::harness::waiting::*;
use crate::server::harness::*;

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_http1_connection_carries_many_reviews() {
    let server = start_server().await;
    let mut client = server.http1().await;
    for uid in ["a", "b", "c"] {
        let answer = client.expect_answer(simple_review(uid)).await;
        answer.assert_answers(uid);
        assert!(!answer.closes());
    }
    assert_eq!(server.metric("driftwall_connections").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_http2_connection_carries_reviews_side_by_side() {
    let server = start_server().await;
    let client = server.http2().await;
    let mut held = client.stream();
    let held = tokio::spawn(async move {
        let body = json!({"uid": "held", "do": "hold"});
        held.expect_answer(review_request("?timeout=30s", &body)).await
    });
    server.wait_for_reviews(1).await;
    for uid in ["a", "b"] {
        client.stream().expect_answer(simple_review(uid)).await.assert_answers(uid);
    }
    server.stub.gate.add_permits(1);
    held.await.unwrap().assert_answers("held");
    assert_eq!(server.metric("driftwall_connections").await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_to_be_kept_is_answered_by_its_head_and_keeps_its_connection() {
    let server = start_server().await;
    // Far more than the sockets' buffers hold, so that a reset would be seen.
    let bodies = || [full_body(vec![b' '; 40 * MIB]), ChunkedBody(40 * MIB).boxed()];
    for mut client in [server.http1().await, server.http2().await] {
        for body in bodies() {
            let mut request = simple_review("");
            *request.body_mut() = body;
            let answer = client.expect_answer(request).await;
            answer.assert_answers("head");
            client.expect_answer(simple_review("next")).await.assert_answers("next");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_two_large_copies_is_read_whole() {
    let server = start_server().await;
    let mut client = server.http1().await;
    let body = json!({"uid": "large", "object": "x".repeat(7 * MIB)});
    client.expect_answer(review_request("", &body)).await.assert_answers("large");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_expects_100_continue_is_rejected_before_it_sends() {
    let server = start_server().await;
    let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
    stream
        .write_all(
            b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n\
              content-length: 20000000\r\nexpect: 100-continue\r\n\r\n",
        )
        .await
        .unwrap();
    let mut answer = vec![0; 1024];
    let read = in_time(stream.read(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_at_another_path_is_answered_before_its_body() {
    let server = start_server().await;
    for path in ["/", "/validate/", "/Validate", "/validat", "/validate%20"] {
        let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
        let head = format!(
            "POST {path}?timeout=30s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: 20000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = in_time(stream.read_to_string(&mut answer)).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(!answer.contains("validate"), "{answer}");
    }
    let rejected = r#"driftwall_requests_rejected_total{reason="unknown_path"}"#;
    assert_eq!(server.metric(rejected).await, Some(5.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_no_review_gets_the_fitting_status() {
    let server = start_server().await;
    for mut client in [server.http1().await, server.http2().await] {
        let mut text = simple_review("");
        let plain = "text/plain".parse().unwrap();
        text.headers_mut().insert("content-type", plain);
        let answer = client.expect_answer(text).await;
        answer.assert_status(415, "UnsupportedMediaType");

        let mut put = simple_review("");
        *put.method_mut() = Method::PUT;
        let answer = client.expect_answer(put).await;
        answer.assert_status(405, "MethodNotAllowed");
        assert_eq!(answer.headers["allow"], "POST");

        let mut elsewhere = simple_review("");
        *elsewhere.uri_mut() = "https://localhost/mutate".parse().unwrap();
        client.expect_answer(elsewhere).await.assert_status(404, "NotFound");

        let mut typed = simple_review("typed");
        let json = "application/json; charset=utf-8".parse().unwrap();
        typed.headers_mut().insert("content-type", json);
        client.expect_answer(typed).await.assert_answers("typed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overdue_review_is_answered_before_the_api_server_gives_up() {
    let server = start_server().await;
    let mut client = server.http1().await;
    // `block` keeps its thread: no time-out inside the review could see the deadline.
    for what in ["hold", "block"] {
        let begun = Instant::now();
        let body = json!({"uid": what, "do": what});
        let answer = client.expect_answer(review_request("?timeout=1s", &body)).await;
        answer.assert_answers(what);
        assert_eq!(answer.body["overdue"], true, "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{what}");
    }
    let refused = r#"driftwall_requests_rejected_total{reason="deadline_exceeded"}"#;
    assert_eq!(server.metric(refused).await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reviewer_gets_a_deadline_within_the_api_servers_timeout() {
    let server = start_server().await;
    let mut client = server.http1().await;
    for (query, most) in [("?timeout=20s", 19_500), ("", 9_500), ("?timeout=x", 9_500)] {
        let answer = client.expect_answer(review_request(query, &json!({"uid": "a"}))).await;
        let left = answer.body["left"].as_u64().unwrap();
        assert!((most / 2..=most).contains(&left), "{query}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_arrive_is_not_waited_for_beyond_the_timeout() {
    let server = start_server().await;
    let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
    stream
        .write_all(
            b"POST /validate?timeout=500ms HTTP/1.1\r\nhost: x\r\n\
              content-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        )
        .await
        .unwrap();
    let mut answer = String::new();
    // To the end: the connection closes, for the rest of the body may still come.
    let _ = in_time(stream.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let body: Value = serde_json::from_str(answer.rsplit("\r\n").next().unwrap()).unwrap();
    assert_eq!(body["kind"], "Status");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_beyond_the_limit_wait_for_their_place_and_are_rejected_only_at_the_end() {
    let server = start_server_with(|settings, _| settings.limits.in_flight = 2).await;
    let mut held = JoinSet::new();
    for _ in 0..2 {
        let mut client = server.http1().await;
        held.spawn(async move {
            let body = json!({"uid": "held", "do": "hold"});
            client.expect_answer(review_request("?timeout=30s", &body)).await
        });
    }
    server.wait_for_reviews(2).await;
    let in_flight = "driftwall_reviews_in_flight";
    assert_eq!(server.metric(in_flight).await, Some(2.0));

    let mut client = server.http1().await;
    let answer = client.expect_answer(review_request("?timeout=300ms", &json!({"uid": "third"}))).await;
    answer.assert_status(429, "TooManyRequests");
    assert_eq!(answer.headers["retry-after"], "1");
    let shed = "driftwall_reviews_shed_total";
    assert_eq!(server.metric(shed).await, Some(1.0));

    let waiting = tokio::spawn(async move {
        let answer = client.expect_answer(review_request("?timeout=30s", &json!({"uid": "fourth"}))).await;
        answer.assert_answers("fourth");
    });
    // One place is enough for it.
    server.stub.gate.add_permits(1);
    waiting.await.unwrap();
    server.stub.gate.add_permits(1);
    while let Some(answer) = held.join_next().await {
        answer.unwrap().assert_answers("held");
    }
    assert_eq!(server.metric(in_flight).await, Some(0.0));
    assert_eq!(server.metric(shed).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_whose_client_left_frees_its_permit() {
    let server = start_server_with(|settings, _| settings.limits.in_flight = 1).await;
    let mut client = server.http1().await;
    let connection = client.connection.abort_handle();
    let left = tokio::spawn(async move {
        let body = json!({"uid": "left", "do": "hold"});
        let _ = client.send(review_request("?timeout=30s", &body)).await;
    });
    server.wait_for_reviews(1).await;
    connection.abort();
    left.await.unwrap();
    server.wait_for_metric("driftwall_reviews_in_flight", 0.0).await;
    server.http1().await.expect_answer(simple_review("a")).await.assert_answers("a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_fails_only_its_own_review() {
    let server = start_server().await;
    let mut http1 = server.http1().await;
    let http2 = server.http2().await;
    let mut held = http2.stream();
    let held = tokio::spawn(async move {
        let body = json!({"uid": "held", "do": "hold"});
        held.expect_answer(review_request("?timeout=30s", &body)).await
    });
    server.wait_for_reviews(1).await;
    let panic = || review_request("", &json!({"uid": "p", "do": "panic"}));
    for client in [&mut http1, &mut http2.stream()] {
        client.expect_answer(panic()).await.assert_status(500, "InternalError");
        client.expect_answer(simple_review("next")).await.assert_answers("next");
    }
    server.stub.gate.add_permits(1);
    held.await.unwrap().assert_answers("held");
    let refused = r#"driftwall_requests_rejected_total{reason="panic"}"#;
    assert_eq!(server.metric(refused).await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_connections_at_once_are_all_answered() {
    let server = Arc::new(start_server().await);
    let mut clients = JoinSet::new();
    for client in 0..100 {
        let server = Arc::clone(&server);
        clients.spawn(async move {
            let mut connection = server.http1().await;
            for request in 0..10 {
                let uid = format!("{client}-{request}");
                let answer = connection.expect_answer(simple_review(&uid)).await;
                assert_eq!(answer.status, StatusCode::OK);
                answer.assert_answers(&uid);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}
