//! Clients that are slow, silent or many.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::http_client::*;
use crate::harness::waiting::*;
use crate::server::harness::*;

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_block_nobody_and_are_closed() {
    let server = start_server_with(|settings, _| settings.timeouts.handshake = Duration::from_secs(2)).await;
    let mut silent = Vec::new();
    for turn in 0..60 {
        let mut stream = TcpStream::connect(server.webhook).await.unwrap();
        if turn % 2 == 0 {
            // The beginning of a handshake, and no more.
            stream.write_all(&[22, 3, 1, 2, 0]).await.unwrap();
        }
        silent.push(stream);
    }
    server.http1().await.expect_answer(simple_review("a")).await.assert_answers("a");
    for mut stream in silent {
        // Closed or reset, as long as it ends.
        let _ = in_time(stream.read_to_end(&mut Vec::new())).await;
    }
    server.wait_for_metric("driftwall_tls_handshake_failures_total", 60.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incomplete_request_head_closes_the_connection() {
    let server = start_server_with(|settings, _| settings.timeouts.headers = SHORT).await;
    let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
    stream.write_all(b"POST /validate HT").await.unwrap();
    let _ = in_time(stream.read_to_end(&mut Vec::new())).await;
    server.wait_for_metric("driftwall_connections", 0.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_a_request_head_slowly_does_not_extend_its_timeout() {
    let server = start_server_with(|settings, _| settings.timeouts.headers = SHORT).await;
    let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
    in_time(async {
        stream.write_all(b"POST /validate HTTP/1.1\r\n").await.unwrap();
        while stream.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 6).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_heads_of_requests_take_is_bounded() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    const MAX_HEADER_LIST_SIZE: u16 = 6;
    let server = start_server().await;
    let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
    let mut answer = String::new();
    in_time(async {
        let head = format!("GET / HTTP/1.1\r\nx: {}", "a".repeat(33 * 1024));
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.read_to_string(&mut answer).await;
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let mut config = server.trusting_client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut stream = connect(server.webhook, config).await.unwrap();
    let mut frame = [0; 9];
    let mut settings = Vec::new();
    in_time(async {
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        stream.read_exact(&mut frame).await.unwrap();
        settings.resize(frame[2].into(), 0);
        stream.read_exact(&mut settings).await.unwrap();
    })
    .await;
    let value_of = |id: u16| {
        let found = settings.chunks_exact(6).find(|setting| setting[..2] == id.to_be_bytes());
        found.map(|setting| u32::from_be_bytes(setting[2..].try_into().unwrap()))
    };
    assert_eq!((frame[3], value_of(MAX_CONCURRENT_STREAMS), value_of(MAX_HEADER_LIST_SIZE)), (4, Some(64), Some(8192)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timeout_of_a_request_head_does_not_include_idle_time() {
    let server = start_server_with(|settings, _| settings.timeouts.headers = SHORT).await;
    // Before its first request, and between two.
    for mut client in [server.http1().await, server.http2().await] {
        tokio::time::sleep(4 * SHORT).await;
        client.expect_answer(simple_review("a")).await.assert_answers("a");
        tokio::time::sleep(4 * SHORT).await;
        client.expect_answer(simple_review("b")).await.assert_answers("b");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed() {
    let server = start_server_with(|settings, _| settings.timeouts.idle = SHORT).await;
    in_time(server.http1().await.connection).await.unwrap();
    in_time(server.http2().await.connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_idle_connection_makes_room_and_a_busy_one_does_not() {
    let server = start_server_with(|settings, _| settings.max_connections = 2).await;
    let client = server.http2().await;
    let mut held = client.stream();
    let held = tokio::spawn(async move {
        let body = serde_json::json!({"uid": "held", "do": "hold"});
        held.expect_answer(review_request("?timeout=30s", &body)).await
    });
    server.wait_for_reviews(1).await;
    let mut open = Vec::new();
    for uid in ["a", "b", "c"] {
        // Each takes the place of the one before it, which has nothing to do any more.
        let mut next = server.http1().await;
        next.expect_answer(simple_review(uid)).await.assert_answers(uid);
        open.push(next);
    }
    server.stub.gate.add_permits(1);
    held.await.unwrap().assert_answers("held");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_address_the_oldest_stranger_makes_room_and_who_knows_the_path_stays() {
    let server = start_server_with(|settings, _| settings.max_strangers = 2).await;
    let mut known = server.http1().await;
    known.expect_answer(simple_review("a")).await.assert_answers("a");
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(server.http1().await);
    }
    for mut gone in strangers.drain(..17) {
        let _ = in_time(&mut gone.connection).await;
    }
    // Not even a request at another path makes it known.
    let mut elsewhere = simple_review("");
    *elsewhere.uri_mut() = "https://localhost/mutate".parse().unwrap();
    strangers[1].expect_answer(elsewhere).await.assert_status(404, "NotFound");
    known.expect_answer(simple_review("b")).await.assert_answers("b");
    server.http1().await.expect_answer(simple_review("c")).await.assert_answers("c");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_so_many_http2_connections_http1_is_spoken() {
    let server = start_server().await;
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut config = server.trusting_client();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = connect(server.webhook, config).await.unwrap();
        open.push((stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec), stream));
    }
    let spoken: Vec<_> = open.iter().filter_map(|(protocol, _)| protocol.as_deref()).collect();
    assert_eq!(spoken.iter().filter(|protocol| **protocol == b"h2").count(), 32, "{spoken:?}");
    server.http1().await.expect_answer(simple_review("a")).await.assert_answers("a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_are_answered_beside_idle_connections() {
    let server = start_server_with(|_, _| {}).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(server.admin).await.unwrap());
    }
    let probe = b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(server.admin).await.unwrap();
    stream.write_all(probe).await.unwrap();
    let mut answer = String::new();
    in_time(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_bodies_take_no_place_from_others() {
    let server = start_server_with(|settings, _| settings.limits.in_flight = 2).await;
    let mut unfinished = Vec::new();
    for length in [1000, 1000, 1000, 8_000_000] {
        let mut stream = connect(server.webhook, server.trusting_client()).await.unwrap();
        let head = format!(
            "POST /validate?timeout=30s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        unfinished.push(stream);
    }
    server.http1().await.expect_answer(simple_review("a")).await.assert_answers("a");
    for mut stream in unfinished {
        let mut answer = vec![0; 64];
        let read = in_time(stream.read(&mut answer)).await.unwrap();
        assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 408"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_http1_connection_is_closed_with_an_answer() {
    let server = start_server_with(|settings, _| settings.timeouts.max_connection_age = SHORT).await;
    let mut client = server.http1().await;
    tokio::time::sleep(2 * SHORT).await;
    // Not while it waits: its client might be sending.
    assert!(!client.connection.is_finished());
    let answer = client.expect_answer(simple_review("a")).await;
    answer.assert_answers("a");
    assert!(answer.closes());
    in_time(client.connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_http2_connection_gets_goaway_and_finishes() {
    let server = start_server_with(|settings, _| settings.timeouts.max_connection_age = 4 * SHORT).await;
    let client = server.http2().await;
    let mut held = client.stream();
    let held = tokio::spawn(async move {
        let body = serde_json::json!({"uid": "held", "do": "hold"});
        held.expect_answer(review_request("?timeout=30s", &body)).await
    });
    server.wait_for_reviews(1).await;
    tokio::time::sleep(5 * SHORT).await;
    server.stub.gate.add_permits(1);
    held.await.unwrap().assert_answers("held");
    in_time(client.connection).await.unwrap();
}
