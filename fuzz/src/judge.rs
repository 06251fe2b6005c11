//! Takes a review the whole way, as the server does: decode, evaluate, apply the mode, encode.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use driftwall_core::actor::{ActorRules, Class};
use driftwall_core::admission::{self, JsonShape, Operation, Resource, Write};
use driftwall_core::decision::{DecisionContext, decide, decide_unreadable_review};
use driftwall_core::desired::{FileContents, ObjectKey, Snapshot, Source, SourceContents};
use driftwall_core::diff::CustomResource;
use driftwall_core::manifest;
use driftwall_core::policy::{
    ClusterLookup, EvaluationContext, LookupError, NoCluster, Owner, Policy, Verdict, evaluate,
};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::recordings;

/// Bytes that an answer may have beside what it repeats of the review's head.
const MAX_ANSWER: usize = 256 * 1024;

/// Everything that an answer depends on, besides the review.
pub struct Judge {
    /// What Git declares.
    pub snapshot: Snapshot,
    actors: ActorRules,
    policy: Policy,
    cluster: Box<dyn ClusterLookup>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What the write is.
    pub verdict: Verdict,
    /// Whether the write is let in.
    pub allowed: bool,
    /// Whether it is let in without a word.
    pub is_silent: bool,
    /// The whole answer.
    pub response: Value,
}

/// The recorded cluster, in enforce mode.
pub static RECORDED_CLUSTER: LazyLock<Judge> = LazyLock::new(|| {
    let files = recordings::git_files();
    let files = files.iter().map(|(path, yaml)| (path.as_str(), manifest::parse(path, yaml.as_bytes()).objects));
    Judge { cluster: Box::new(RecordedLookup::read()), ..Judge::of_objects(files, Some("prod")) }
});

impl Judge {
    /// A judge of these objects, by file, in a cluster of which nothing else is known.
    pub fn of_objects<'a>(
        files: impl Iterator<Item = (&'a str, Vec<manifest::Object>)>,
        namespace: Option<&str>,
    ) -> Self {
        let mut contents = Vec::new();
        for (path, objects) in files {
            if let Ok(file) = FileContents::new(&Arc::from(path), namespace, objects) {
                contents.push(Arc::new(file));
            }
        }
        let source = Source { name: "prod".into(), revision: "main".into(), ..Source::default() };
        Self {
            snapshot: Snapshot::new(vec![Arc::new(SourceContents::new(source, contents))]),
            actors: ActorRules::new(Vec::new(), &["argocd".into(), "flux".into()]).expect("the presets exist"),
            policy: Policy::default(),
            cluster: Box::new(NoCluster),
        }
    }

    /// The answer to a review; `None` where it is none that could be answered. Fails where the answer is not
    /// one that may be given to any review.
    pub fn answer(&self, body: &[u8]) -> Option<Answered> {
        let (uid, verdict, encoded, repeated) = match admission::decode(body) {
            Ok(write) => {
                let (verdict, class, encoded) = self.evaluate(&write);
                let Write { user, resource, namespace, name, uid, .. } = &write;
                let repeated = [&user.name, &resource.kind, &resource.group, &resource.plural, namespace, name, uid];
                let repeated: usize = repeated.iter().map(|text| text.len()).sum();
                if matches!(class, Class::Person | Class::Workload) {
                    self.check_unreadable(&write, body, &encoded);
                }
                (write.uid.into_owned(), verdict, encoded, repeated)
            }
            Err(error) => {
                let uid = error.uid()?.to_owned();
                let decision = decide_unreadable_review(&error, &self.policy);
                let encoded = admission::encode(&uid, &decision.answer);
                (uid, Verdict::Error, encoded, body.len())
            }
        };
        assert!(encoded.len() < MAX_ANSWER + 16 * repeated, "the answer has {} bytes", encoded.len());
        let mut answer: Value = serde_json::from_slice(&encoded).expect("the answer is JSON");
        let response = answer["response"].take();
        assert_eq!(response["uid"], uid, "the answer is to this review");
        let allowed = response["allowed"].as_bool().expect("the answer says whether the write is allowed");
        let has_message = response["status"]["message"].as_str().is_some_and(|message| !message.is_empty());
        assert_ne!(allowed, has_message, "a denial, and only a denial, has a message: {response}");
        let is_silent = allowed && response.get("warnings").is_none();
        Some(Answered { verdict, allowed, is_silent, response })
    }

    /// Fails where the answer to the same review, written otherwise than an API server writes it, is another one: that one
    /// is left to another decoder, which looks at every byte. So what is no JSON is told apart by that one alone.
    pub fn check_decoders(&self, body: &[u8], answer: Option<&Answered>) {
        const NAME: &[u8] = b"\"request\"";
        let Some(at) = body.windows(NAME.len()).position(|window| window == NAME) else { return };
        if serde_json::from_slice::<&RawValue>(body).is_err() {
            return;
        }
        let mut escaped = body.to_vec();
        escaped.splice(at..at + NAME.len(), *b"\"\\u0072equest\"");
        let mut answers = [answer.cloned(), self.answer(&escaped)];
        for answer in answers.iter_mut().flatten().filter(|answer| answer.verdict == Verdict::Error) {
            // It says where in the text an error is.
            answer.response = Value::Null;
        }
        let [answer, other] = answers;
        assert_eq!(answer, other, "both decoders read the same: {}", String::from_utf8_lossy(body));
    }

    fn evaluate(&self, write: &Write<'_>) -> (Verdict, Class, Vec<u8>) {
        let Self { snapshot, actors, policy, cluster } = self;
        let assessment = evaluate(write, EvaluationContext { snapshot, actors, policy, cluster: &**cluster });
        let decision = decide(write, &assessment, policy, DecisionContext::default());
        (assessment.verdict, assessment.class, admission::encode(&write.uid, &decision.answer))
    }

    /// What persons and workloads write to a declared object is not let in where it cannot be read.
    fn check_unreadable(&self, write: &Write<'_>, body: &[u8], encoded: &[u8]) {
        let Write { resource, namespace, name, .. } = write;
        let key = ObjectKey { group: &resource.group, kind: &resource.kind, namespace, name };
        // `serde_json` gives up at 128 levels, driftwall at 10,000: between, it is not said here what can be read.
        let is_bad = |json: &str| match JsonShape::of(json).depth {
            0..100 => serde_json::from_str::<Value>(json).is_err(),
            depth => depth > 10_000,
        };
        let is_unreadable = write.unreadable.is_some() || write.object.is_some_and(is_bad);
        let is_compared = write.operation == Operation::Update
            && resource.subresource.is_empty()
            && !write.dry_run
            && !name.is_empty()
            && self.snapshot.get(key).is_some_and(|(declared, _)| declared.version == *resource.version);
        if is_unreadable && is_compared {
            let answer: Value = serde_json::from_slice(encoded).expect("the answer is JSON");
            let body = String::from_utf8_lossy(body);
            assert_eq!(answer["response"]["allowed"], false, "what cannot be read passes: {answer}\n{body}");
        }
    }
}

/// The owners and definitions of the recorded cluster.
#[derive(Default)]
struct RecordedLookup {
    owners: HashMap<String, Owner>,
    custom_resources: Vec<Arc<CustomResource>>,
}

impl RecordedLookup {
    fn read() -> Self {
        let mut lookup = Self::default();
        for object in recordings::lines("objects.jsonl.gz") {
            if let Ok(custom_resource) = CustomResource::from_crd(&object) {
                lookup.custom_resources.push(Arc::new(custom_resource));
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (api_version, metadata) = (text(&object["apiVersion"]), &object["metadata"]);
            let (kind, namespace, name) =
                (text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]));
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            let key = ObjectKey { group, kind: &kind, namespace: &namespace, name: &name }.to_string();
            let references: Vec<_> = serde_json::from_value(metadata["ownerReferences"].clone()).unwrap_or_default();
            lookup.owners.extend(Owner::controller(references).map(|owner| (key, owner)));
        }
        lookup
    }
}

impl ClusterLookup for RecordedLookup {
    fn owner(&self, object: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        Ok(self.owners.get(&object.to_string()).cloned())
    }

    fn custom_resource(&self, group: &str, kind: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        Ok(self.custom_resources.iter().find(|custom| custom.group == group && custom.kind == kind).cloned())
    }

    fn kind_of(&self, group: &str, plural: &str) -> Result<Option<String>, LookupError> {
        let found = self.custom_resources.iter().find(|custom| custom.group == group && custom.plural == plural);
        Ok(found.map(|custom| custom.kind.clone()))
    }

    // Only asked for where an application lists the object, and there is none here.
    fn object(&self, _: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        Ok(None)
    }
}
