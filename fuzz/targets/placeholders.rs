//! Texts with placeholders in Git: whatever a tool puts in, the result conforms, and no text takes long.

#![no_main]

use driftwall_core::desired::hide_variables;
use driftwall_core::manifest;
use driftwall_core::policy::Verdict;
use driftwall_fuzz::judge::Judge;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    // Literal parts and what is put between them, in turn.
    let parts: Vec<_> = text.split('|').take(40).collect();
    let (mut in_git, mut live) = (String::new(), String::new());
    for pair in parts.chunks(2) {
        let literal: String = pair[0].chars().filter(|c| !"$<>{}".contains(*c)).collect();
        in_git.push_str(&literal);
        live.push_str(&literal);
        if let Some(filled) = pair.get(1) {
            in_git.push_str("${VAR}");
            live.push_str(filled);
        }
    }
    let object = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "prod"}, "data": {"key": text}})
    };
    let mut declared = manifest::parse("app.json", object(&in_git).to_string().as_bytes()).objects;
    for object in &mut declared {
        hide_variables(&mut object.value);
    }
    let git = Judge::of_objects([("app.json", declared)].into_iter(), None);
    let review = |operation: &str, old: Value, new: Value| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "operation": operation,
            "kind": {"group": "", "version": "v1", "kind": "ConfigMap"},
            "resource": {"group": "", "version": "v1", "resource": "configmaps"},
            "namespace": "prod", "name": "a", "object": new, "oldObject": old,
            "userInfo": {"username": "system:serviceaccount:ci:deployer",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"]},
        }})
        .to_string()
    };
    for (operation, old) in [("CREATE", Value::Null), ("UPDATE", object("before"))] {
        let answer = git.answer(review(operation, old, object(&live)).as_bytes()).expect("it is a review");
        assert_ne!(answer.verdict, Verdict::Drift, "{in_git:?} is {live:?}: {}", answer.response);
    }
    // And the other way round, which may be anything but slow.
    let _ = git.answer(review("UPDATE", object(&live), object(&text.replace('|', ""))).as_bytes());
});
