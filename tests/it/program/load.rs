//! A shutdown, a new certificate and a new mode under a steady load: no answer is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::harness::http_client::{Client, Sent, certificate_der, connect, localhost_pair, review_request, trusting};
use crate::harness::reviews::recorded_review;
use crate::harness::waiting::in_time;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess, response, write_pair};
use driftwall::certs::ServingCertificate;

/// Clients that ask one review after another, on connections that they keep.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Value>>>,
}

impl Load {
    fn begin(server: &ServeProcess, trusted: &[ServingCertificate]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let review = recorded_review("patch-replicas-7", "alice");
        let address = server.webhook;
        let clients = (0..8).map(|_| {
            let (stop, review, trusted) = (Arc::clone(&stop), review.clone(), trusted.to_vec());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                let config = trusting(&trusted.iter().collect::<Vec<_>>());
                let mut client: Option<Client> = None;
                while !stop.load(Ordering::SeqCst) {
                    let open = match client.take() {
                        Some(open) => Ok(open),
                        None => match connect(address, config.clone()).await {
                            Ok(stream) => Client::http1(stream).await.map_err(drop),
                            Err(_) => Err(()),
                        },
                    };
                    // Nobody listens any more: the server has ended, and nothing was sent.
                    let Ok(mut open) = open else { break };
                    match open.send(review_request("?timeout=10s", &review)).await {
                        Sent::Answered(answer) => {
                            let closes = answer.closes();
                            answers.push(response(answer, &review));
                            client = Some(open).filter(|_| !closes);
                        }
                        Sent::Unsent => {}
                        Sent::Lost(error) => panic!("an answer was lost: {error:?}"),
                    }
                }
                answers
            })
        });
        let clients = clients.collect();
        Self { stop, clients }
    }

    /// All answers that came, of each client in order.
    async fn end(self) -> Vec<Vec<Value>> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for client in self.clients {
            all.push(in_time(client).await.unwrap());
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_terminated_loses_no_answer() {
    let mut server = ServeProcess::with_config(&format!("drain: 500ms\n{PROD_SOURCE}")).until_ready().await;
    let load = Load::begin(&server, &[server.pair.clone()]);
    server.until(async |server| server.metric("driftwall_review_duration_seconds_count").await > 100.0).await;
    server.signal("-TERM");
    server.until(async |server| server.admin_page("/readyz").await.0 == 503).await;
    let status = in_time(tokio::task::spawn_blocking(move || server.child.wait().map(|status| (status, server)))).await;
    let (status, _served) = status.unwrap().unwrap();
    assert!(status.success(), "{status}");
    let answers = load.end().await;
    assert!(answers.iter().all(|answers| !answers.is_empty()));
    assert!(answers.iter().flatten().all(|response| response["status"]["code"] == 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_and_a_new_mode_interrupt_no_client() {
    let server = ServeProcess::with_config(&format!("mode: enforce\n{PROD_SOURCE}")).until_ready().await;
    let renewed = localhost_pair();
    let load = Load::begin(&server, &[server.pair.clone(), renewed.clone()]);

    write_pair(&renewed, server.folder.path());
    let server_certificate = async || {
        let stream = connect(server.webhook, trusting(&[&server.pair, &renewed])).await.unwrap();
        in_time(Client::http1(stream)).await.unwrap().server_certificate
    };
    in_time(async { while server_certificate().await != certificate_der(&renewed) {} }).await;

    server.configure(&format!("mode: audit\n{PROD_SOURCE}"));
    let review = recorded_review("patch-replicas-7", "alice");
    let asked = async || {
        let stream = connect(server.webhook, trusting(&[&renewed])).await.unwrap();
        let mut client = Client::http1(stream).await.unwrap();
        response(client.expect_answer(review_request("", &review)).await, &review)
    };
    in_time(async { while asked().await["allowed"] == false {} }).await;

    for answers in load.end().await {
        let allowed: Vec<_> = answers.iter().map(|response| response["allowed"] == true).collect();
        assert!(!allowed.is_empty());
        assert!(allowed.is_sorted(), "the mode changed once: {allowed:?}");
    }
}
