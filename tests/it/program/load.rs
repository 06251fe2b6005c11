//! Changes under a steady load: nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::harness::common::recorded;
use crate::program::served::{Served, USUAL, in_time, pair, response, store};
use crate::server::client::{Client, Sent, asking, connect, der, trust};
use driftwall::certs::Pair;

/// Clients that ask one review after another, on connections that they keep.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Value>>>,
}

impl Load {
    fn begin(served: &Served, trusted: &[Pair]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let review = recorded("patch-replicas-7", "alice");
        let address = served.webhook;
        let clients = (0..8).map(|_| {
            let (stop, review, trusted) = (Arc::clone(&stop), review.clone(), trusted.to_vec());
            tokio::spawn(async move {
                let mut answers = Vec::new();
                let config = trust(&trusted.iter().collect::<Vec<_>>());
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
                    match open.send(asking("?timeout=10s", &review)).await {
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
async fn a_server_that_is_told_to_end_loses_no_answer() {
    let mut served = Served::with(&format!("drain: 500ms\n{USUAL}")).ready().await;
    let load = Load::begin(&served, &[served.pair.clone()]);
    served.until(async |served| served.metric("driftwall_review_duration_seconds_count").await > 100.0).await;
    served.signal("-TERM");
    served.until(async |served| served.page("/readyz").await.0 == 503).await;
    let status = in_time(tokio::task::spawn_blocking(move || served.child.wait().map(|status| (status, served)))).await;
    let (status, _served) = status.unwrap().unwrap();
    assert!(status.success(), "{status}");
    let answers = load.end().await;
    assert!(answers.iter().all(|answers| !answers.is_empty()));
    assert!(answers.iter().flatten().all(|response| response["status"]["code"] == 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_and_a_new_mode_disturb_nobody() {
    let served = Served::with(&format!("mode: enforce\n{USUAL}")).ready().await;
    let renewed = pair();
    let load = Load::begin(&served, &[served.pair.clone(), renewed.clone()]);

    store(&renewed, served.folder.path());
    let shown = async || {
        let stream = connect(served.webhook, trust(&[&served.pair, &renewed])).await.unwrap();
        in_time(Client::http1(stream)).await.unwrap().shown
    };
    in_time(async { while shown().await != der(&renewed) {} }).await;

    served.configure(&format!("mode: audit\n{USUAL}"));
    let review = recorded("patch-replicas-7", "alice");
    let asked = async || {
        let stream = connect(served.webhook, trust(&[&renewed])).await.unwrap();
        let mut client = Client::http1(stream).await.unwrap();
        response(client.must(asking("", &review)).await, &review)
    };
    in_time(async { while asked().await["allowed"] == false {} }).await;

    for answers in load.end().await {
        let allowed: Vec<_> = answers.iter().map(|response| response["allowed"] == true).collect();
        assert!(!allowed.is_empty());
        assert!(allowed.is_sorted(), "the mode changed once: {allowed:?}");
    }
}
