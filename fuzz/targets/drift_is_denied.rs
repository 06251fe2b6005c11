//! A person's drift stays denied, whatever else the person writes beside it; and what Argo CD writes passes.

#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use driftwall_fuzz::judge::RECORDED_CLUSTER;
use driftwall_fuzz::mutate::{mutate, to_json};
use driftwall_fuzz::recordings::RECORDED;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// A recorded review that is denied for a field that is in no list.
struct Drift {
    review: Value,
    /// The field, from the root of the object.
    path: Vec<String>,
    /// What the person writes there; `None` where it is taken away.
    value: Option<Value>,
    /// Whether there was nothing: then `managedFields` tell whose it is, and are the API server's own.
    is_addition: bool,
}

static DRIFTS: LazyLock<Vec<Drift>> = LazyLock::new(|| {
    let is_plain = |path: &str| path.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    let mut drifts = Vec::new();
    for recorded in RECORDED.iter() {
        let request = &recorded.review["request"];
        if recorded.expect != "deny" || recorded.actor != "person" || request["operation"] != "UPDATE" {
            continue;
        }
        let Some(field) = recorded.fields.iter().find(|field| is_plain(field)) else { continue };
        let path: Vec<_> = field.split('.').map(str::to_owned).collect();
        let pointer = format!("/{}", path.join("/"));
        let value = request["object"].pointer(&pointer).cloned();
        let answer = RECORDED_CLUSTER.answer(&to_json(&recorded.review));
        let old = request["oldObject"].pointer(&pointer);
        if value.as_ref() != old && answer.is_some_and(|answer| !answer.allowed) {
            let is_addition = old.is_none();
            drifts.push(Drift { review: recorded.review.clone(), path, value, is_addition });
        }
    }
    assert!(drifts.len() > 5, "the recordings have drift");
    drifts
});

fuzz_target!(init: { LazyLock::force(&DRIFTS); }, |data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(index) = input.choose_index(DRIFTS.len()) else { return };
    let Drift { review, path, value, is_addition } = &DRIFTS[index];
    let mut review = review.clone();
    let managed_fields = review["request"]["object"]["metadata"]["managedFields"].clone();
    let object = &mut review["request"]["object"];
    if mutate(&mut input, object).is_err() {
        return;
    }
    if *is_addition {
        write_at(object, &["metadata".into(), "managedFields".into()], Some(managed_fields));
    }
    write_at(object, path, value.clone());
    // The API server lets nobody write this.
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("deletionTimestamp");
    }
    let answer = RECORDED_CLUSTER.answer(&to_json(&review)).expect("the head of the review is there");
    assert!(!answer.allowed, "drift passes: {}\n{}", answer.response, String::from_utf8_lossy(&to_json(&review)));

    review["request"]["userInfo"] = json!({
        "username": "system:serviceaccount:argocd:argocd-application-controller",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:argocd", "system:authenticated"],
    });
    let answer = RECORDED_CLUSTER.answer(&to_json(&review)).expect("the head of the review is there");
    assert!(answer.is_silent, "Argo CD is told something: {}", answer.response);
});

/// Writes a field, and what it is in.
fn write_at(object: &mut Value, path: &[String], value: Option<Value>) {
    if !object.is_object() {
        *object = Map::new().into();
    }
    let Value::Object(map) = object else { return };
    match (path, value) {
        ([], _) => {}
        ([last], None) => {
            map.remove(last);
        }
        ([last], Some(value)) => {
            map.insert(last.clone(), value);
        }
        ([first, rest @ ..], value) => write_at(map.entry(first.clone()).or_insert(Value::Null), rest, value),
    }
}
