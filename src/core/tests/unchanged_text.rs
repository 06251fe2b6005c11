//! What is the same text in both objects of an UPDATE is not parsed: that never changes what is said
//! of the write.
//!
//! Each write is evaluated as it is, and once more with a mark by which nothing can be told from
//! the text, so that both objects are read whole: an escaped pair of surrogates.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::decode;
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::manifest;
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, evaluate};
use proptest::prelude::*;
use serde_json::{Value, json};

const MARK: &str = "😀";
const ESCAPED_MARK: &str = "\\ud83d\\ude00";

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/reviews")
}

fn recorded_reviews() -> Vec<Value> {
    let file = File::open(recordings().join("actions.jsonl.gz")).unwrap();
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["review"].take()).collect()
}

fn snapshot(files: &[String]) -> Snapshot {
    let contents = |text: &String| {
        let objects = manifest::parse("app.yaml", text.as_bytes()).objects;
        Arc::new(FileContents::new(&"app.yaml".into(), Some("prod"), objects).unwrap())
    };
    Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), files.iter().map(contents).collect()))])
}

/// What is said of a review, by the text and by the whole objects.
fn said_of(mut review: Value, snapshot: &Snapshot) -> [String; 2] {
    for object in ["object", "oldObject"] {
        if let Some(Value::Object(metadata)) = review["request"][object].get_mut("metadata") {
            metadata.insert("mark".into(), MARK.into());
        }
    }
    let text = review.to_string();
    let (actors, policy) = (ActorRules::new(Vec::new(), &["argocd".to_owned()]).unwrap(), Policy::default());
    [text.clone(), text.replace(MARK, ESCAPED_MARK)].map(|text| {
        let context = EvaluationContext { snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };
        format!("{:?}", evaluate(&decode(text.as_bytes()).unwrap(), context))
    })
}

#[test]
fn the_same_is_said_of_every_recorded_review() {
    let files = ["app.yaml", "widget.yaml"]
        .map(|name| std::fs::read_to_string(recordings().join("git/apps/prod").join(name)).unwrap());
    let snapshot = snapshot(&files);
    let mut updates = 0;
    for mut review in recorded_reviews() {
        if review["request"]["operation"] != "UPDATE" {
            continue;
        }
        updates += 1;
        // Controllers' writes are not read: the same by a person and by a pipeline.
        for user in ["alice", "system:serviceaccount:ci:deployer", ""] {
            if !user.is_empty() {
                let groups = ["system:serviceaccounts", "system:serviceaccounts:ci"];
                review["request"]["userInfo"] = json!({"username": user, "groups": groups});
            }
            let [by_text, whole] = said_of(review.clone(), &snapshot);
            assert_eq!(by_text, whole, "{user}: {review}");
        }
    }
    assert!(updates > 500, "{updates}");
}

/// Objects of several kinds, as a real API server stores them.
static OBJECTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut objects: Vec<Value> = Vec::new();
    for mut review in recorded_reviews() {
        let object = review["request"]["object"].take();
        let is_new =
            |known: &Value| known["kind"] != object["kind"] || known["metadata"]["name"] != object["metadata"]["name"];
        // What is no definition any more cannot be declared.
        let is_definition = object["kind"] == "CustomResourceDefinition";
        if object["metadata"]["name"].is_string() && !is_definition && objects.iter().all(is_new) {
            objects.push(object);
        }
    }
    objects.push(json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "np", "namespace": "prod"},
        "spec": {
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [{"podSelector": {}}]}],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}],
        },
    }));
    objects
});

/// One edit: where, counted over all values of an object, and what.
type Edit = (usize, u8, usize);

fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((any::<usize>(), 0..6_u8, any::<usize>()), 0..=most)
}

/// Values that mean something to some field or other.
fn scalar(of: usize) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(80),
        json!(""),
        json!("a"),
        json!("TCP"),
        json!("100m"),
        json!("0.1"),
        json!({}),
        json!([]),
        json!(["a"]),
        json!({"a": "b"}),
        json!([{"name": "a"}]),
        json!("ClusterIP"),
        json!("$(A)"),
    ];
    values[of % values.len()].clone()
}

fn edit(object: &mut Value, (at, what, with): Edit) {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(fields) => fields.values().map(|value| 1 + count(value)).sum(),
            Value::Array(items) => items.iter().map(|value| 1 + count(value)).sum(),
            _ => 0,
        }
    }
    // Half of the edits go into the specification.
    let target = if at % 2 == 0 && object["spec"].is_object() { &mut object["spec"] } else { object };
    let mut left = match count(target) {
        0 => return,
        all => (at / 2) % all,
    };
    let mut value = target;
    loop {
        let (size, names): (Vec<_>, Vec<String>) = match value {
            Value::Object(fields) => fields.iter().map(|(name, value)| (1 + count(value), name.clone())).unzip(),
            Value::Array(items) => items.iter().enumerate().map(|(n, value)| (1 + count(value), n.to_string())).unzip(),
            _ => return,
        };
        let mut index = 0;
        while index < size.len() && left >= size[index] {
            left -= size[index];
            index += 1;
        }
        if index == size.len() {
            return;
        }
        if left > 0 {
            left -= 1;
            value = match value {
                Value::Object(fields) => fields.get_mut(&names[index]).unwrap(),
                Value::Array(items) => &mut items[index],
                _ => return,
            };
            continue;
        }
        match (value, what) {
            (Value::Object(fields), 0) => drop(fields.remove(&names[index])),
            (Value::Object(fields), 1) => drop(fields.insert(format!("new{}", with % 3), scalar(with))),
            (Value::Object(fields), _) => drop(fields.insert(names[index].clone(), scalar(with))),
            (Value::Array(items), 0) => drop(items.remove(index)),
            (Value::Array(items), 1) => items.push(scalar(with)),
            (Value::Array(items), 2) => items.reverse(),
            (Value::Array(items), 3) => items.push(items[index].clone()),
            (Value::Array(items), _) => items[index] = scalar(with),
            _ => {}
        }
        return;
    }
}

fn edit_all(object: &mut Value, edits: Vec<Edit>) {
    for it in edits {
        edit(object, it);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]
    #[test]
    fn the_same_is_said_of_any_update(
        which in any::<prop::sample::Index>(),
        (of_git, of_old, of_new) in (edits(3), edits(2), edits(3)),
        (is_person, status) in (any::<bool>(), prop::bool::weighted(0.1)),
    ) {
        let base = &OBJECTS[which.index(OBJECTS.len())];
        let mut git = base.clone();
        for name in ["managedFields", "uid", "resourceVersion", "creationTimestamp", "generation"] {
            git["metadata"].as_object_mut().unwrap().remove(name);
        }
        git.as_object_mut().unwrap().remove("status");
        edit_all(&mut git, of_git);
        let mut old = base.clone();
        edit_all(&mut old, of_old);
        let mut new = old.clone();
        edit_all(&mut new, of_new);
        for object in [&mut git, &mut old, &mut new] {
            for name in ["apiVersion", "kind"] {
                object[name] = base[name].clone();
            }
            let metadata = object.as_object_mut().unwrap().entry("metadata").or_insert_with(|| json!({}));
            if !metadata.is_object() {
                *metadata = json!({});
            }
            metadata["name"] = base["metadata"]["name"].clone();
            metadata["namespace"] = "prod".into();
        }
        let (group, version) = base["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", base["apiVersion"].as_str().unwrap()));
        let (user, groups) = if is_person {
            ("alice", json!([]))
        } else {
            ("system:serviceaccount:ci:deployer", json!(["system:serviceaccounts", "system:serviceaccounts:ci"]))
        };
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "UPDATE", "name": base["metadata"]["name"], "namespace": "prod",
            "kind": {"group": group, "version": version, "kind": base["kind"]},
            "resource": {"group": group, "version": version, "resource": "things"},
            "subResource": if status { "status" } else { "" },
            "userInfo": {"username": user, "groups": groups}, "object": new, "oldObject": old,
        }});
        let [by_text, whole] = said_of(review.clone(), &snapshot(&[git.to_string()]));
        prop_assert_eq!(by_text, whole, "{}\nGit: {}", review, git);
    }
}
