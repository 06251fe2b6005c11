//! From audit to enforce by data: what `suggest` prints makes machines' recurring writes pass, and no person's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::recordings;
use crate::harness::reviews::recorded_review;
use crate::program::serve_process::{PROD_SOURCE, ServeProcess};

/// A configuration of the recorded repository in a folder with reviews.
struct Day {
    folder: tempfile::TempDir,
}

impl Day {
    /// The reviews, played twice: what recurs has happened before.
    fn of(reviews: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        crate::common::git::commit_folder(&folder.path().join("repo"), Path::new("tests/data/reviews/git"));
        let lines = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n";
        std::fs::write(folder.path().join("reviews"), lines(reviews).repeat(2)).unwrap();
        std::fs::write(folder.path().join("objects"), lines(&recordings::lines("objects.jsonl.gz"))).unwrap();
        Self { folder }
    }

    fn run(&self, command: &str, more: &[&str], config: &str) -> String {
        let at = |name: &str| self.folder.path().join(name);
        std::fs::write(at("driftwall.yaml"), config).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_driftwall"))
            .arg(command)
            .args(more)
            .arg("--config")
            .arg(at("driftwall.yaml"))
            .arg("--objects")
            .arg(at("objects"))
            .arg(at("reviews"))
            .output()
            .unwrap();
        assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    /// How often each class of writers drifts, in mode enforce.
    fn drift(&self, config: &str) -> BTreeMap<String, usize> {
        let printed = self.run("check", &["-o", "json"], config);
        let mut drift = BTreeMap::new();
        for line in printed.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            if line["verdict"] == "drift" {
                *drift.entry(line["actor"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        drift
    }
}

#[test]
fn what_is_suggested_after_a_day_in_audit_lets_machines_pass_and_no_person() {
    let reviews: Vec<Value> =
        recordings::lines("actions.jsonl.gz").into_iter().map(|mut line| line["review"].take()).collect();
    let day = Day::of(&reviews);
    let before = day.drift(PROD_SOURCE);
    assert!(before["workload"] > 0 && before["person"] > 50, "{before:?}");
    let suggested = day.run("suggest", &[], &format!("mode: audit\n{PROD_SOURCE}"));
    let words = "UPDATE of Deployment.apps spec.template.spec.containers[name=\"web\"].image: 2 times";
    assert!(suggested.contains(&format!("# system:serviceaccount:ci:deployer (workload): {words}")), "{suggested}");
    let after = day.drift(&format!("{PROD_SOURCE}{suggested}"));
    assert_eq!(after.get("workload"), None, "{suggested}");
    assert_eq!(after.get("person"), before.get("person"), "{suggested}");
}

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
