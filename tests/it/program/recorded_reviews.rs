//! Every recorded review of a real API server, evaluated by `driftwall check`: the answer is the recorded one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::common::recordings;
use crate::program::serve_process::PROD_SOURCE;

/// A recorded review with the right answer; `traffic` has bare reviews, all of which are allowed.
#[derive(Deserialize)]
struct Recorded {
    action: String,
    actor: String,
    expect: String,
    fields: Vec<String>,
    review: Value,
}

#[derive(Deserialize)]
struct Line {
    uid: String,
    verdict: String,
    answer: String,
    allowed: bool,
    actor: String,
    fields: Vec<String>,
    message: String,
}

/// Runs `driftwall check` on reviews; its exit status and what it printed.
fn check(reviews: &[Value], mode: &str) -> (i32, Vec<Line>) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    crate::common::git::commit_folder(&at("repo"), Path::new("tests/data/reviews/git"));
    let config = format!("mode: {mode}\n{PROD_SOURCE}");
    std::fs::write(at("driftwall.yaml"), config).unwrap();
    let lines = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    std::fs::write(at("reviews"), lines(reviews)).unwrap();
    std::fs::write(at("objects"), lines(&recordings::lines("objects.jsonl.gz"))).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_driftwall"))
        .args(["check", "-o", "json", "--config"])
        .arg(at("driftwall.yaml"))
        .arg("--objects")
        .arg(at("objects"))
        .arg(at("reviews"))
        .output()
        .unwrap();
    assert!(run.stderr.is_empty(), "{}", String::from_utf8_lossy(&run.stderr));
    let lines = String::from_utf8(run.stdout).unwrap();
    (run.status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn every_recorded_action_gets_the_recorded_answer() {
    let recorded: Vec<Recorded> =
        recordings::lines("actions.jsonl.gz").into_iter().map(|line| serde_json::from_value(line).unwrap()).collect();
    let reviews: Vec<_> = recorded.iter().map(|recorded| recorded.review.clone()).collect();
    let (status, lines) = check(&reviews, "enforce");
    assert_eq!((status, lines.len(), recorded.len()), (1, 2137, 2137));
    let mut wrong = Vec::new();
    for (recorded, line) in recorded.iter().zip(&lines) {
        assert_eq!(recorded.review["request"]["uid"], line.uid.as_str());
        assert_eq!(line.allowed, line.answer != "deny");
        let named = recorded.fields.iter().all(|field| line.fields.contains(field));
        // Recorded as a person everywhere; it is one where it writes what is deployed.
        let is_argocd_server =
            recorded.review["request"]["userInfo"]["username"] == "system:serviceaccount:argocd:argocd-server";
        let actor = if is_argocd_server { "workload" } else { &recorded.actor };
        if (recorded.expect.as_str(), actor) != (&*line.answer, &*line.actor) || !named {
            let Line { verdict, answer, actor, fields, .. } = line;
            wrong.push(format!("{}: {actor} got {verdict}, {answer} for {fields:?}", recorded.action));
        }
        // The made-up Secret's values, as they are written and as the cluster has them.
        if recorded.review["request"]["kind"]["kind"] == "Secret" {
            for secret in ["s3cr3t", "czNjcjN0", "other", "b3RoZXI="] {
                assert!(!line.message.contains(secret), "{}: {}", recorded.action, line.message);
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recorded.len(), wrong.join("\n"));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        *counts.entry(&line.answer).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([("allow", 2081), ("deny", 53), ("warn", 3)]));
}

#[test]
fn no_controller_is_ever_denied() {
    let reviews = recordings::lines("traffic.jsonl.gz");
    let (status, lines) = check(&reviews, "enforce");
    assert_eq!((status, lines.len()), (0, 7475));
    let denied: Vec<_> = lines.iter().filter(|line| line.answer != "allow").map(|line| &line.uid).collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[test]
fn the_mode_changes_the_answer_and_never_the_verdict() {
    let reviews: Vec<_> =
        recordings::lines("actions.jsonl.gz").into_iter().map(|mut line| line["review"].take()).collect();
    let (_, enforce) = check(&reviews, "enforce");
    for (mode, softest) in [("warn", "warn"), ("audit", "allow")] {
        let (status, lines) = check(&reviews, mode);
        assert_eq!(status, 0, "{mode} denies nothing");
        for (hard, soft) in enforce.iter().zip(&lines) {
            assert_eq!((&hard.verdict, &hard.fields), (&soft.verdict, &soft.fields), "{mode}");
            let expected = if hard.answer == "allow" { "allow" } else { softest };
            assert_eq!(soft.answer, expected, "{mode}");
        }
    }
}
