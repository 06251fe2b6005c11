//! Draining on the first signal, ending at once on the second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::http_client::*;
use crate::harness::waiting::*;
use crate::server::harness::*;

/// What clients saw, all together.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    closes: AtomicUsize,
    lost: AtomicUsize,
    ending: AtomicBool,
}

/// A client such as the API server: it keeps a connection for as long as it may,
/// and goes on with another one.
async fn keep_asking(address: SocketAddr, config: ClientConfig, seen: Arc<Seen>) {
    let http2 = !config.alpn_protocols.is_empty();
    loop {
        let Ok(stream) = connect(address, config.clone()).await else {
            // No review was sent: the client goes to another replica.
            assert!(seen.ending.load(Ordering::SeqCst), "refused while serving");
            return;
        };
        let client = if http2 { Client::http2(stream).await } else { Client::http1(stream).await };
        let Ok(mut client) = client else { continue };
        loop {
            match client.send(simple_review("a")).await {
                Sent::Answered(answer) => {
                    answer.assert_answers("a");
                    seen.answered.fetch_add(1, Ordering::SeqCst);
                    if answer.closes() {
                        seen.closes.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                }
                Sent::Unsent => break,
                Sent::Lost(error) => {
                    eprintln!("lost (HTTP/2: {http2}): {error:?}");
                    seen.lost.fetch_add(1, Ordering::SeqCst);
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_is_lost_when_the_server_drains_under_load() {
    let server = start_server_with(|settings, _| {
        // Longer than a busy machine keeps a client waiting for its turn.
        settings.timeouts.drain = Duration::from_secs(3);
    })
    .await;
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let mut config = server.trusting_client();
        if client % 4 == 0 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        clients.spawn(keep_asking(server.webhook, config, Arc::clone(&seen)));
    }
    eventually("load", async || seen.answered.load(Ordering::SeqCst) > 200).await;
    assert_eq!(seen.closes.load(Ordering::SeqCst), 0);
    let before = seen.answered.load(Ordering::SeqCst);
    seen.ending.store(true, Ordering::SeqCst);
    server.signal_once();
    while let Some(ended) = in_time(clients.join_next()).await {
        ended.unwrap();
    }
    in_time(server.task).await.unwrap().unwrap();
    assert_eq!(seen.lost.load(Ordering::SeqCst), 0);
    assert!(seen.answered.load(Ordering::SeqCst) > before);
    assert!(seen.closes.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_in_flight_are_finished_and_no_new_connection_is_accepted() {
    let server = start_server_with(|settings, _| settings.timeouts.drain = Duration::ZERO).await;
    let mut held = JoinSet::new();
    for mut client in [server.http1().await, server.http2().await] {
        held.spawn(async move {
            let body = json!({"uid": "held", "do": "hold"});
            client.expect_answer(review_request("?timeout=30s", &body)).await
        });
    }
    server.wait_for_reviews(2).await;
    server.signal_once();
    eventually("a closed port", async || TcpStream::connect(server.webhook).await.is_err()).await;
    // Longer than idle connections are waited for.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!server.task.is_finished());
    server.stub.gate.add_permits(2);
    while let Some(answer) = held.join_next().await {
        answer.unwrap().assert_answers("held");
    }
    in_time(server.task).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_opened_just_before_the_drain_is_still_answered() {
    let server = start_server_with(|settings, _| settings.timeouts.drain = Duration::ZERO).await;
    let mut http1 = server.http1().await;
    http1.expect_answer(simple_review("a")).await;
    let mut fresh = server.http1().await;
    server.wait_for_metric("driftwall_connections", 2.0).await;
    server.signal_once();
    eventually("a closed port", async || TcpStream::connect(server.webhook).await.is_err()).await;
    for client in [&mut http1, &mut fresh] {
        let answer = client.expect_answer(simple_review("late")).await;
        answer.assert_answers("late");
        assert!(answer.closes());
    }
    in_time(server.task).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drain_does_not_wait_for_ever() {
    let server = start_server_with(|settings, _| {
        settings.timeouts.drain = Duration::ZERO;
        settings.timeouts.finish = Duration::from_millis(200);
    })
    .await;
    let mut client = server.http1().await;
    tokio::spawn(async move {
        let body = json!({"uid": "held", "do": "hold"});
        let _ = client.send(review_request("?timeout=30s", &body)).await;
    });
    server.wait_for_reviews(1).await;
    server.signal_once();
    // The review would hold for 30 s.
    let ended = tokio::time::timeout(Duration::from_secs(20), server.task).await;
    ended.unwrap().unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let server = start_server_with(|settings, _| settings.timeouts.drain = HANG).await;
    server.signal_once();
    eventually("unready", async || !server.get("/readyz").await.0.is_success()).await;
    server.signal_twice();
    let ended = tokio::time::timeout(HANG / 2, server.task).await;
    ended.unwrap().unwrap().unwrap();
}
