//! What changes while `serve` runs: commits and the configuration.

use std::process::Command;
use std::time::Instant;

use crate::common::git::commit_all;
use crate::harness::http_client::review_request;
use crate::harness::reviews::recorded_review;
use crate::harness::waiting::in_time;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess, response};

const LAST_SYNC: &str = "driftwall_source_last_sync_timestamp_seconds{source=\"prod\"}";
const FAILING: &str = "driftwall_source_failing{source=\"prod\"}";

fn edit(server: &ServeProcess, from: &str, to: &str) {
    let file = server.folder.path().join("repo/apps/prod/app.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    commit_all(&server.repository());
}

async fn is_allowed(server: &ServeProcess) -> bool {
    server.review(&recorded_review("patch-replicas-7", "alice")).await["allowed"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_takes_effect_and_a_broken_one_does_not() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    assert!(!is_allowed(&server).await);

    edit(&server, "replicas: 3", "replicas: 7");
    server.until(is_allowed).await;

    edit(&server, "replicas: 7", "replicas: [3");
    server.until(async |server| server.metric(FAILING).await == 1.0).await;
    assert!(is_allowed(&server).await, "the last good commit stays");
    let (status, standing) = server.admin_page("/readyz").await;
    assert_eq!(status, 200);
    assert!(standing.contains("apps/prod/app.yaml:19"), "readiness tells what is broken: {standing}");

    edit(&server, "replicas: [3", "replicas: 3");
    server.until(async |server| !is_allowed(server).await).await;
    assert_eq!(server.metric(FAILING).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn uncommitted_files_are_not_declared() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let file = server.folder.path().join("repo/apps/prod/app.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("replicas: 3", "replicas: 7", 1)).unwrap();
    let before = server.metric(LAST_SYNC).await;
    // A later look than the write has been made once one is a second younger.
    server.until(async |server| server.metric(LAST_SYNC).await >= before + 1.0).await;
    assert!(!is_allowed(&server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_read_takes_no_replica_out_of_service() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::git::commit_folder(&folder.path().join("repo"), std::path::Path::new("tests/data/reviews/git"));
    let missing = "  - {name: other, repo: missing, namespaces: [elsewhere]}\n";
    let server = ServeProcess::start(folder, &format!("{PROD_SOURCE}{missing}"), &[]).until_ready().await;
    assert_eq!(server.metric("driftwall_source_failing{source=\"other\"}").await, 1.0);
    assert!(!is_allowed(&server).await, "the other source is enforced");

    // A reload that adds another one that cannot be read changes nothing for the rest either.
    let third = "  - {name: third, repo: gone, namespaces: [elsewhere]}\n";
    server.configure(&format!("{PROD_SOURCE}{missing}{third}"));
    server.until(async |server| server.metric("driftwall_source_failing{source=\"third\"}").await == 1.0).await;
    assert_eq!(server.admin_page("/readyz").await.0, 200);
    assert!(!is_allowed(&server).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_configuration_is_refused_and_the_old_one_kept() {
    let server = ServeProcess::with_config(&format!("mode: enforce\n{PROD_SOURCE}")).until_ready().await;
    let refused = "driftwall_config_reloads_total{result=\"failed\"}";
    for (number, bad) in
        ["mode: audit\nbogus: 1\n", "mode: audit\nsources: []\nmodes: [{mode: loud}]\n", "mode: [\n"].iter().enumerate()
    {
        let count = f64::from(u32::try_from(number).unwrap() + 1);
        server.configure(bad);
        server.until(async |server| server.metric(refused).await == count).await;
        assert!(!is_allowed(&server).await, "{bad}");
    }
    server.configure(&format!("mode: audit\n{PROD_SOURCE}"));
    server.until(is_allowed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_what_was_just_pushed_is_allowed() {
    let config = format!("git: {{poll: 1h, refreshAfter: 0s}}\n{PROD_SOURCE}");
    let server = ServeProcess::with_config(&config).until_ready().await;
    assert!(!is_allowed(&server).await);
    edit(&server, "replicas: 3", "replicas: 7");
    assert!(is_allowed(&server).await, "the look before the denial sees the push");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_of_files_that_a_broken_commit_changes_is_only_warned_about() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let color = recorded_review("widget-color", "alice");
    let scale = recorded_review("scale-5", "alice");
    assert_eq!(server.review(&scale).await["allowed"], false);

    edit(&server, "replicas: 3", "replicas: [3");
    server.until(async |server| server.metric(FAILING).await == 1.0).await;
    let response = server.review(&scale).await;
    assert_eq!(response["allowed"], true, "{response}");
    assert!(response["warnings"][0].as_str().unwrap().contains("spec.replicas"), "{response}");
    assert_eq!(server.review(&color).await["allowed"], false, "its file is not changed");

    edit(&server, "replicas: [3", "replicas: 3");
    server.until(async |server| server.review(&scale).await["allowed"] == false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_denials_at_once_cost_one_poll() {
    let server =
        ServeProcess::with_config(&format!("git: {{poll: 1h, refreshAfter: 3s}}\n{PROD_SOURCE}")).until_ready().await;
    let polls = "driftwall_source_polls_total{source=\"prod\"}";
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((since - server.metric(LAST_SYNC).await).abs() < 60.0);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(server.metric(polls).await, 1.0);
    let review = recorded_review("patch-replicas-7", "alice");
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(server.connect().await);
    }
    let asked_at = Instant::now();
    let asked = clients.into_iter().map(|mut client| {
        let review = review.clone();
        tokio::spawn(
            async move { response(client.expect_answer(review_request("?timeout=10s", &review)).await, &review) },
        )
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(in_time(asked).await.unwrap()["allowed"], false);
    }
    // One for all that came before it began, and one for those that came while it ran; on a slow machine they
    // come over a longer time, at most one poll a second.
    let polls = server.metric(polls).await;
    assert!((2.0..=3.0 + asked_at.elapsed().as_secs_f64().floor()).contains(&polls), "{polls}");
    assert_eq!(server.metric("driftwall_review_duration_seconds_count").await, 200.0);
    let denied = r#"driftwall_reviews_total{verdict="drift",actor="person",answer="deny",mode="enforce"}"#;
    assert_eq!(server.metric(denied).await, 200.0, "each is counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_prints_the_status_of_each_source() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let sources = |more: &[&str]| {
        let admin = server.admin.to_string();
        let arguments = [&["sources", "--admin", admin.as_str()], more].concat();
        let run = Command::new(env!("CARGO_BIN_EXE_driftwall")).args(arguments).output().unwrap();
        (run.status.code().unwrap(), String::from_utf8(run.stdout).unwrap())
    };
    let (status, table) = sources(&[]);
    assert_eq!(status, 0, "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("prod  main"), "{table}");
    edit(&server, "replicas: 3", "replicas: [3");
    server.until(async |server| server.metric(FAILING).await == 1.0).await;
    let (status, json) = sources(&["-o", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status, 1);
    assert_eq!(listed[0]["objects"], 14);
    let error = listed[0]["error"].as_str().unwrap();
    assert!(error.contains("apps/prod/app.yaml:19"), "file and line: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_a_gitops_tool_writes_otherwise_is_only_warned_about() {
    let server = ServeProcess::with_config(PROD_SOURCE).until_ready().await;
    let image = recorded_review("set-image", "alice");
    assert_eq!(server.review(&image).await["allowed"], false);

    // Argo CD renders another picture than ours: five replicas.
    let mut sync = recorded_deployment_sync();
    sync["request"]["object"]["spec"]["replicas"] = 5.into();
    assert_eq!(server.review(&sync).await["allowed"], true);
    let disputed_fields = "driftwall_source_disputed_fields{source=\"prod\"}";
    server.until(async |server| server.metric(disputed_fields).await == 1.0).await;

    let scale = recorded_review("scale-5", "alice");
    let response = server.review(&scale).await;
    assert_eq!(response["allowed"], true, "the field is in doubt");
    assert!(response["warnings"][0].as_str().unwrap().contains("spec.replicas"), "{response}");
    assert_eq!(server.review(&image).await["allowed"], false, "others are not");
    let (_, page) = server.admin_page("/sources").await;
    assert!(page.contains("Deployment.apps prod/python-app-prod: spec.replicas"), "{page}");

    edit(&server, "1.0.0", "1.0.1");
    server.until(async |server| server.review(&scale).await["allowed"] == false).await;
    assert_eq!(server.metric(disputed_fields).await, 0.0);
}

fn recorded_deployment_sync() -> serde_json::Value {
    let is = |line: &serde_json::Value| {
        let request = &line["review"]["request"];
        line["action"] == "argocd-self-heal"
            && line["actor"] == "gitops"
            && request["name"] == "python-app-prod"
            && request["kind"]["kind"] == "Deployment"
    };
    crate::common::recordings::lines("actions.jsonl.gz").into_iter().find(is).unwrap()["review"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_match_nothing_that_git_declares_are_told_once_for_each_configuration() {
    let message = "A rule of the configuration matches nothing that Git declares";
    let rules = "modes: [{mode: warn, namespaces: [prod]}, {mode: warn, namespaces: [pord]}]\n";
    let server = ServeProcess::with_config(&format!("{rules}{PROD_SOURCE}")).until_ready().await;
    server.until(async |server| server.logged(message, "key") == ["modes[1]"]).await;
    let ignoring = "ignore: [{kind: Deploymnet, paths: [spec.replicas]}]\n";
    server.configure(&format!("{rules}{ignoring}{PROD_SOURCE}"));
    server.until(async |server| server.logged(message, "key") == ["modes[1]", "modes[1]", "ignore[0]"]).await;

    // `config check` says the same, with its line, where it reads the sources.
    let config = server.folder.path().join("driftwall.yaml");
    for (reads_sources, is_told) in [(&[][..], false), (&["--sources"], true)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_driftwall"));
        let run = command.args(["config", "check"]).arg(&config).args(reads_sources).output().unwrap();
        let said = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.success(), "{said}");
        for key in ["modes[1]", "ignore[0]"] {
            let is_said = said.lines().any(|line| line.contains(&format!(": {key}: it matches no object")));
            assert_eq!(is_said, is_told, "{key}: {said}");
        }
    }
}
