//! Any text as what `metadata.managedFields` says is owned: by it, an addition may be another's, a changed field never.

#![no_main]

use std::sync::LazyLock;

use driftwall_fuzz::judge::RECORDED_CLUSTER;
use driftwall_fuzz::recordings::RECORDED;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

static WRITES: LazyLock<Vec<(bool, Value)>> = LazyLock::new(|| {
    let mut writes = Vec::new();
    for recorded in RECORDED.iter().filter(|recorded| recorded.actor == "person" && recorded.expect == "deny") {
        let request = &recorded.review["request"];
        if request["object"]["metadata"]["managedFields"].is_array() {
            // The replicas are declared, and have a value before and after.
            let replicas = recorded.fields == ["spec.replicas"] && request["operation"] == "UPDATE";
            writes.push((replicas, recorded.review.clone()));
        }
    }
    assert!(writes.iter().any(|(replicas, _)| *replicas), "the recordings have such a write");
    writes
});

fuzz_target!(init: { LazyLock::force(&WRITES); LazyLock::force(&RECORDED_CLUSTER); }, |data: &[u8]| {
    let [which, entry, fields @ ..] = data else { return };
    let (is_changed, review) = &WRITES[usize::from(*which) % WRITES.len()];
    let mut review = review.clone();
    let request = &mut review["request"];
    let api_version = request["object"]["apiVersion"].clone();
    let operation = if entry & 1 == 0 { "Update" } else { "Apply" };
    let api_version = if entry & 2 == 0 { api_version } else { "example.org/v1".into() };
    let fuzzed = json!({"manager": "fuzz", "operation": operation, "apiVersion": api_version, "fieldsType": "FieldsV1",
        "fieldsV1": "@fields@"});
    let entries = &mut request["object"]["metadata"]["managedFields"];
    if entry & 4 == 0 {
        *entries = json!([]);
    }
    if let Some(entries) = entries.as_array_mut() {
        entries.push(fuzzed);
    }
    let Ok(fields) = std::str::from_utf8(fields) else { return };
    let body = review.to_string().replace("\"@fields@\"", fields);
    // A text that ends the object would put anything into the review.
    if serde_json::from_str::<serde_json::Value>(fields).is_err() {
        return;
    }
    let answer = RECORDED_CLUSTER.answer(body.as_bytes()).expect("the head of the review is there");
    assert!(!is_changed || !answer.allowed, "a changed field passes: {}\n{body}", answer.response);
});
