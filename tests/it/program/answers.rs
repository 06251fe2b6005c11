//! The answers of `serve`: by mode, and to what cannot be evaluated.

use serde_json::{Value, json};

use crate::harness::http_client::{ChunkedBody, full_body, review_request};
use crate::harness::reviews::recorded_review;
use crate::harness::waiting::in_time;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess, response};
use http_body_util::BodyExt as _;

/// Sends a review that drifts; `deny`, `warn` or `allow`.
async fn answer_to(server: &ServeProcess, review: &Value) -> &'static str {
    let response = server.review(review).await;
    match (response["allowed"] == true, response["warnings"].is_array()) {
        (false, _) => "deny",
        (true, true) => "warn",
        (true, false) => "allow",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_matching_mode_decides_the_answer() {
    let person = recorded_review("patch-replicas-7", "alice");
    let pipeline = recorded_review("ci-set-image", "system:serviceaccount:ci:deployer");
    let source =
        "presets: [argocd]\nsources:\n  - {name: prod, repo: repo, revision: main, path: apps/prod, mode: warn}\n";
    for (config, to_person, to_pipeline) in [
        (format!("mode: enforce\n{PROD_SOURCE}"), "deny", "deny"),
        (format!("mode: warn\n{PROD_SOURCE}"), "warn", "warn"),
        (format!("mode: audit\n{PROD_SOURCE}"), "allow", "allow"),
        (source.to_owned(), "warn", "warn"),
        (format!("mode: audit\n{source}"), "warn", "warn"),
        (format!("modes: [{{namespaces: [pr*], mode: warn}}]\n{PROD_SOURCE}"), "warn", "warn"),
        (format!("modes: [{{namespaces: [other], mode: warn}}]\n{PROD_SOURCE}"), "deny", "deny"),
        (format!("modes: [{{actors: [workload], mode: audit}}]\n{PROD_SOURCE}"), "deny", "allow"),
        (
            format!("modes: [{{namespaces: [prod], mode: warn}}, {{actors: [person], mode: audit}}]\n{PROD_SOURCE}"),
            "warn",
            "warn",
        ),
        (
            format!(
                "mode: audit\nmodes: [{{kinds: [Deployment.apps], actors: [person], mode: enforce}}]\n{PROD_SOURCE}"
            ),
            "deny",
            "allow",
        ),
    ] {
        let server = ServeProcess::with_config(&config).until_ready().await;
        assert_eq!(answer_to(&server, &person).await, to_person, "{config}");
        assert_eq!(answer_to(&server, &pipeline).await, to_pipeline, "{config}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_only_overrides_the_configured_mode() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::git::commit_folder(&folder.path().join("repo"), std::path::Path::new("tests/data/reviews/git"));
    let server =
        ServeProcess::start(folder, &format!("mode: enforce\n{PROD_SOURCE}"), &["--audit-only"]).until_ready().await;
    let review = recorded_review("patch-replicas-7", "alice");
    let response = server.review(&review).await;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["auditAnnotations"]["verdict"], "drift");
    assert_eq!(
        server.metric(r#"driftwall_reviews_total{verdict="drift",actor="person",answer="allow",mode="audit"}"#).await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_cannot_be_read_is_denied_and_a_review_of_nobody_as_on_error_says() {
    let drift = recorded_review("patch-replicas-7", "alice");
    let edited = |edit: fn(&mut Value)| {
        let mut review = drift.clone();
        edit(&mut review);
        review
    };
    let unreadable = [
        (
            "without objects",
            edited(|review| {
                review["request"]["object"] = Value::Null;
                review["request"]["oldObject"] = Value::Null;
            }),
        ),
        ("with an object that is none", edited(|review| review["request"]["object"] = json!([1, 2]))),
        ("of an old version", edited(|review| review["apiVersion"] = "admission.k8s.io/v1beta1".into())),
    ];
    let of_nobody = [
        ("without a user", edited(|review| review["request"]["userInfo"] = Value::Null)),
        ("of an unknown operation", edited(|review| review["request"]["operation"] = "MELT".into())),
    ];
    let allowing = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let denying = ServeProcess::with_config(&format!("onError: deny\n{PROD_SOURCE}")).until_ready().await;
    for (case, review) in &unreadable {
        assert_eq!(allowing.review(review).await["allowed"], false, "{case}");
    }
    for (case, review) in &of_nobody {
        let response = allowing.review(review).await;
        assert_eq!(response["allowed"], true, "{case}");
        assert!(response["warnings"][0].as_str().unwrap().starts_with("driftwall"), "{case}");
        assert_eq!(denying.review(review).await["allowed"], false, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_review_is_rejected_and_the_connection_stays_usable() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let mut client = server.connect().await;
    for body in ["", "{", "null", "[1]", "\u{0}\u{1}", "{\"kind\":\"AdmissionReview\"}"] {
        let mut request = review_request("", &Value::Null);
        *request.body_mut() = full_body(body);
        client.expect_answer(request).await.assert_status(400, "BadRequest");
    }
    let mut request = review_request("", &Value::Null);
    request.headers_mut().insert("content-type", "text/yaml".parse().unwrap());
    client.expect_answer(request).await.assert_status(415, "UnsupportedMediaType");
    let mut request = review_request("", &Value::Null);
    *request.body_mut() = ChunkedBody(30 << 20).boxed();
    client.expect_answer(request).await.assert_status(400, "BadRequest");
    let review = recorded_review("patch-replicas-7", "alice");
    assert_eq!(server.review(&review).await["allowed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_connections_are_answered_each_with_its_own_uid() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let review = recorded_review("patch-replicas-7", "alice");
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(server.connect().await);
    }
    let asked = clients.into_iter().enumerate().map(|(number, mut client)| {
        let mut review = review.clone();
        review["request"]["uid"] = format!("uid-{number}").into();
        tokio::spawn(async move {
            for _ in 0..5 {
                let response = response(client.expect_answer(review_request("?timeout=10s", &review)).await, &review);
                assert_eq!(response["status"]["reason"], "Forbidden");
            }
        })
    });
    for asked in asked.collect::<Vec<_>>() {
        in_time(asked).await.unwrap();
    }
    assert_eq!(
        server.metric(r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"}"#).await,
        500.0
    );
}
