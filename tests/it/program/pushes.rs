//! A person pushes, and applies the same a moment later: `git push && kubectl apply`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::reviews::recorded_review;
use crate::program::serve_process::ServeProcess;
use crate::source::remote::repository::TestRepository;
use crate::source::remote::transports::RemoteSetup;

/// The source is never polled: what was pushed is seen only because a review waits for a sync.
const NEVER_POLLED: &str = "git: {poll: 24h, refreshTimeout: 8s}\n";

/// The recorded application with so many replicas.
fn manifests(replicas: usize) -> String {
    let text = std::fs::read_to_string("tests/data/reviews/git/apps/prod/app.yaml").unwrap();
    assert_eq!(text.matches("replicas: 3").count(), 1);
    text.replace("replicas: 3", &format!("replicas: {replicas}"))
}

/// Whether Alice may scale from one number of replicas to another; the message, if not.
async fn scale(server: &ServeProcess, from: usize, to: usize) -> Result<(), String> {
    let mut review = recorded_review("patch-replicas-7", "alice");
    review["request"]["oldObject"]["spec"]["replicas"] = json!(from);
    review["request"]["object"]["spec"]["replicas"] = json!(to);
    let response = server.review(&review).await;
    if response["allowed"] == true { Ok(()) } else { Err(response["status"]["message"].to_string()) }
}

/// Pushes and applies so often; every tenth time applies too early first.
async fn push_and_apply(remote: &RemoteSetup, credentials: &str, rounds: usize) {
    remote.repository.push("main", &manifests(10));
    let source = format!("name: prod, repo: \"{}\", revision: main, path: apps, namespace: prod", remote.url());
    let config = format!("{NEVER_POLLED}sources:\n  - {{{source}, auth: {{{credentials}}}}}\n");
    let server = ServeProcess::start(tempfile::tempdir().unwrap(), &config, &[]).until_ready().await;
    for round in 1..=rounds {
        let (from, to) = (9 + round, 10 + round);
        if round % 10 == 1 {
            assert!(scale(&server, from, to).await.is_err(), "round {round}: nothing was pushed yet");
        }
        remote.repository.push("main", &manifests(to));
        let scaled = scale(&server, from, to).await;
        assert_eq!(scaled, Ok(()), "round {round}");
    }
    let last = 10 + rounds;
    assert!(scale(&server, last, 3).await.is_err(), "what Git does not say is denied still");
}

async fn push_and_apply_over_https(rounds: usize) {
    // The server has a runtime of its own, which must not start or end on this one.
    let remote = tokio::task::spawn_blocking(|| RemoteSetup::web(TestRepository::empty())).await.unwrap();
    let ca = remote.credentials().ca.unwrap();
    push_and_apply(&remote, &format!("caFile: {}", ca.display()), rounds).await;
    tokio::task::spawn_blocking(|| drop(remote)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_denied_for_what_they_have_just_pushed_over_https() {
    push_and_apply_over_https(5).await;
}

/// A loop is denied without a sync of its own, and still waits where a newer commit is being read.
#[tokio::test(flavor = "multi_thread")]
async fn a_loop_never_passes_while_a_newer_commit_is_read() {
    let remote = tokio::task::spawn_blocking(|| RemoteSetup::web(TestRepository::empty())).await.unwrap();
    remote.repository.push("main", &manifests(3));
    let (url, ca) = (remote.url(), remote.credentials().ca.unwrap());
    let config = format!(
        "git: {{poll: 100ms, refreshTimeout: 8s}}\nsources:\n  - {{name: prod, repo: \"{url}\", revision: main, \
         path: apps, namespace: prod, auth: {{caFile: {}}}}}\n",
        ca.display()
    );
    let server = ServeProcess::start(tempfile::tempdir().unwrap(), &config, &[]).until_ready().await;
    let (is_over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    let repeat = async || {
        let mut passed = 0;
        while !is_over.load(Ordering::Relaxed) {
            passed += usize::from(scale(&server, 3, 7).await.is_ok());
            answers.fetch_add(1, Ordering::Relaxed);
        }
        passed
    };
    let push = async {
        for number in 1..=3 {
            // By then it is a loop: the first repetitions have a sync each.
            let enough = answers.load(Ordering::Relaxed) + 40;
            server.until(async |_| answers.load(Ordering::Relaxed) > enough).await;
            let text = manifests(3).replace("LOG_LEVEL", &format!("LEVEL_{number}"));
            let commit = remote.repository.push("main", &text);
            let series = format!("driftwall_source_info{{source=\"prod\",revision=\"main\",commit=\"{commit}\"}}");
            server.until(async |server| server.metric(&series).await == 1.0).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (one, other, ()) = tokio::join!(repeat(), repeat(), push);
    assert_eq!(one + other, 0, "of {} writes", answers.into_inner());
    drop(server);
    tokio::task::spawn_blocking(|| drop(remote)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a repository is asked at most once a second, so this takes two minutes"]
async fn nobody_is_denied_for_a_hundred_pushes_in_a_row() {
    push_and_apply_over_https(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_denied_for_what_they_have_just_pushed_over_ssh() {
    let Some(remote) = RemoteSetup::ssh(TestRepository::empty()) else { return };
    let credentials = remote.credentials();
    let (key, known) = (credentials.ssh_key.unwrap(), credentials.known_hosts.unwrap());
    let written = format!("sshKeyFile: {}, knownHostsFile: {}", key.display(), known.display());
    push_and_apply(&remote, &written, 5).await;
}
