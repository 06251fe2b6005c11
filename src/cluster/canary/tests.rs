//! The sender at a fake API server.

use std::sync::Mutex;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::*;
use crate::cluster::context::ClusterContext;
use driftwall_core::canary::CANARY_WARNING;

/// Keeps what it is told, one line each.
#[derive(Default)]
struct RecordingObserver(Mutex<Vec<String>>);

impl CanaryObserver for RecordingObserver {
    fn set_status(&self, status: CanaryStatus) {
        self.0.lock().unwrap().push(format!("{status:?}"));
    }

    fn record(&self, result: CanaryResult) {
        self.0.lock().unwrap().push(result.as_str().to_owned());
    }
}

/// What the API server answers to the canary, and which webhooks there are.
#[derive(Clone, Copy)]
struct Answers {
    canary: fn() -> Response,
    webhooks: Option<&'static [&'static str]>,
}

/// The sender, what it reports, and where its settings come from.
type Started = (CanarySender, Arc<RecordingObserver>, watch::Sender<Option<CanarySettings>>);

fn sender(answers: Answers, is_leader: watch::Receiver<bool>, is_on: bool) -> Started {
    let answer = move |method: Method, uri: axum::http::Uri| {
        if method == Method::PATCH {
            assert_eq!(uri.path(), "/api/v1/namespaces/ops/configmaps/wall-canary");
            assert!(uri.query().unwrap().contains("dryRun=All"), "{uri}");
            return (answers.canary)();
        }
        match answers.webhooks {
            Some(names) => {
                let webhook = |name: &&str| {
                    json!({"name": name, "clientConfig": {}, "sideEffects": "None",
                    "admissionReviewVersions": ["v1"]})
                };
                let webhooks: Vec<_> = names.iter().map(webhook).collect();
                json!({"metadata": {"name": "wall"}, "webhooks": webhooks}).to_string().into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    let router = Router::new().fallback(move |method, uri| std::future::ready(answer(method, uri)));
    let client = kube::Client::new(router, "ops");
    let context =
        ClusterContext { lookup_client: client.clone(), client, namespace: "ops".into(), identity: "one".into() };
    let settings = CanarySettings {
        object: CanaryObject { namespace: "ops".into(), service: "wall".into() },
        webhook_config: "wall".into(),
    };
    let (settings_sender, settings) = watch::channel(is_on.then_some(settings));
    let observer = Arc::new(RecordingObserver::default());
    let sender = CanarySender::new(&context, is_leader, settings, Arc::clone(&observer) as Arc<dyn CanaryObserver>);
    (sender, observer, settings_sender)
}

/// The result of one canary.
async fn result(canary: fn() -> Response, webhooks: Option<&'static [&'static str]>) -> CanaryResult {
    let (_, is_leader) = watch::channel(true);
    let (sender, ..) = sender(Answers { canary, webhooks }, is_leader, true);
    let settings = sender.settings.borrow().clone().unwrap();
    sender.ask(&settings).await
}

fn failure(code: StatusCode, message: &str) -> Response {
    (code, json!({"kind": "Status", "message": message}).to_string()).into_response()
}

#[tokio::test]
async fn an_answer_says_whether_driftwall_was_called() {
    let called = || {
        let warnings = [("warning", format!("299 - \"{CANARY_WARNING}\""))];
        (StatusCode::CREATED, warnings, "{}").into_response()
    };
    let passed = || "{}".into_response();
    let failed = || {
        failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal error occurred: failed calling webhook \"canary.driftwall.io\": Post \"https://a/b?timeout=1s\": \
             x509: certificate signed by unknown authority",
        )
    };
    let huge = || "x".repeat(MAX_ANSWER_BYTES + 1).into_response();
    let both: &[&str] = &["writes.driftwall.io", CANARY_WEBHOOK];
    assert_eq!(result(called, Some(both)).await, CanaryResult::Called);
    assert_eq!(result(passed, Some(both)).await, CanaryResult::NotAsked);
    assert_eq!(result(passed, Some(&["writes.driftwall.io"])).await, CanaryResult::NotRegistered);
    assert_eq!(result(passed, None).await, CanaryResult::NotRegistered);
    assert_eq!(result(failed, Some(both)).await, CanaryResult::Certificate);
    assert_eq!(result(huge, Some(both)).await, CanaryResult::Unknown);
    assert_eq!(result(|| StatusCode::SERVICE_UNAVAILABLE.into_response(), None).await, CanaryResult::Unknown);
}

/// Waits until the last that was reported is this.
async fn until_last(observer: &RecordingObserver, expected: &str) -> Vec<String> {
    let reported = async {
        loop {
            let all = observer.0.lock().unwrap().clone();
            if all.last().is_some_and(|last| last == expected) {
                return all;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_mins(1), reported).await.unwrap()
}

#[tokio::test]
async fn only_the_leader_sends_it() {
    let (leads, is_leader) = watch::channel(false);
    let (sender, observer, _settings) =
        sender(Answers { canary: || "{}".into_response(), webhooks: None }, is_leader, true);
    let running = tokio::spawn(sender.run());
    assert_eq!(until_last(&observer, "Standby").await, ["Standby"]);
    leads.send_replace(true);
    let all = until_last(&observer, "not_registered").await;
    assert_eq!(all, ["Standby", "Sending(Unknown)", "not_registered"]);
    leads.send_replace(false);
    until_last(&observer, "Standby").await;
    running.abort();
}

#[tokio::test]
async fn without_settings_none_is_sent() {
    let (_leads, is_leader) = watch::channel(true);
    let (sender, observer, settings) = sender(Answers { canary: || unreachable!(), webhooks: None }, is_leader, false);
    let running = tokio::spawn(sender.run());
    until_last(&observer, "Off").await;
    // Whoever switches it off again has sent none in between.
    settings.send_modify(|_| {});
    until_last(&observer, "Off").await;
    assert!(observer.0.lock().unwrap().iter().all(|line| line == "Off"));
    running.abort();
}
