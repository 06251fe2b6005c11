//! The memory that the largest reviews take, and that it is given back.

use serde_json::Value;

use crate::harness::http_client::full_body;
use crate::harness::reviews::{recorded_review, set_at};
use crate::harness::waiting::in_time;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess, response};

const MIB: usize = 1024 * 1024;

/// What the shipped Deployment leaves for reviews, beside what Git declares.
const MOST_OVER_IDLE: usize = 128 * MIB;
const LEFT_OVER_IDLE: usize = 32 * MIB;

/// A write of about the largest object that etcd stores, with text that an API server escapes sixfold.
fn largest_review() -> (Value, String) {
    let mut review = recorded_review("configmap-change", "alice");
    for object in ["object", "oldObject"] {
        set_at(&mut review["request"], &format!("/{object}/data/page.html"), "<".repeat(1400 * 1024).into());
    }
    let body = review.to_string().replace('<', "\\u003c");
    (review, body)
}

/// `VmRSS` and `VmHWM` of a process, in bytes.
fn memory(process: u32) -> [usize; 2] {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    ["VmRSS:", "VmHWM:"].map(|key| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    })
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn two_of_the_largest_reviews_at_once_take_little_and_give_it_back() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let process = server.child.id();
    let (review, body) = largest_review();
    assert!(body.len() > 16 * MIB, "{}", body.len());
    let [idle, _] = memory(process);
    for _ in 0..3 {
        let mut sent = Vec::new();
        for _ in 0..2 {
            let (mut client, body, review) = (server.connect().await, body.clone(), review.clone());
            sent.push(tokio::spawn(async move {
                let request = axum::http::Request::post("https://localhost/validate?timeout=30s")
                    .header("host", "localhost")
                    .header("content-type", "application/json");
                response(in_time(client.expect_answer(request.body(full_body(body)).unwrap())).await, &review)
            }));
        }
        for sent in sent {
            assert_eq!(sent.await.unwrap()["allowed"], false);
        }
    }
    let [_, most] = memory(process);
    assert!(most < idle + MOST_OVER_IDLE, "{idle} bytes idle, {most} at most");
    let given_back = async || memory(process)[0] < idle + LEFT_OVER_IDLE;
    server.until(async |_| given_back().await).await;
}
