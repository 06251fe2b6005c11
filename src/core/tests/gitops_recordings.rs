//! Writes of a real Argo CD and a real Flux, replayed in order against their own objects as they stood at each
//! moment: nobody is denied but people whose edits the tools undid, and of these edits each undone field is named.
//!
//! `tests/data/gitops/recordings` has a part of the recordings, and what is answered to each edit of all of them
//! (`*.tsv`: step, write, answer, fields that the answer names, fields that the tool then brought back; how often).
//! `DRIFTWALL_GITOPS_RECORDINGS` names a folder with all reviews of a cluster, `argocd/reviews.jsonl.gz` and
//! `flux/reviews.jsonl.gz`; with `DRIFTWALL_RENEW=1` the answers are written anew from them.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod replay;

use std::path::PathBuf;

use replay::{Replay, Row, Step};

/// An edit that a tool undid though nothing named it, the field, and why that is right.
type LeftOpen = (&'static str, &'static str, &'static str);

const LEFT_OPEN_BY_ARGO_CD: [LeftOpen; 5] = [
    (
        "drift-ignored-norespect-and-declared",
        "spec.replicas",
        "ignoreDifferences names it; what is declared beside it brings it back",
    ),
    (
        "drift-ssdiff-label-undeclared",
        "metadata.labels[\"debug\"]",
        "no self-heal took it away: with its own label, when the tracking method changed, Argo CD took the whole map",
    ),
    (
        "drift-shop-namespace-deleted-label",
        "metadata.labels[\"team\"]",
        "the edit before, which is denied, had taken it from Argo CD, so it was nobody's any more",
    ),
    ("adopt-csa-person-applies", "spec.replicas", "no application lists the object yet"),
    ("adopt-ssa-person-applies", "spec.replicas", "no application lists the object yet"),
];

const LEFT_OPEN_BY_FLUX: [LeftOpen; 5] = [
    ("edit:scale-while-disabled", "spec.replicas", "the stored object opts out, until a person opts in again"),
    ("edit:helm-delete-storage", "the object", "Helm's record of a release is no declared object"),
    ("edit:helm-scale-ignored", "spec.replicas", "driftDetection.ignore names it; the next release brings it back"),
    (
        "edit:helm-image-and-replicas",
        "spec.replicas",
        "driftDetection.ignore names it; the next release brings it back",
    ),
    ("resume", "spec.suspend", "whoever resumes is not stopped; the root pauses it again"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/gitops/recordings")
}

/// What holds whatever was recorded: which of the exceptions there were.
fn check(steps: &[Step], rows: &[Row], left_open: &'static [LeftOpen]) -> Vec<&'static LeftOpen> {
    let denied: Vec<_> = steps.iter().filter(|step| step.answer == "deny").collect();
    let wrong: Vec<_> = denied.iter().filter(|step| !step.is_of_somebody()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!denied.is_empty());
    let (mut used, mut wrong) = (Vec::new(), Vec::new());
    for row in rows {
        for path in &row.unnamed {
            match left_open.iter().find(|(step, open, _)| (*step, *open) == (&*row.step, path)) {
                Some(exception) => used.push(exception),
                None => wrong.push(row),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    used
}

/// A line for each edit: equal ones once, with how many there are.
fn table(rows: &[Row]) -> Vec<(String, usize)> {
    let mut table: Vec<(String, usize)> = Vec::new();
    for line in rows.iter().map(Row::to_string) {
        match table.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => table.push((line, 1)),
        }
    }
    table
}

/// All reviews of a tool.
fn replay_all(tool: &'static str, left_open: &'static [LeftOpen]) {
    let Some(all) = std::env::var_os("DRIFTWALL_GITOPS_RECORDINGS") else {
        eprintln!("skipped: DRIFTWALL_GITOPS_RECORDINGS is not set");
        return;
    };
    let (steps, rows) = Replay::new(tool).run(replay::lines(&PathBuf::from(all).join(tool).join("reviews.jsonl.gz")));
    let lines = table(&rows).into_iter().map(|(line, count)| format!("{line}\t{count}\n"));
    let found: String = lines.collect();
    let file = folder().join(format!("{tool}.tsv"));
    if std::env::var_os("DRIFTWALL_RENEW").is_some() {
        std::fs::write(&file, &found).unwrap();
    }
    let used = check(&steps, &rows, left_open);
    let unused: Vec<_> = left_open.iter().filter(|exception| !used.contains(exception)).collect();
    assert!(unused.is_empty(), "{unused:?}");
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let other = |left: &str, right: &str| {
        let lines = left.lines().filter(|line| !right.lines().any(|it| it == *line));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (new, gone) = (other(&found, &expected), other(&expected, &found));
    assert!(new.is_empty() && gone.is_empty(), "answered now: {new:#?}\nexpected: {gone:#?}");
}

/// A part of the reviews: each edit is answered as among all.
fn replay_part(tool: &'static str, left_open: &'static [LeftOpen]) {
    let (steps, rows) = Replay::new(tool).run(replay::lines(&folder().join(format!("{tool}.jsonl.gz"))));
    check(&steps, &rows, left_open);
    let expected = std::fs::read_to_string(folder().join(format!("{tool}.tsv"))).unwrap();
    let expected: Vec<_> = expected.lines().filter_map(|line| line.rsplit_once('\t')).map(|(line, _)| line).collect();
    let wrong: Vec<_> = rows.iter().map(Row::to_string).filter(|row| !expected.contains(&&**row)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows.iter().any(|row| !row.corrected.is_empty()));
}

#[test]
fn nobody_but_people_is_denied_while_argo_cd_syncs_and_heals() {
    replay_all("argocd", &LEFT_OPEN_BY_ARGO_CD);
    replay_part("argocd", &LEFT_OPEN_BY_ARGO_CD);
}

#[test]
fn nobody_but_people_is_denied_while_flux_reconciles_and_corrects() {
    replay_all("flux", &LEFT_OPEN_BY_FLUX);
    replay_part("flux", &LEFT_OPEN_BY_FLUX);
}
