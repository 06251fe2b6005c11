//! How a live webhook configuration differs from the one that driftwall would apply.

use driftwall_core::webhook_config::{
    APPLIED_ANNOTATION, FAILURE_POLICY_ANNOTATION, LiveState, WebhookParameters, applied_hash, build, live_state,
    preserve_failure_policies, preserve_rules,
};
use serde_json::{Value, json};

use crate::webhook_config::rules::{GIT, settings, snapshot};

/// Good enough to tell texts apart.
fn digest(text: &str) -> String {
    text.to_owned()
}

/// As driftwall applied it.
fn applied(registration: Value) -> Value {
    let mut applied = registration;
    applied["metadata"]["annotations"][APPLIED_ANNOTATION] = applied_hash(&applied, digest).into();
    applied
}

fn wanted() -> Value {
    applied(build(&snapshot(GIT), &WebhookParameters { strict_namespaces: None, ..settings() }))
}

#[test]
fn a_change_by_somebody_else_is_described() {
    type Edit = fn(&mut Value);
    let cases: [(Edit, &str); 12] = [
        (|it| drop(it["webhooks"][0]["rules"].as_array_mut().unwrap().remove(0)), "is missing"),
        (
            |it| it["webhooks"][1]["rules"][0]["operations"] = json!(["DELETE"]),
            "rules of strict.driftwall.io: */* * (CREATE) is missing",
        ),
        (
            |it| it["webhooks"][1]["rules"][0]["scope"] = "Cluster".into(),
            "rules of strict.driftwall.io: */* * (CREATE) is added",
        ),
        (
            |it| it["webhooks"][0]["namespaceSelector"]["matchExpressions"][0]["values"] = json!(["wall", "prod"]),
            "namespaceSelector of writes.driftwall.io is changed",
        ),
        (
            |it| it["webhooks"][0]["namespaceSelector"]["matchLabels"] = json!({"a": "b"}),
            "namespaceSelector of writes.driftwall.io is changed",
        ),
        (|it| it["webhooks"][0]["objectSelector"] = json!({"matchLabels": {"a": "b"}}), "objectSelector of writes"),
        (
            |it| it["webhooks"][0]["matchConditions"][0]["expression"] = "false".into(),
            "matchConditions of writes.driftwall.io is changed",
        ),
        (|it| it["webhooks"][0]["timeoutSeconds"] = 1.into(), "timeoutSeconds of writes.driftwall.io is 1, not 5"),
        (|it| it["webhooks"][0]["clientConfig"]["service"]["name"] = "x".into(), "clientConfig of writes.driftwall.io"),
        (|it| it["webhooks"][0]["matchPolicy"] = "Exact".into(), "matchPolicy of writes.driftwall.io is changed"),
        (|it| drop(it["webhooks"].as_array_mut().unwrap().remove(1)), "webhook strict.driftwall.io is missing"),
        (
            |it| it["webhooks"].as_array_mut().unwrap().push(json!({"name": "another.example"})),
            "webhook another.example is not driftwall's",
        ),
    ];
    for (edit, words) in cases {
        let mut live = wanted();
        edit(&mut live);
        let LiveState::Modified(what) = live_state(Some(&live), &wanted(), digest) else { panic!("{words}") };
        assert!(what.iter().any(|one| one.contains(words)), "{words} is not in {what:?}");
    }
}

#[test]
fn what_others_may_set_is_no_modification() {
    type Edit = fn(&mut Value);
    let cases: [(Edit, LiveState); 6] = [
        (|_| {}, LiveState::InSync),
        (|it| it["webhooks"][0]["clientConfig"]["caBundle"] = "T1RIRVI=".into(), LiveState::InSync),
        (|it| it["webhooks"].as_array_mut().unwrap().reverse(), LiveState::InSync),
        (|it| it["webhooks"][0]["aLaterField"] = "x".into(), LiveState::InSync),
        (|it| it["metadata"]["labels"]["team"] = "a".into(), LiveState::InSync),
        (|it| it["metadata"]["annotations"][APPLIED_ANNOTATION] = "x".into(), LiveState::Outdated),
    ];
    for (edit, expected) in cases {
        let mut live = wanted();
        edit(&mut live);
        assert_eq!(live_state(Some(&live), &wanted(), digest), expected);
    }
    assert_eq!(live_state(None, &wanted(), digest), LiveState::Absent);
    let mut other = wanted();
    other["webhooks"][0]["timeoutSeconds"] = 9.into();
    other["metadata"]["annotations"][APPLIED_ANNOTATION] = "0:as another version of driftwall noted it".into();
    assert_eq!(live_state(Some(&other), &wanted(), digest), LiveState::Outdated);
    let before = applied(build(&snapshot("{apiVersion: v1, kind: Secret, metadata: {name: a}}"), &settings()));
    assert_eq!(live_state(Some(&before), &wanted(), digest), LiveState::Outdated, "as driftwall left it");
}

/// Failure policies: configured when driftwall last applied, live, configured now, and the one to apply.
struct PolicyCase {
    configured_before: &'static str,
    live: &'static str,
    configured: &'static str,
    expected: &'static str,
}

#[test]
fn an_operators_failure_policy_counts_until_the_configuration_changes() {
    for PolicyCase { configured_before, live: live_policy, configured, expected } in [
        PolicyCase { configured_before: "Ignore", live: "Ignore", configured: "Ignore", expected: "Ignore" },
        PolicyCase { configured_before: "Ignore", live: "Fail", configured: "Ignore", expected: "Fail" },
        PolicyCase { configured_before: "Ignore", live: "Fail", configured: "Fail", expected: "Fail" },
        PolicyCase { configured_before: "Ignore", live: "Ignore", configured: "Fail", expected: "Fail" },
        PolicyCase { configured_before: "Fail", live: "Ignore", configured: "Fail", expected: "Ignore" },
        PolicyCase { configured_before: "Fail", live: "Fail", configured: "Ignore", expected: "Ignore" },
    ] {
        let mut live = wanted();
        live["metadata"]["annotations"][FAILURE_POLICY_ANNOTATION] = configured_before.into();
        live["webhooks"][0]["failurePolicy"] = live_policy.into();
        let failure_policy = if configured == "Fail" { "Fail" } else { "Ignore" };
        let mut wanted = build(&snapshot(GIT), &WebhookParameters { failure_policy, ..settings() });
        let kept = preserve_failure_policies(&mut wanted, &live);
        assert_eq!(wanted["webhooks"][0]["failurePolicy"], expected, "{configured_before} {live_policy} {configured}");
        assert_eq!(kept.is_empty(), expected == configured, "{kept:?}");
    }
}

#[test]
fn rules_of_kinds_that_an_unread_source_may_declare_stay() {
    let rule = |resource: &str| json!({"apiGroups": ["apps"], "resources": [resource]});
    let webhook = |name: &str, rules: Value| json!({"name": name, "rules": rules});
    let live = json!({"webhooks": [
        webhook("writes.driftwall.io", json!([rule("deployments"), rule("statefulsets")])),
        webhook("other.example.org", json!([rule("daemonsets")])),
    ]});
    let mut desired = json!({"webhooks": [
        webhook("writes.driftwall.io", json!([rule("deployments"), rule("replicasets")])),
    ]});
    preserve_rules(&mut desired, &live);
    let expected = json!([rule("deployments"), rule("replicasets"), rule("statefulsets")]);
    assert_eq!(desired["webhooks"][0]["rules"], expected);
    preserve_rules(&mut desired, &live.clone());
    assert_eq!(desired["webhooks"][0]["rules"], expected, "a second time changes nothing");
}
