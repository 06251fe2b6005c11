//! Any bytes as a file of Git: what it declares is read with its lines, and conforms to itself.

#![no_main]

use driftwall_core::manifest;
use driftwall_core::policy::Verdict;
use driftwall_fuzz::judge::Judge;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// Objects that are written, of those in the file: each costs as much as all that was done before.
const MAX_WRITTEN: usize = 10;

fuzz_target!(|yaml: &[u8]| {
    let parsed = manifest::parse("app.yaml", yaml);
    let lines = yaml.split(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for object in &parsed.objects {
        let position = object.positions.find(&object.value, &[]).expect("an object is written somewhere");
        assert!((1..=lines).contains(&(position.line as usize)), "{position} of {lines} lines");
    }
    for error in &parsed.errors {
        assert!(!error.to_string().is_empty());
    }
    let written: Vec<_> = parsed.objects.iter().take(MAX_WRITTEN).cloned().collect();
    let git = Judge::of_objects([("app.yaml", parsed.objects)].into_iter(), Some("prod"));
    for manifest::Object { api_version, kind, namespace, name, .. } in written {
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let namespace = namespace.as_deref().unwrap_or("prod");
        let key = driftwall_core::desired::ObjectKey { group, kind: &kind, namespace, name: &name };
        let Some((declared, _)) = git.snapshot.get(key) else { continue };
        if declared.api_version() != api_version {
            continue;
        }
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "operation": "CREATE",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
            "namespace": namespace, "name": name, "object": declared.object(),
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        }});
        let answer = git.answer(review.to_string().as_bytes()).expect("it is a review");
        assert_ne!(answer.verdict, Verdict::Drift, "what Git declares drifts from Git: {}\n{review}", answer.response);
    }
});
