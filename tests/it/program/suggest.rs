//! What a running server remembers and records, for `suggest` and `check`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::common::recordings;
use crate::harness::reviews::recorded_review;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess};

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_remembers_who_drifts_what() {
    let server = ServeProcess::with_config(&format!("mode: audit\n{PROD_SOURCE}")).until_ready().await;
    let pipeline = |uid: &str| {
        let recorded = recordings::lines("actions.jsonl.gz");
        let line = recorded.iter().find(|line| line["action"] == "ci-set-image" && line["expect"] == "deny").unwrap();
        let mut review = line["review"].clone();
        review["request"]["uid"] = uid.into();
        review
    };
    for uid in ["1", "2"] {
        assert_eq!(server.review(&pipeline(uid)).await["allowed"], true);
    }
    assert_eq!(server.review(&recorded_review("patch-replicas-7", "alice")).await["allowed"], true);
    let suggest = |more: &[&str]| {
        let admin = server.admin.to_string();
        let run = Command::new(env!("CARGO_BIN_EXE_driftwall"))
            .args(["suggest", "--admin", &admin])
            .args(more)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    let twice = suggest(&[]);
    assert!(twice.contains("users: [\"system:serviceaccount:ci:deployer\"]"), "{twice}");
    assert!(!twice.contains("alice"), "{twice}");
    // Two replicas saw half of it each.
    let seen = server.folder.path().join("seen");
    std::fs::write(&seen, suggest(&["-o", "json"]).repeat(2)).unwrap();
    let of_both = Command::new(env!("CARGO_BIN_EXE_driftwall"))
        .args(["suggest", "--at-least", "4", "--seen", seen.to_str().unwrap()])
        .output()
        .unwrap();
    let of_both = String::from_utf8(of_both.stdout).unwrap();
    assert!(of_both.contains("system:serviceaccount:ci:deployer (workload): UPDATE of Deployment.apps"), "{of_both}");
    assert!(of_both.contains(": 4 times, 20"), "{of_both}");
    let once = suggest(&["--at-least", "1"]);
    assert!(once.contains("#   alice (person): UPDATE of Deployment.apps spec.replicas: once, 20"), "{once}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_records_can_be_judged_again() {
    let folder = tempfile::tempdir().unwrap();
    crate::common::git::commit_folder(&folder.path().join("repo"), Path::new("tests/data/reviews/git"));
    let recording = folder.path().join("reviews").to_str().unwrap().to_owned();
    let server = ServeProcess::start(folder, PROD_SOURCE, &["--record", &recording]).until_ready().await;
    assert_eq!(server.review(&recorded_review("patch-replicas-7", "alice")).await["allowed"], false);
    assert_eq!(server.review(&recorded_review("delete-pod", "alice")).await["allowed"], true);
    let lines = || std::fs::read_to_string(&recording).unwrap_or_default().lines().count();
    server.until(async |_| lines() == 2).await;
    let mode = std::fs::metadata(&recording).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let run = Command::new(env!("CARGO_BIN_EXE_driftwall"))
        .args(["check", "--config"])
        .arg(server.folder.path().join("driftwall.yaml"))
        .arg(&recording)
        .output()
        .unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    let answers: Vec<_> = said.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(answers, ["deny", "allow"], "{said}{}", String::from_utf8_lossy(&run.stderr));
}
