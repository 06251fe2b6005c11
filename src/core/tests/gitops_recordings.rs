//! Every write of a real Argo CD and a real Flux, replayed in order against their own objects as they stood at each
//! moment: nobody is denied but the person whose edits the tools undid, and of these edits each undone field is named.
//!
//! `DRIFTWALL_GITOPS_RECORDINGS` names a folder with `argocd/reviews.jsonl.gz` and `flux/reviews.jsonl.gz`: all
//! reviews of a cluster with the tool in it, a line each, with the step in which it came.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod replay;

use replay::{Replay, Step, Unnamed, recordings};

/// Edits that a tool undid though nothing named them, and why that is right.
const LEFT_OPEN: [(&str, &str, &str); 8] = [
    ("edit:scale-while-disabled", "spec.replicas", "the stored object opts out, until a person opts in again"),
    ("edit:helm-delete-storage", "the object", "Helm's record of a release is no declared object"),
    ("edit:helm-scale-ignored", "spec.replicas", "driftDetection.ignore names it; the next release brings it back"),
    (
        "edit:helm-image-and-replicas",
        "spec.replicas",
        "driftDetection.ignore names it; the next release brings it back",
    ),
    (
        "drift-ignored-norespect-and-declared",
        "spec.replicas",
        "ignoreDifferences names it; what is declared beside it brings it back",
    ),
    ("adopt-csa-person-applies", "spec.replicas", "no application lists the object yet"),
    ("adopt-ssa-person-applies", "spec.replicas", "no application lists the object yet"),
    ("resume", "spec.suspend", "whoever resumes is not stopped; the root pauses it again"),
];

fn check(steps: &[Step], unnamed: Vec<Unnamed>) {
    replay::print(steps);
    // Argo CD's server writes for whoever clicks in its page.
    let is_tool = |step: &&Step| step.class != "person" && !step.user.ends_with(":argocd-server");
    let denied: Vec<_> = steps.iter().filter(|step| step.answer == "deny").collect();
    let wrong: Vec<_> = denied.iter().filter(|step| is_tool(step)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!denied.is_empty());
    let is_open = |it: &Unnamed| LEFT_OPEN.iter().any(|(step, path, _)| (*step, *path) == (&it.step, &it.path));
    let wrong: Vec<_> = unnamed.into_iter().filter(|it| !is_open(it)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nobody_but_persons_is_denied_while_argo_cd_syncs_and_heals() {
    let Some(lines) = recordings("argocd") else { return };
    let (steps, unnamed) = Replay::new("argocd").run(lines);
    check(&steps, unnamed);
}

#[test]
fn nobody_but_persons_is_denied_while_flux_reconciles_and_corrects() {
    let Some(lines) = recordings("flux") else { return };
    let (steps, unnamed) = Replay::new("flux").run(lines);
    check(&steps, unnamed);
}
