//! The recorded cluster as a bench for single reviews: Git as it was recorded
//! and more beside it, reviews made from the recorded ones.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use driftwall::cluster::Recorded;
use driftwall_core::actor::{Actors, Class};
use driftwall_core::decision::decide;
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::policy::{
    ClusterLookup, DecisionContext, EvaluationContext, Mode, Outcome, Policy, Verdict, evaluate,
};
use driftwall_core::{admission, manifest};
use serde_json::{Value, json};

/// The commit that Git is at.
pub(crate) const COMMIT: &str = "5c56d97996b2f7d1a1b9e9a4d0c3e8f7a6b5c4d3";

// === the world ===

/// All that a verdict is made from.
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    pub(crate) actors: Actors,
    pub(crate) policy: Policy,
    pub(crate) cluster: Box<dyn ClusterLookup>,
    pub(crate) context: DecisionContext<'static>,
}

impl World {
    /// What was recorded, and `more` as a second source.
    pub(crate) fn new(more: &str, presets: &[&str]) -> Self {
        let recorded = contents("prod", files(Path::new("tests/data/reviews/git/apps/prod")));
        let more = contents("more", vec![("more.yaml".into(), more.into())]);
        Self::of(vec![recorded, more], presets)
    }

    pub(crate) fn of(sources: Vec<SourceContents>, presets: &[&str]) -> Self {
        let mut cluster = Recorded::default();
        for object in &*OBJECTS {
            cluster.insert(object).unwrap();
        }
        let presets: Vec<_> = presets.iter().map(|name| (*name).to_owned()).collect();
        Self {
            snapshot: Snapshot::new(sources.into_iter().map(Arc::new).collect()).unwrap(),
            actors: Actors::new(Vec::new(), &presets).unwrap(),
            policy: Policy::default(),
            cluster: Box::new(cluster),
            context: DecisionContext::default(),
        }
    }

    /// Sends a review the whole way: decoded, judged, ruled, encoded.
    pub(crate) fn ask(&self, Review(review): &Review) -> Answered {
        let body = serde_json::to_vec(review).unwrap();
        let write = admission::decode(&body).unwrap();
        let Self { snapshot, actors, policy, cluster, context } = self;
        let assessment = evaluate(&write, EvaluationContext { snapshot, actors, policy, cluster: &**cluster });
        let decision = decide(&write, &assessment, policy, *context);
        let encoded = admission::encode(&write.uid, &decision.answer);
        let mut sent: Value = serde_json::from_slice(&encoded).unwrap();
        assert_eq!(sent["response"]["uid"], review["request"]["uid"]);
        Answered {
            verdict: assessment.verdict,
            class: assessment.class,
            fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
            reason: assessment.reason().unwrap_or_default().to_owned(),
            mode: decision.mode,
            outcome: decision.outcome,
            response: sent["response"].take(),
        }
    }
}

/// A source whose repository is the one that messages name.
pub(crate) fn contents(name: &str, files: Vec<(String, String)>) -> SourceContents {
    let source = Source {
        name: name.into(),
        repo: "https://example.org/acme/gitops".into(),
        revision: "main".into(),
        commit: COMMIT.into(),
        ..Source::default()
    };
    let read = |(file, text): (String, String)| {
        FileContents::new(&Arc::from(&*file), Some("prod"), objects(&file, &text)).map(Arc::new).unwrap()
    };
    SourceContents::new(source, files.into_iter().map(read).collect())
}

fn objects(file: &str, text: &str) -> Vec<manifest::Object> {
    let manifest::Reading { objects, errors, .. } = manifest::read(file, text.as_bytes());
    assert!(errors.is_empty(), "{errors:?}");
    objects
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let read = |file: std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        (format!("apps/prod/{name}"), std::fs::read_to_string(&file).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) verdict: Verdict,
    pub(crate) class: Class,
    pub(crate) fields: Vec<String>,
    pub(crate) reason: String,
    pub(crate) mode: Mode,
    pub(crate) outcome: Outcome,
    /// The `response` of the encoded review.
    pub(crate) response: Value,
}

impl Answered {
    /// The denial's text.
    pub(crate) fn message(&self) -> &str {
        self.response["status"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.response["warnings"].as_array().into_iter().flatten().map(|line| line.as_str().unwrap()).collect()
    }
}

// === reviews ===

/// An AdmissionReview on its way to become another.
#[derive(Clone)]
pub(crate) struct Review(pub(crate) Value);

/// The review that a recorded action is about: the one that was not simply
/// allowed, else the first that was not sent by a controller of the cluster.
pub(crate) fn action(id: &str) -> Review {
    let wanted = format!("{{\"action\":\"{id}\",");
    let of_action = || ACTIONS.lines().filter(|line| line.starts_with(&wanted)).map(parsed);
    let found = of_action()
        .find(|line| line["expect"] != "allow")
        .or_else(|| of_action().find(|line| line["actor"] != "control plane"));
    Review(found.unwrap_or_else(|| panic!("there is no action {id}"))["review"].take())
}

/// A write to a recorded object that changes nothing yet: it is as Git says.
pub(crate) fn live(plural: &str, name: &str) -> Review {
    let is_it =
        |line: &&str| line.contains(":kustomize-controller\"") && line.contains(&format!("\"resource\":\"{plural}\""));
    let mut reviews = TRAFFIC.lines().filter(is_it).map(parsed);
    let found = reviews.find(|review| review["request"]["name"] == name);
    let review = Review(found.unwrap_or_else(|| panic!("there is no {plural} {name}")));
    let object = review.0["request"]["object"].clone();
    review.by("alice").had(|old| *old = object)
}

/// A write to an object of any kind that changes nothing yet: the object is as
/// the text says, with what the server keeps in its metadata.
pub(crate) fn stored(plural: &str, yaml: &str) -> Review {
    let object = objects("stored", yaml).remove(0);
    let (group, version) = object.api_version.split_once('/').unwrap_or(("", &object.api_version));
    let mut value = object.value;
    let metadata = &mut value["metadata"];
    metadata["uid"] = "0b0c4c5e-6c3a-4c7b-9b0e-3f1d2a4b5c6d".into();
    metadata["resourceVersion"] = "4711".into();
    metadata["generation"] = 1.into();
    metadata["creationTimestamp"] = "2026-05-04T03:02:01Z".into();
    live("deployments", "web").request(|request| {
        let kind = json!({"group": group, "version": version, "kind": object.kind});
        let resource = json!({"group": group, "version": version, "resource": plural});
        for (name, is) in [("kind", &kind), ("requestKind", &kind)] {
            request[name] = is.clone();
        }
        for (name, is) in [("resource", &resource), ("requestResource", &resource)] {
            request[name] = is.clone();
        }
        request["name"] = object.name.into();
        request["namespace"] = object.namespace.unwrap_or_default().into();
        request["object"] = value.clone();
        request["oldObject"] = value;
    })
}

impl Review {
    /// Written by `user`: a name, or `namespace/name` of a service account,
    /// with the groups that such a user has.
    pub(crate) fn by(self, user: &str) -> Self {
        let mut groups = vec!["system:authenticated".to_owned()];
        let name = match user.split_once('/') {
            Some((namespace, name)) => {
                groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
                format!("system:serviceaccount:{namespace}:{name}")
            }
            None => user.to_owned(),
        };
        if name.starts_with("system:node:") {
            groups.push("system:nodes".into());
        }
        self.request(|request| request["userInfo"] = json!({"username": name, "groups": groups}))
    }

    /// Written by someone who merely has the name, and not the groups.
    pub(crate) fn claimed_by(self, name: &str) -> Self {
        let groups = ["system:masters", "system:authenticated"];
        self.request(|request| request["userInfo"] = json!({"username": name, "groups": groups}))
    }

    pub(crate) fn request(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.0["request"]);
        self
    }

    /// Edits what the write brings.
    pub(crate) fn sends(self, edit: impl FnOnce(&mut Value)) -> Self {
        self.request(|request| edit(&mut request["object"]))
    }

    /// Edits what was there before.
    pub(crate) fn had(self, edit: impl FnOnce(&mut Value)) -> Self {
        self.request(|request| edit(&mut request["oldObject"]))
    }

    /// Edits both.
    pub(crate) fn both(self, edit: impl Fn(&mut Value)) -> Self {
        self.sends(&edit).had(&edit)
    }

    pub(crate) fn subresource(self, name: &str) -> Self {
        self.request(|request| request["subResource"] = name.into())
    }

    /// The same object, created.
    pub(crate) fn created(self) -> Self {
        self.request(|request| {
            request["operation"] = "CREATE".into();
            request["oldObject"] = Value::Null;
        })
    }

    /// The same object, deleted.
    pub(crate) fn deleted(self) -> Self {
        self.request(|request| {
            request["operation"] = "DELETE".into();
            request["object"] = Value::Null;
        })
    }

    pub(crate) fn dry(self) -> Self {
        self.request(|request| request["dryRun"] = true.into())
    }
}

/// Puts `value` at a JSON pointer, making the maps on the way; `-` is a new item of a list.
pub(crate) fn put(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for part in pointer.trim_start_matches('/').split('/') {
        let part = part.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Array(items) => {
                let is_new = part == "-";
                items.extend(is_new.then_some(Value::Null));
                let index = if is_new { items.len() - 1 } else { part.parse().unwrap() };
                &mut items[index]
            }
            other => &mut other[part],
        };
    }
    *at = value;
}

/// Takes away what is at a JSON pointer.
pub(crate) fn drop_at(object: &mut Value, pointer: &str) {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        Value::Object(fields) => drop(fields.remove(&last).unwrap()),
        other => panic!("{other} has no {last}"),
    }
}

static ACTIONS: LazyLock<String> = LazyLock::new(|| unpacked("actions.jsonl.gz"));
static TRAFFIC: LazyLock<String> = LazyLock::new(|| unpacked("traffic.jsonl.gz"));
static OBJECTS: LazyLock<Vec<Value>> = LazyLock::new(|| unpacked("objects.jsonl.gz").lines().map(parsed).collect());

fn unpacked(name: &str) -> String {
    let packed = std::fs::read(Path::new("tests/data/reviews").join(name)).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
    text
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
