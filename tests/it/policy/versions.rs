//! Writes in another version than Git's: metadata and what nothing converts is compared as it is; a person writes the
//! rest in Git's version.

use driftwall_core::policy::{Outcome, Verdict};
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, review_of_yaml, set_at};

const AUTOSCALERS: &str = "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: new, namespace: prod}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}, maxReplicas: 5}
---
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: old, namespace: prod}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: b}, maxReplicas: 5}
";

/// An autoscaler as it is stored, read in a version.
fn autoscaler(version: &str, name: &str, target: &str) -> Review {
    review_of_yaml(
        "horizontalpodautoscalers",
        &format!(
            "{{apiVersion: autoscaling/{version}, kind: HorizontalPodAutoscaler, metadata: {{name: {name}, namespace: prod}},
               spec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target}}}, minReplicas: 1, maxReplicas: 5}}}}"
        ),
    )
}

/// The definition of a kind in two versions; `conversion` is empty or a field of its `spec`.
fn definition(conversion: &str) -> String {
    format!(
        "{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {{name: routes.example.org}},
           spec: {{group: example.org, names: {{kind: Route, plural: routes}}, scope: Namespaced, {conversion}
                   versions: [{{name: v1, served: true, storage: true}}, {{name: v1beta1, served: true, storage: false}}]}}}}"
    )
}

const ROUTES: &str = "
apiVersion: example.org/v1beta1
kind: Route
metadata: {name: a, namespace: prod}
spec: {hosts: [a]}
---
apiVersion: example.org/v1
kind: Route
metadata: {name: b, namespace: prod}
spec: {hosts: [a]}
";

fn route(version: &str, name: &str) -> Review {
    review_of_yaml(
        "routes",
        &format!(
            "{{apiVersion: example.org/{version}, kind: Route, metadata: {{name: {name}, namespace: prod}}, spec: {{hosts: [a]}}}}"
        ),
    )
}

fn with_max(review: Review, value: u32) -> Review {
    review.with_object(|new| set_at(new, "/spec/maxReplicas", value.into()))
}

#[test]
fn the_writer_cannot_pick_a_version_that_is_not_compared() {
    let evaluator = Evaluator::new(AUTOSCALERS, &[]);
    for (git, name, target, other) in
        [("v2", "new", "a", "v1"), ("v1", "old", "b", "v2"), ("v1", "old", "b", "v2beta2")]
    {
        let same = evaluator.evaluate(&with_max(autoscaler(git, name, target), 99));
        assert_eq!((same.outcome, same.fields), (Outcome::Deny, vec!["spec.maxReplicas".to_owned()]), "{git}");
        let got = evaluator.evaluate(&with_max(autoscaler(other, name, target), 99));
        assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Deny), "{git} in {other}");
        assert_eq!(got.fields, ["spec.maxReplicas"]);
        let message = got.message();
        assert!(message.contains(&format!("is declared in autoscaling/{git}: write it in that version")), "{message}");
        assert!(message.contains("spec.maxReplicas: 99   more.yaml:"), "what Git says of it is not claimed: {message}");
        for (what, review, expected) in [
            ("nothing", autoscaler(other, name, target), Outcome::Allow),
            (
                "the status",
                autoscaler(other, name, target).with_object(|new| set_at(new, "/status/currentReplicas", 3.into())),
                Outcome::Allow,
            ),
            ("created anew", autoscaler(other, name, target).into_create(), Outcome::Deny),
            ("deleted", autoscaler(other, name, target).into_delete(), Outcome::Deny),
            (
                "a field that is set to nothing",
                autoscaler(other, name, target)
                    .with_object(|new| drop(new["spec"].as_object_mut().unwrap().remove("minReplicas"))),
                Outcome::Deny,
            ),
        ] {
            assert_eq!(evaluator.evaluate(&review).outcome, expected, "{git} in {other}: {what}");
        }
    }
}

#[test]
fn a_machine_is_denied_what_is_the_same_field_in_both_versions() {
    let evaluator = Evaluator::new(AUTOSCALERS, &[]);
    let utilization = "/spec/targetCPUUtilizationPercentage";
    let unread =
        |version: &str| format!("the write is in version v1, Git in {version}, and the two cannot be compared");
    for (git, name, target, other) in [("v2", "new", "a", "v1"), ("v1", "old", "b", "v2")] {
        let autoscaler = || autoscaler(other, name, target).by("ci/deployer");
        let got = evaluator.evaluate(&with_max(autoscaler(), 99));
        assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Deny), "{git} in {other}");
        assert_eq!(got.fields, ["spec.maxReplicas"]);
        assert!(got.message().contains("spec.maxReplicas: 99, Git says 5"), "{}", got.message());
        for (what, review) in [
            // What Git does not say, and what is not told apart from what conversion made.
            ("more", autoscaler().with_object(|new| set_at(new, utilization, 50.into()))),
            (
                "drifted before",
                with_max(autoscaler().with_old_object(|old| set_at(old, "/spec/maxReplicas", 7.into())), 99),
            ),
            ("the way back", autoscaler().with_old_object(|old| set_at(old, "/spec/maxReplicas", 7.into()))),
        ] {
            let got = evaluator.evaluate(&review);
            assert_eq!((got.verdict, got.outcome), (Verdict::Error, Outcome::Warn), "{git} in {other}: {what}");
            assert!(got.reason.contains("cannot be compared"), "{}", got.reason);
        }
        let annotated = autoscaler().with_object(|new| set_at(new, "/metadata/annotations/note", "x".into()));
        assert_eq!(evaluator.evaluate(&annotated).outcome, Outcome::Allow);
    }
    let got = evaluator.evaluate(
        &autoscaler("v1", "new", "a").by("ci/deployer").with_object(|new| set_at(new, utilization, 1.into())),
    );
    assert!(got.reason.contains(&unread("v2")), "{}", got.reason);
}

#[test]
fn what_an_older_version_keeps_in_annotations_is_content() {
    let metrics = "autoscaling.alpha.kubernetes.io~1metrics";
    let behavior = "autoscaling.alpha.kubernetes.io~1behavior";
    let conditions = "autoscaling.alpha.kubernetes.io~1conditions";
    let evaluator = Evaluator::new(AUTOSCALERS, &[]);
    for (key, by, expected) in [
        (metrics, "alice", Outcome::Deny),
        (behavior, "alice", Outcome::Deny),
        (conditions, "alice", Outcome::Allow),
        (metrics, "keda/operator", Outcome::Allow),
    ] {
        for (name, target) in [("new", "a"), ("old", "b")] {
            let review = autoscaler("v1", name, target).by(by);
            let added =
                review.clone().with_object(|new| set_at(new, &format!("/metadata/annotations/{key}"), "[]".into()));
            assert_eq!(evaluator.evaluate(&added).outcome, expected, "{name}: {key} by {by}");
            // Git says in v2 what they are; where Git is in v1, it says that there are none.
            let taken = review.with_old_object(|old| set_at(old, &format!("/metadata/annotations/{key}"), "[]".into()));
            let expected = if name == "new" { expected } else { Outcome::Allow };
            assert_eq!(evaluator.evaluate(&taken).outcome, expected, "{name}: {key} taken away by {by}");
        }
    }
}

#[test]
fn a_write_that_the_server_converted_is_compared_in_the_version_that_it_is_sent_in() {
    let evaluator = Evaluator::new(AUTOSCALERS, &[]);
    let converted = |review: Review| {
        review.with_request(|request| {
            request["requestKind"]["version"] = "v1".into();
            request["requestResource"]["version"] = "v1".into();
        })
    };
    assert_eq!(evaluator.evaluate(&converted(autoscaler("v2", "new", "a"))).outcome, Outcome::Allow);
    let got = evaluator.evaluate(&converted(with_max(autoscaler("v2", "new", "a"), 99)));
    assert_eq!((got.outcome, got.fields), (Outcome::Deny, vec!["spec.maxReplicas".to_owned()]));
    assert!(got.response["status"]["message"].as_str().unwrap().contains("99, Git says 5"), "{:?}", got.response);
}

#[test]
fn versions_that_nothing_converts_are_compared_as_they_are() {
    let hosts = |value: Value| move |new: &mut Value| set_at(new, "/spec/hosts", value);
    for (conversion, is_comparable) in [
        ("", true),
        ("conversion: {strategy: None},", true),
        ("conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1]}},", false),
    ] {
        let evaluator = Evaluator::new(&format!("{}\n---\n{ROUTES}", definition(conversion)), &[]);
        for (name, other) in [("a", "v1"), ("b", "v1beta1")] {
            let got = evaluator.evaluate(&route(other, name).with_object(hosts(json!(["b"]))));
            assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Deny), "{conversion}");
            assert_eq!(got.message().contains("Git says"), is_comparable, "{conversion}: {}", got.message());
            assert_eq!(got.message().contains("write it in that version"), !is_comparable, "{}", got.message());
            // A workload is judged where that can be, and the way back is open.
            let by_workload =
                evaluator.evaluate(&route(other, name).by("ci/deployer").with_object(hosts(json!(["b"]))));
            assert_eq!(by_workload.outcome, Outcome::Deny, "{conversion}: it was as Git says");
            let back = evaluator.evaluate(&route(other, name).with_old_object(hosts(json!(["b"]))));
            assert_eq!(back.outcome, if is_comparable { Outcome::Allow } else { Outcome::Deny }, "{conversion}");
        }
    }
    // Nothing is known of the kind.
    let evaluator = Evaluator::new(ROUTES, &[]);
    let got = evaluator.evaluate(&route("v1", "a").with_object(hosts(json!(["b"]))));
    assert!(
        got.message().contains("is declared in example.org/v1beta1: write it in that version"),
        "{}",
        got.message()
    );
}
