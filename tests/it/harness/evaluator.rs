//! Evaluates single reviews in the recorded cluster: Git as it was recorded, and what a test adds.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use driftwall::cluster::OfflineLookup;
use driftwall_core::actor::{ActorRules, Class};
use driftwall_core::admission;
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{Snapshot, Source, SourceContents};
use driftwall_core::drift_memory::DriftMemory;
use driftwall_core::policy::{ClusterLookup, EvaluationContext, Mode, Outcome, Policy, Verdict, evaluate};
use serde_json::Value;

use crate::common::recordings;
use crate::harness::reviews::Review;
use crate::harness::snapshots::source_contents;

/// The commit that Git is at.
pub(crate) const COMMIT: &str = "5c56d97996b2f7d1a1b9e9a4d0c3e8f7a6b5c4d3";

/// Everything that a verdict and its answer depend on, besides the review.
pub(crate) struct Evaluator {
    pub(crate) snapshot: Snapshot,
    pub(crate) actors: ActorRules,
    pub(crate) policy: Policy,
    pub(crate) cluster: Box<dyn ClusterLookup>,
    pub(crate) context: DecisionContext<'static>,
}

impl Evaluator {
    /// The recorded cluster and source, and `more` (YAML) as a second source.
    pub(crate) fn new(more: &str, presets: &[&str]) -> Self {
        let recorded = contents("prod", &files(&Path::new(recordings::FOLDER).join("git/apps/prod")));
        let more = contents("more", &[("more.yaml".into(), more.into())]);
        Self::with_sources(vec![recorded, more], presets)
    }

    pub(crate) fn with_sources(sources: Vec<Arc<SourceContents>>, presets: &[&str]) -> Self {
        let mut cluster = OfflineLookup::default();
        for object in &*CLUSTER_OBJECTS {
            cluster.insert(object).unwrap();
        }
        let presets: Vec<_> = presets.iter().map(|name| (*name).to_owned()).collect();
        Self {
            snapshot: Snapshot::new(sources),
            actors: ActorRules::new(Vec::new(), &presets).unwrap(),
            policy: Policy::default(),
            cluster: Box::new(cluster),
            context: DecisionContext::default(),
        }
    }

    /// Takes a review the whole way: decode, evaluate, apply the mode, encode.
    pub(crate) fn evaluate(&self, Review(review): &Review) -> Evaluated {
        let body = serde_json::to_vec(review).unwrap();
        let write = admission::decode(&body).unwrap();
        let Self { snapshot, actors, policy, cluster, context } = self;
        let assessment = evaluate(&write, EvaluationContext { snapshot, actors, policy, cluster: &**cluster });
        let decision = decide(&write, &assessment, policy, *context);
        let encoded = admission::encode(&write.uid, &decision.answer);
        let mut sent: Value = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(sent["response"]["uid"], review["request"]["uid"]);
        Evaluated {
            verdict: assessment.verdict,
            class: assessment.class,
            fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
            reason: assessment.error_reason().unwrap_or_default().to_owned(),
            mode: decision.mode,
            outcome: decision.outcome,
            response: sent["response"].take(),
        }
    }

    /// Notes in a memory what a review drifts.
    pub(crate) fn record(&self, Review(review): &Review, memory: &mut DriftMemory) {
        let body = serde_json::to_vec(review).unwrap();
        let write = admission::decode(&body).unwrap();
        let Self { snapshot, actors, policy, cluster, .. } = self;
        let assessment = evaluate(&write, EvaluationContext { snapshot, actors, policy, cluster: &**cluster });
        memory.record(&write, &assessment, actors, None);
    }
}

/// The contents of a source whose repository is the one that the expected messages name.
pub(crate) fn contents(name: &str, files: &[(String, String)]) -> Arc<SourceContents> {
    let source = Source {
        name: name.into(),
        repo: "https://example.org/acme/gitops".into(),
        revision: "main".into(),
        commit: COMMIT.into(),
        ..Source::default()
    };
    let files = files.iter().map(|(path, yaml)| (path.as_str(), yaml.as_str()));
    source_contents(source, Some("prod"), files)
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let read = |file: std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        (format!("apps/prod/{name}"), std::fs::read_to_string(&file).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

/// The result of an evaluation.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) verdict: Verdict,
    pub(crate) class: Class,
    pub(crate) fields: Vec<String>,
    pub(crate) reason: String,
    pub(crate) mode: Mode,
    pub(crate) outcome: Outcome,
    /// The `response` of the encoded review.
    pub(crate) response: Value,
}

impl Evaluated {
    /// The text of the denial; empty without one.
    pub(crate) fn message(&self) -> &str {
        self.response["status"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.response["warnings"].as_array().into_iter().flatten().map(|line| line.as_str().unwrap()).collect()
    }
}

static CLUSTER_OBJECTS: LazyLock<Vec<Value>> = LazyLock::new(|| recordings::lines("objects.jsonl.gz"));
