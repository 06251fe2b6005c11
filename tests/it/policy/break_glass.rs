//! Break-glass: which `BreakGlass` is valid, what it covers, and what users are told of it.

use std::time::Duration;

use crate::harness::evaluator::{Evaluated, Evaluator};
use crate::harness::reviews::{Review, recorded_action, review_of_yaml};
use driftwall_core::admission;
use driftwall_core::decision::{BreakGlassContext, DecisionContext, validate_break_glass};
use driftwall_core::policy::{BreakGlass, BreakGlasses, Mode, NamespaceRule, Outcome, Policy, Verdict};
use jiff::Timestamp;
use serde_json::{Value, json};

const FOUR_HOURS: Duration = Duration::from_hours(4);

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon() -> Timestamp {
    time("2026-11-23T12:00:00Z")
}

fn spec(edit: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({
        "objects": [{"kind": "Deployment", "name": "python-*"}],
        "users": ["alice"], "groups": ["sre"], "reason": "INC-42", "until": "2026-11-23T13:00:00Z",
    });
    edit(&mut spec);
    spec
}

fn object(namespace: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "driftwall.io/v1alpha1", "kind": "BreakGlass",
        "metadata": {"namespace": namespace, "name": "incident", "creationTimestamp": "2026-11-23T12:00:00Z"},
        "spec": spec,
    })
}

fn no_edit(_: &mut Value) {}

/// What a review is answered while this `BreakGlass` exists, at this time.
fn ask(review: &Review, namespace: &str, spec: &Value, now: &str, edit: impl FnOnce(&mut Policy)) -> Evaluated {
    let glass = BreakGlass::from_stored(&object(namespace, spec), FOUR_HOURS).unwrap();
    let break_glasses = BreakGlasses { driftwall_namespace: "driftwall".into(), break_glasses: vec![glass] };
    let mut evaluator = Evaluator::new("", &[]);
    edit(&mut evaluator.policy);
    let break_glass = BreakGlassContext { break_glasses: Box::leak(Box::new(break_glasses)), now: time(now) };
    evaluator.context = DecisionContext { break_glass: Some(break_glass), ..DecisionContext::default() };
    evaluator.evaluate(review)
}

#[test]
fn drift_covered_by_a_break_glass_is_allowed_with_a_warning_and_audited() {
    let got = ask(&recorded_action("patch-replicas-7"), "prod", &spec(no_edit), "2026-11-23T12:30:00Z", |_| ());
    assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Warn));
    assert_eq!(
        got.warnings(),
        [
            "driftwall: allowed by BreakGlass incident, until 2026-11-23T13:00:00Z",
            "driftwall: deployment.apps \"python-app-prod\": spec.replicas: 7, Git says 3   apps/prod/app.yaml:18",
        ]
    );
    let notes = &got.response["auditAnnotations"];
    assert_eq!(notes["break-glass"], "prod/incident");
    assert_eq!(notes["break-glass-reason"], "INC-42");
    assert_eq!(notes["verdict"], "drift");
}

/// A write that drifts, a `BreakGlass` in a namespace, and the outcome at a time.
struct CoverageCase {
    name: &'static str,
    review: Review,
    namespace: &'static str,
    spec: Value,
    now: &'static str,
    expected: Outcome,
}

#[test]
fn a_break_glass_covers_the_named_objects_for_the_named_users_until_it_ends() {
    let of = |objects: Value| spec(|spec| spec["objects"] = objects);
    let (usual, now) = (spec(no_edit), "2026-11-23T12:30:00Z");
    let drifts = recorded_action("patch-replicas-7");
    let kind = |kind: &str| of(json!([{"kind": kind}]));
    for CoverageCase { name, review, namespace, spec, now, expected } in [
        CoverageCase {
            name: "as it is",
            review: drifts.clone(),
            namespace: "prod",
            spec: usual.clone(),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "its last second",
            review: drifts.clone(),
            namespace: "prod",
            spec: usual.clone(),
            now: "2026-11-23T12:59:59Z",
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "it has ended",
            review: drifts.clone(),
            namespace: "prod",
            spec: usual.clone(),
            now: "2026-11-23T13:00:00Z",
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "of another namespace",
            review: drifts.clone(),
            namespace: "staging",
            spec: usual.clone(),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "driftwall's own namespace",
            review: drifts.clone(),
            namespace: "driftwall",
            spec: usual.clone(),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "for another",
            review: drifts.clone().by("bob"),
            namespace: "prod",
            spec: usual.clone(),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "for a member",
            review: drifts.clone().by("bob").with_request(|request| request["userInfo"]["groups"] = json!(["sre"])),
            namespace: "prod",
            spec: usual.clone(),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "another object",
            review: drifts.clone(),
            namespace: "prod",
            spec: of(json!([{"kind": "Deployment", "name": "web"}])),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "another kind",
            review: drifts.clone(),
            namespace: "prod",
            spec: kind("StatefulSet"),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "a kind as kubectl takes it",
            review: drifts.clone(),
            namespace: "prod",
            spec: kind("deployment"),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "one of two",
            review: drifts.clone(),
            namespace: "prod",
            spec: of(json!([{"kind": "Secret"}, {"name": "python-*"}])),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "a scale is its object's",
            review: recorded_action("patch-scale-subresource"),
            namespace: "prod",
            spec: kind("Deployment"),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "a scale is no Scale",
            review: recorded_action("patch-scale-subresource"),
            namespace: "prod",
            spec: kind("Scale"),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "a delete",
            review: recorded_action("delete-service"),
            namespace: "prod",
            spec: kind("Service"),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "what belongs to it is named by itself",
            review: recorded_action("image-pod"),
            namespace: "prod",
            spec: kind("Deployment"),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "a pod",
            review: recorded_action("image-pod"),
            namespace: "prod",
            spec: kind("Pod"),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "a namespace has none",
            review: recorded_action("delete-namespace"),
            namespace: "prod",
            spec: kind("Namespace"),
            now,
            expected: Outcome::Deny,
        },
        CoverageCase {
            name: "a namespace",
            review: recorded_action("delete-namespace"),
            namespace: "driftwall",
            spec: kind("Namespace"),
            now,
            expected: Outcome::Warn,
        },
        CoverageCase {
            name: "a definition",
            review: recorded_action("delete-crd"),
            namespace: "driftwall",
            spec: kind("CustomResourceDefinition"),
            now,
            expected: Outcome::Warn,
        },
    ] {
        let got = ask(&review, namespace, &spec, now, |_| ());
        assert_eq!((got.verdict, got.outcome), (Verdict::Drift, expected), "{name}: {got:?}");
        assert_eq!(got.response["auditAnnotations"].get("break-glass").is_some(), expected == Outcome::Warn, "{name}");
    }
}

#[test]
fn a_break_glass_allows_creation_in_a_strict_namespace_and_never_hardens_an_answer() {
    let strict =
        |policy: &mut Policy| policy.unmanaged = vec![NamespaceRule::new(&["prod".to_owned()], Outcome::Deny).unwrap()];
    let everything = spec(|spec| spec["objects"] = json!([{}]));
    let now = "2026-11-23T12:30:00Z";
    let created = recorded_action("create-unmanaged-deployment");
    let got = ask(&created, "prod", &everything, now, strict);
    assert_eq!((got.verdict, got.outcome), (Verdict::Unmanaged, Outcome::Warn));
    let got = ask(&created, "staging", &everything, now, strict);
    assert_eq!((got.verdict, got.outcome), (Verdict::Unmanaged, Outcome::Deny));
    let drifts = recorded_action("patch-replicas-7");
    let got = ask(&drifts, "prod", &everything, now, |policy| policy.mode = Mode::Audit);
    assert_eq!((got.outcome, got.warnings().len()), (Outcome::Allow, 0));
    assert_eq!(got.response["auditAnnotations"]["break-glass"], "prod/incident");
}

#[test]
fn a_denial_names_the_command_where_break_glass_is_in_use() {
    let none = spec(|spec| spec["users"] = json!(["nobody"]));
    let now = "2026-11-23T12:30:00Z";
    for (id, expected) in [
        ("patch-replicas-7", "In an emergency: driftwall break-glass -n prod deployment/python-app-prod --reason '…'"),
        (
            "patch-scale-subresource",
            "In an emergency: driftwall break-glass -n prod deployment/python-app-prod --reason '…'",
        ),
        ("delete-namespace", "In an emergency: driftwall break-glass -n driftwall namespace/prod --reason '…'"),
    ] {
        let got = ask(&recorded_action(id), "prod", &none, now, |_| ());
        assert_eq!(got.message().lines().last(), Some(expected), "{id}");
        assert!(!Evaluator::new("", &[]).evaluate(&recorded_action(id)).message().contains("emergency"), "{id}");
    }
}

#[test]
fn an_invalid_break_glass_is_denied_with_the_reason() {
    let drop = |key: &'static str| spec(move |spec| std::mem::drop(spec.as_object_mut().unwrap().remove(key)));
    let with = |key: &'static str, value: Value| spec(move |spec| spec[key] = value);
    let nobody = spec(|spec| (spec["users"], spec["groups"]) = (json!([]), json!([""])));
    for (spec, expected) in [
        (spec(no_edit), None),
        (drop("groups"), None),
        (drop("users"), None),
        (with("until", json!("2026-11-23T16:00:00Z")), None),
        (with("until", json!("2026-11-23T17:00:00+01:00")), None),
        (drop("reason"), Some("spec.reason: it is missing: say why, for those who read it later")),
        (with("reason", json!(" ")), Some("spec.reason: it is missing")),
        (nobody, Some("spec.users: it names nobody: give users or groups")),
        (drop("objects"), Some("spec.objects: it names no object: give kinds and names")),
        (with("objects", json!([])), Some("spec.objects: it names no object")),
        (with("objects", json!([{"name": "a["}])), Some("spec.objects: `a[` is not a valid pattern for names")),
        (with("objects", json!("all")), Some("spec: ")),
        (drop("until"), Some("spec.until: it is missing: say when it ends, such as 2026-11-23T16:00:00Z")),
        (
            with("until", json!("tomorrow")),
            Some("spec.until: `tomorrow` is not a time: write one such as 2026-11-23T16"),
        ),
        (
            with("until", json!("2026-11-23T16:00:01Z")),
            Some("spec.until: 2026-11-23T16:00:01Z is too far ahead: 2026-11-23T16:00:00Z is the latest"),
        ),
        (with("until", json!("2026-11-23T12:00:00Z")), Some("spec.until: 2026-11-23T12:00:00Z is in the past")),
        (Value::Null, Some("spec.reason: it is missing")),
    ] {
        let yaml = "{apiVersion: driftwall.io/v1alpha1, kind: BreakGlass, metadata: {name: incident, namespace: prod}}";
        let created =
            review_of_yaml("breakglasses", yaml).with_object(|object| object["spec"] = spec.clone()).into_create();
        for policy in [Policy::default(), Policy { mode: Mode::Audit, ..Policy::default() }] {
            let got = refusal(&created, &policy);
            match (got, expected) {
                (None, None) => {}
                (Some(got), Some(expected)) => {
                    assert!(got.starts_with("this BreakGlass is not valid:\n  "), "{got}");
                    assert!(got.contains(expected) && got.ends_with("\nNothing was created."), "{got}\n{expected}");
                }
                (got, expected) => panic!("{got:?} and not {expected:?}: {spec}"),
            }
        }
    }
}

#[test]
fn a_break_glass_is_immutable_and_can_be_deleted() {
    let yaml = "{apiVersion: driftwall.io/v1alpha1, kind: BreakGlass, metadata: {name: incident, namespace: prod}}";
    let made = review_of_yaml("breakglasses", yaml).with_both(|object| object["spec"] = spec(no_edit));
    let policy = Policy::default();
    let labelled = made.clone().with_object(|object| object["metadata"]["labels"] = json!({"a": "b"}));
    assert_eq!(refusal(&labelled, &policy), None);
    let longer = made.clone().with_object(|object| object["spec"]["until"] = "2026-11-23T14:00:00Z".into());
    assert!(
        refusal(&longer, &policy).unwrap().contains("a BreakGlass cannot be changed: delete it and create another")
    );
    assert_eq!(refusal(&made.into_delete(), &policy), None);
}

#[test]
fn the_duration_of_a_break_glass_counts_from_its_creation() {
    let stored = |until: &str| {
        let spec = spec(|spec| spec["until"] = until.into());
        BreakGlass::from_stored(&object("prod", &spec), FOUR_HOURS)
            .map(|glass| glass.until)
            .map_err(|error| error.to_string())
    };
    assert_eq!(stored("2026-11-23T16:00:00Z"), Ok(time("2026-11-23T16:00:00Z")));
    assert!(stored("2026-11-23T16:00:01Z").unwrap_err().contains("too far ahead"));
    let mut unmade = object("prod", &spec(no_edit));
    unmade["metadata"]["creationTimestamp"] = Value::Null;
    assert!(BreakGlass::from_stored(&unmade, FOUR_HOURS).is_err());
}

/// Why a write to a `BreakGlass` is refused at noon.
fn refusal(Review(review): &Review, policy: &Policy) -> Option<String> {
    let body = serde_json::to_vec(review).unwrap();
    let write = admission::decode(&body).unwrap();
    let decision = validate_break_glass(&write, noon(), FOUR_HOURS, policy).unwrap();
    assert_eq!(decision.outcome == Outcome::Deny, decision.answer.denial.is_some());
    decision.answer.denial.map(|denial| denial.message)
}
