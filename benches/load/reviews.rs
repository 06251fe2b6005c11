//! What is sent: recorded reviews, by what is decided of them.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use driftwall_core::actor::ActorRules;
use driftwall_core::admission::{self, Operation};
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::manifest;
use driftwall_core::policy::{EvaluationContext, NoCluster, Outcome, Policy, Verdict, evaluate};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The recordings, from the root of the repository.
const RECORDINGS: &str = "tests/data/reviews";
/// What Git declares in them.
pub(crate) const MANIFESTS: &str = "tests/data/reviews/git/apps/prod";
/// The GitOps tools that wrote them.
pub(crate) const PRESETS: &str = "[argocd, flux]";

/// Reviews that are sent one after another, and again from the first.
pub(crate) struct Load {
    pub(crate) name: &'static str,
    pub(crate) reviews: Vec<Review>,
}

/// A review as an API server sends it.
#[derive(Clone)]
pub(crate) struct Review {
    body: String,
    /// Where its uid stands: each time another is sent.
    uid_at: usize,
    /// The answer that it must get.
    pub(crate) is_allowed: bool,
}

/// A line of the recorded actions.
#[derive(Deserialize)]
struct RecordedAction<'a> {
    action: &'a str,
    expect: &'a str,
    #[serde(borrow)]
    review: &'a RawValue,
}

/// The two versions of the object in a review, as they are written there.
#[derive(Deserialize)]
struct ReviewTexts<'a> {
    #[serde(borrow)]
    request: RequestTexts<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestTexts<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
    #[serde(borrow)]
    old_object: &'a RawValue,
    #[serde(borrow)]
    user_info: &'a RawValue,
}

const UID_LENGTH: usize = 36;
const GITOPS_USER: &str = r#"{"username":"system:serviceaccount:argocd:argocd-application-controller","groups":["system:serviceaccounts","system:serviceaccounts:argocd","system:authenticated"]}"#;

impl Load {
    /// The mean size of a review, in bytes.
    pub(crate) fn mean_bytes(&self) -> usize {
        self.reviews.iter().map(|review| review.body.len()).sum::<usize>() / self.reviews.len()
    }
}

impl Review {
    fn new(body: String, is_allowed: bool) -> anyhow::Result<Self> {
        const BEFORE: &str = r#""request":{"uid":""#;
        let uid_at = body.find(BEFORE).context("failed to find the uid of a recorded review")? + BEFORE.len();
        ensure!(body[uid_at + UID_LENGTH..].starts_with('"'), "failed to replace a uid of another length");
        Ok(Self { body, uid_at, is_allowed })
    }

    pub(crate) fn len(&self) -> usize {
        self.body.len()
    }

    /// The opposite change, with the opposite answer.
    #[allow(dead_code, reason = "only the short form in the tests looks from both sides")]
    pub(crate) fn turned_round(&self) -> anyhow::Result<Self> {
        Self::new(restored(&self.body)?, !self.is_allowed)
    }

    /// Appends the review to `request`, with the uid of its number.
    pub(crate) fn write_to(&self, number: usize, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.body.as_bytes()[..self.uid_at]);
        request.extend_from_slice(uid(number).as_bytes());
        request.extend_from_slice(&self.body.as_bytes()[self.uid_at + UID_LENGTH..]);
    }
}

/// The uid of the review of this number.
pub(crate) fn uid(number: usize) -> String {
    format!("10ad0000-0000-4000-8000-{number:012x}")
}

/// All loads, made of the recordings.
pub(crate) fn loads() -> anyhow::Result<Vec<Load>> {
    let (snapshot, actors) = (snapshot()?, ActorRules::new(Vec::new(), &["argocd".to_owned(), "flux".to_owned()])?);
    let policy = Policy::default();
    let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };
    let (mut judged, mut denied, mut undeclared, mut exempt) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let actions = text("actions.jsonl.gz")?;
    for line in actions.lines() {
        let RecordedAction { expect, review, .. } = serde_json::from_str(line)?;
        let write = admission::decode(review.get().as_bytes())?;
        let assessment = evaluate(&write, context);
        let decision = decide(&write, &assessment, &policy, DecisionContext::default());
        let is_allowed = decision.outcome != Outcome::Deny;
        // Some answers need a look-up in a cluster, and here is none.
        if is_allowed != (expect != "deny") {
            continue;
        }
        let kind = match assessment.verdict {
            Verdict::Conforms if write.operation == Operation::Update => &mut judged,
            Verdict::Drift if !is_allowed => &mut denied,
            Verdict::Unmanaged => &mut undeclared,
            Verdict::Exempt if write.operation == Operation::Update => &mut exempt,
            _ => continue,
        };
        kind.push(Review::new(review.get().to_owned(), is_allowed)?);
    }
    let traffic = text("traffic.jsonl.gz")?;
    let traffic = traffic.lines().map(|review| Review::new(review.to_owned(), true)).collect::<Result<_, _>>()?;
    let large = with_large_data(&restored(&recorded(&actions, "configmap-change")?)?);
    Ok(vec![
        Load { name: "recorded traffic", reviews: traffic },
        Load { name: "judged UPDATEs", reviews: judged },
        Load { name: "denials", reviews: denied },
        Load { name: "undeclared", reviews: undeclared },
        Load { name: "a controller's UPDATEs", reviews: exempt },
        Load { name: "1 MB object, judged", reviews: vec![Review::new(large.clone(), true)?] },
        Load { name: "1 MB object, a controller's", reviews: vec![Review::new(by_gitops(&large)?, true)?] },
    ])
}

/// Denials of so many persons: none repeats another's, so that each has to wait for a look at Git.
pub(crate) fn denials_by_many() -> anyhow::Result<Load> {
    let denial = recorded(&text("actions.jsonl.gz")?, "patch-replicas-7")?;
    let by = |number: usize| denial.replacen(r#""username":"alice""#, &format!(r#""username":"alice-{number}""#), 1);
    let reviews = (0..1024).map(|number| Review::new(by(number), false)).collect::<Result<_, _>>()?;
    Ok(Load { name: "denials, a source that polls", reviews })
}

/// Judged UPDATEs of generated Deployments of [`generated_manifest`]: each one's `replicas` goes back to Git's.
pub(crate) fn updates_of_generated(objects: usize) -> anyhow::Result<Load> {
    let review = restored(&recorded(&text("actions.jsonl.gz")?, "patch-replicas-7")?)?;
    // In an order in which neighbours in a file do not follow each other.
    let count = objects.min(5000);
    let numbers = (0..count).map(|index| index.wrapping_mul(7919) % count * (objects / count));
    let reviews = numbers
        .map(|number| Review::new(review.replace(GENERATED_FROM, &generated_name(number)), true))
        .collect::<Result<_, _>>()?;
    Ok(Load { name: "judged UPDATEs of generated objects", reviews })
}

/// The recorded Deployment that others are generated from.
const GENERATED_FROM: &str = "python-app-prod";

fn generated_name(number: usize) -> String {
    format!("app-{number:06}")
}

/// The manifest of which those of generated Deployments are made.
pub(crate) struct GeneratedManifest(String);

impl GeneratedManifest {
    pub(crate) fn read() -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(Path::new(MANIFESTS).join("app.yaml"))?;
        let is_it = |document: &&str| document.contains("kind: Deployment") && document.contains(GENERATED_FROM);
        let document = text.split("---\n").find(is_it).context("failed to find the Deployment in app.yaml")?;
        Ok(Self(document.to_owned()))
    }

    /// The manifest of the Deployment of this number.
    pub(crate) fn of(&self, number: usize) -> String {
        self.0.replace(GENERATED_FROM, &generated_name(number))
    }
}

/// The review of a recorded action that was denied.
fn recorded(actions: &str, id: &str) -> anyhow::Result<String> {
    for line in actions.lines() {
        let RecordedAction { action, expect, review } = serde_json::from_str(line)?;
        if action == id && expect == "deny" {
            return Ok(review.get().to_owned());
        }
    }
    anyhow::bail!("failed to find the action {id} in the recordings")
}

/// The way back: the object becomes again what it was.
fn restored(review: &str) -> anyhow::Result<String> {
    let RequestTexts { object, old_object, .. } = serde_json::from_str::<ReviewTexts<'_>>(review)?.request;
    let both = |object: &RawValue, old: &RawValue| format!(r#""object":{object},"oldObject":{old}"#);
    let restored = review.replace(&both(object, old_object), &both(old_object, object));
    ensure!(restored != review, "failed to find the objects in a recorded review");
    Ok(restored)
}

/// The same ConfigMap with a mebibyte of text that the write does not touch, as a dashboard has it.
fn with_large_data(review: &str) -> String {
    let line = r#"      {\"title\": \"Requests\", \"type\": \"graph\", \"targets\": [\"sum(rate(requests[5m]))\"]},\n"#;
    let page = line.repeat((1 << 20) / line.len());
    review.replace(r#""data":{"#, &format!(r#""data":{{"dashboard.json":"{page}","#))
}

/// The same, written by Argo CD.
fn by_gitops(review: &str) -> anyhow::Result<String> {
    let user = serde_json::from_str::<ReviewTexts<'_>>(review)?.request.user_info.get();
    Ok(review.replacen(user, GITOPS_USER, 1))
}

fn snapshot() -> anyhow::Result<Snapshot> {
    let mut files = Vec::new();
    for name in ["app.yaml", "widget.yaml"] {
        let reading = manifest::parse(name, &std::fs::read(Path::new(MANIFESTS).join(name))?);
        files.push(Arc::new(FileContents::new(&name.into(), Some("prod"), reading.objects)?));
    }
    Ok(Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), files))]))
}

fn text(name: &str) -> anyhow::Result<String> {
    let path = Path::new(RECORDINGS).join(name);
    let compressed = std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut text)?;
    Ok(text)
}
