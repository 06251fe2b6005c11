//! What is answered, by mode, and to what cannot be judged.

use serde_json::{Value, json};

use crate::harness::common::recorded;
use crate::program::served::{Served, USUAL, in_time, response};
use crate::server::client::{Chunks, asking, full};
use http_body_util::BodyExt as _;

/// Sends a review that drifts; `deny`, `warn` or `allow`.
async fn answer_to(served: &Served, review: &Value) -> &'static str {
    let response = served.ask(review).await;
    match (response["allowed"] == true, response["warnings"].is_array()) {
        (false, _) => "deny",
        (true, true) => "warn",
        (true, false) => "allow",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_that_of_the_softest_mode() {
    let person = recorded("patch-replicas-7", "alice");
    let pipeline = recorded("ci-set-image", "system:serviceaccount:ci:deployer");
    let source =
        "presets: [argocd]\nsources:\n  - {name: prod, repo: repo, revision: main, path: apps/prod, mode: warn}\n";
    for (config, to_person, to_pipeline) in [
        (format!("mode: enforce\n{USUAL}"), "deny", "deny"),
        (format!("mode: warn\n{USUAL}"), "warn", "warn"),
        (format!("mode: audit\n{USUAL}"), "allow", "allow"),
        (source.to_owned(), "warn", "warn"),
        (format!("mode: audit\n{source}"), "allow", "allow"),
        (format!("modes: [{{namespaces: [pr*], mode: warn}}]\n{USUAL}"), "warn", "warn"),
        (format!("modes: [{{namespaces: [other], mode: warn}}]\n{USUAL}"), "deny", "deny"),
        (format!("modes: [{{actors: [workload], mode: audit}}]\n{USUAL}"), "deny", "allow"),
        (
            format!("modes: [{{namespaces: [prod], mode: warn}}, {{actors: [person], mode: audit}}]\n{USUAL}"),
            "allow",
            "warn",
        ),
    ] {
        let served = Served::with(&config).ready().await;
        assert_eq!(answer_to(&served, &person).await, to_person, "{config}");
        assert_eq!(answer_to(&served, &pipeline).await, to_pipeline, "{config}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_only_is_softer_than_any_configuration() {
    let folder = tempfile::tempdir().unwrap();
    crate::harness::common::commit_folder(&folder.path().join("repo"), std::path::Path::new("tests/data/reviews/git"));
    let served = Served::begin(folder, &format!("mode: enforce\n{USUAL}"), &["--audit-only"]).ready().await;
    let review = recorded("patch-replicas-7", "alice");
    let response = served.ask(&review).await;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["auditAnnotations"]["verdict"], "drift");
    assert_eq!(
        served.metric(r#"driftwall_reviews_total{verdict="drift",actor="person",answer="allow",mode="audit"}"#).await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_judged_is_answered_all_the_same() {
    let drift = recorded("patch-replicas-7", "alice");
    let edited = |edit: fn(&mut Value)| {
        let mut review = drift.clone();
        edit(&mut review);
        review
    };
    let cases = [
        (
            "without objects",
            edited(|review| {
                review["request"]["object"] = Value::Null;
                review["request"]["oldObject"] = Value::Null;
            }),
        ),
        ("with an object that is none", edited(|review| review["request"]["object"] = json!([1, 2]))),
        ("without a user", edited(|review| review["request"]["userInfo"] = Value::Null)),
        ("of an old version", edited(|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into())),
        ("of an unknown operation", edited(|review| review["request"]["operation"] = "MELT".into())),
    ];
    let allowing = Served::with(USUAL).ready().await;
    let denying = Served::with(&format!("onError: deny\n{USUAL}")).ready().await;
    for (case, review) in &cases {
        let response = allowing.ask(review).await;
        assert_eq!(response["allowed"], true, "{case}");
        assert!(response["warnings"][0].as_str().unwrap().starts_with("driftwall"), "{case}");
        assert_eq!(denying.ask(review).await["allowed"], false, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_review_is_refused_and_costs_only_itself() {
    let served = Served::with(USUAL).ready().await;
    let mut client = served.connect().await;
    for body in ["", "{", "null", "[1]", "\u{0}\u{1}", "{\"kind\":\"AdmissionReview\"}"] {
        let mut request = asking("", &Value::Null);
        *request.body_mut() = full(body);
        client.must(request).await.is_status(400, "BadRequest");
    }
    let mut request = asking("", &Value::Null);
    request.headers_mut().insert("content-type", "text/yaml".parse().unwrap());
    client.must(request).await.is_status(415, "UnsupportedMediaType");
    let mut request = asking("", &Value::Null);
    *request.body_mut() = Chunks(9 << 20).boxed();
    client.must(request).await.is_status(413, "RequestEntityTooLarge");
    let review = recorded("patch-replicas-7", "alice");
    assert_eq!(served.ask(&review).await["allowed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_connections_are_answered_each_with_its_own_uid() {
    let served = Served::with(USUAL).ready().await;
    let review = recorded("patch-replicas-7", "alice");
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(served.connect().await);
    }
    let asked = clients.into_iter().enumerate().map(|(number, mut client)| {
        let mut review = review.clone();
        review["request"]["uid"] = format!("uid-{number}").into();
        tokio::spawn(async move {
            for _ in 0..5 {
                let response = response(client.must(asking("?timeout=10s", &review)).await, &review);
                assert_eq!(response["status"]["reason"], "Forbidden");
            }
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        in_time(asked).await.unwrap();
    }
    assert_eq!(
        served.metric(r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"}"#).await,
        500.0
    );
}
