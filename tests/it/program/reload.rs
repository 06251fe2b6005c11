//! What changes while it serves: Git and the configuration.

use std::process::Command;

use crate::harness::common::{commit_all, recorded};
use crate::program::served::{Served, USUAL, in_time, response};
use crate::server::client::asking;

const FAILING: &str = "driftwall_source_failing{source=\"prod\"}";

fn edit(served: &Served, from: &str, to: &str) {
    let file = served.folder.path().join("repo/apps/prod/app.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    commit_all(&served.repository());
}

async fn is_allowed(served: &Served) -> bool {
    served.ask(&recorded("patch-replicas-7", "alice")).await["allowed"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_takes_over_and_a_broken_one_does_not() {
    let served = Served::with(USUAL).ready().await;
    assert!(!is_allowed(&served).await);

    edit(&served, "replicas: 3", "replicas: 7");
    served.until(is_allowed).await;

    edit(&served, "replicas: 7", "replicas: [3");
    served.until(async |served| served.metric(FAILING).await == 1.0).await;
    assert!(is_allowed(&served).await, "the last good commit stays");
    let (status, standing) = served.page("/readyz").await;
    assert_eq!(status, 200);
    assert!(standing.contains("apps/prod/app.yaml:19"), "readiness tells what is broken: {standing}");

    edit(&served, "replicas: [3", "replicas: 3");
    served.until(async |served| !is_allowed(served).await).await;
    assert_eq!(served.metric(FAILING).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_the_working_tree_only_is_not_declared() {
    let served = Served::with(USUAL).ready().await;
    let file = served.folder.path().join("repo/apps/prod/app.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("replicas: 3", "replicas: 7", 1)).unwrap();
    let before = served.metric("driftwall_source_age_seconds{source=\"prod\"}").await;
    // A later look than the write has been made once the age has fallen.
    served.until(async |served| served.metric("driftwall_source_age_seconds{source=\"prod\"}").await <= before).await;
    assert!(!is_allowed(&served).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_once_every_source_has_been_read() {
    let folder = tempfile::tempdir().unwrap();
    let repository = folder.path().join("repo");
    let served = Served::begin(folder, USUAL, &[]);
    let (status, text) = served.page("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("prod"), "{text}");
    assert_eq!(served.page("/livez").await.0, 200);
    crate::harness::common::commit_folder(&repository, std::path::Path::new("tests/data/reviews/git"));
    let served = served.ready().await;
    assert!(!is_allowed(&served).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_is_refused_and_the_old_one_stays() {
    let served = Served::with(&format!("mode: enforce\n{USUAL}")).ready().await;
    let refused = "driftwall_config_reloads_total{result=\"failed\"}";
    for (number, bad) in
        ["mode: audit\nbogus: 1\n", "mode: audit\nsources: []\nmodes: [{mode: loud}]\n", "mode: [\n"].iter().enumerate()
    {
        let count = f64::from(u32::try_from(number).unwrap() + 1);
        served.configure(bad);
        served.until(async |served| served.metric(refused).await == count).await;
        assert!(!is_allowed(&served).await, "{bad}");
    }
    served.configure(&format!("mode: audit\n{USUAL}"));
    served.until(is_allowed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_denied_for_what_was_pushed_a_moment_ago() {
    let config = format!("git: {{poll: 1h, freshness: 0s}}\n{USUAL}");
    let served = Served::with(&config).ready().await;
    assert!(!is_allowed(&served).await);
    edit(&served, "replicas: 3", "replicas: 7");
    assert!(is_allowed(&served).await, "the look before the denial sees the push");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broken_commit_changes_is_warned_about_and_the_rest_denied() {
    let served = Served::with(USUAL).ready().await;
    let color = recorded("widget-color", "alice");
    let scale = recorded("scale-5", "alice");
    assert_eq!(served.ask(&scale).await["allowed"], false);

    edit(&served, "replicas: 3", "replicas: [3");
    served.until(async |served| served.metric(FAILING).await == 1.0).await;
    let response = served.ask(&scale).await;
    assert_eq!(response["allowed"], true, "{response}");
    assert!(response["warnings"][0].as_str().unwrap().contains("spec.replicas"), "{response}");
    assert_eq!(served.ask(&color).await["allowed"], false, "its file is not changed");

    edit(&served, "replicas: [3", "replicas: 3");
    served.until(async |served| served.ask(&scale).await["allowed"] == false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_denials_at_once_cost_one_look() {
    let served = Served::with(&format!("git: {{poll: 1h, freshness: 3s}}\n{USUAL}")).ready().await;
    let polls = "driftwall_source_polls_total{source=\"prod\"}";
    served.until(async |served| served.metric("driftwall_source_age_seconds{source=\"prod\"}").await > 3.0).await;
    assert_eq!(served.metric(polls).await, 1.0);
    let review = recorded("patch-replicas-7", "alice");
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(served.connect().await);
    }
    let asked = clients.into_iter().map(|mut client| {
        let review = review.clone();
        tokio::spawn(async move { response(client.must(asking("?timeout=10s", &review)).await, &review) })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(in_time(asked).await.unwrap()["allowed"], false);
    }
    assert_eq!(served.metric(polls).await, 2.0);
    assert_eq!(served.metric("driftwall_review_duration_seconds_count").await, 200.0);
    let denied = r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"}"#;
    assert_eq!(served.metric(denied).await, 200.0, "each is counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_shows_how_they_stand() {
    let served = Served::with(USUAL).ready().await;
    let sources = |more: &[&str]| {
        let admin = served.admin.to_string();
        let arguments = [&["sources", "--admin", admin.as_str()], more].concat();
        let run = Command::new(env!("CARGO_BIN_EXE_driftwall")).args(arguments).output().unwrap();
        (run.status.code().unwrap(), String::from_utf8(run.stdout).unwrap())
    };
    let (status, table) = sources(&[]);
    assert_eq!(status, 0, "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("prod  main"), "{table}");
    edit(&served, "replicas: 3", "replicas: [3");
    served.until(async |served| served.metric(FAILING).await == 1.0).await;
    let (status, json) = sources(&["-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, 1);
    assert_eq!(listed[0]["objects"], 14);
    let error = listed[0]["error"].as_str().unwrap();
    assert!(error.contains("apps/prod/app.yaml:19"), "file and line: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gits_own_hand_writes_otherwise_is_no_ground_to_deny() {
    let served = Served::with(USUAL).ready().await;
    let image = recorded("set-image", "alice");
    assert_eq!(served.ask(&image).await["allowed"], false);

    // Argo CD renders another picture than ours: five replicas.
    let mut sync = recorded_deployment_sync();
    sync["request"]["object"]["spec"]["replicas"] = 5.into();
    assert_eq!(served.ask(&sync).await["allowed"], true);
    let disputed = "driftwall_source_disputed_fields{source=\"prod\"}";
    served.until(async |served| served.metric(disputed).await == 1.0).await;

    let scale = recorded("scale-5", "alice");
    let response = served.ask(&scale).await;
    assert_eq!(response["allowed"], true, "the field is in doubt");
    assert!(response["warnings"][0].as_str().unwrap().contains("spec.replicas"), "{response}");
    assert_eq!(served.ask(&image).await["allowed"], false, "others are not");
    let (_, page) = served.page("/sources").await;
    assert!(page.contains("Deployment.apps prod/python-app-prod: spec.replicas"), "{page}");

    edit(&served, "1.0.0", "1.0.1");
    served.until(async |served| served.ask(&scale).await["allowed"] == false).await;
    assert_eq!(served.metric(disputed).await, 0.0);
}

fn recorded_deployment_sync() -> serde_json::Value {
    let is = |line: &serde_json::Value| {
        let request = &line["review"]["request"];
        line["action"] == "argocd-self-heal"
            && line["actor"] == "gitops"
            && request["name"] == "python-app-prod"
            && request["kind"]["kind"] == "Deployment"
    };
    crate::harness::common::unpacked("actions.jsonl.gz").into_iter().find(is).unwrap()["review"].take()
}
