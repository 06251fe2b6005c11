//! Most writes in a cluster are controllers': they are answered before an object is parsed.

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::decode;
use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{Assessment, EvaluationContext, NoCluster, Policy, Verdict, evaluate};
use serde_json::{Value, json};

/// A review whose objects cannot be read: it is answered rightly only by whoever
/// does not look at them.
fn without_objects(mut review: Value) -> Value {
    for object in ["object", "oldObject"] {
        if !review["request"][object].is_null() {
            review["request"][object] = json!("not an object");
        }
    }
    review
}

fn with_assessment(review: &Value, then: impl FnOnce(Assessment<'_>)) {
    let actors = ActorRules::new(Vec::new(), &["argocd".to_owned(), "flux".to_owned()]).unwrap();
    let (snapshot, policy) = (Snapshot::default(), Policy::default());
    let body = review.to_string();
    let write = decode(body.as_bytes()).unwrap();
    then(evaluate(
        &write,
        EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster },
    ));
}

#[test]
fn controllers_are_answered_without_parsing_their_objects() {
    let traffic = crate::common::recordings::lines("traffic.jsonl.gz");
    assert_eq!(traffic.len(), 7475);
    for review in traffic {
        let review = without_objects(review);
        with_assessment(&review, |assessment| assert_eq!(assessment.verdict, Verdict::Exempt, "{review}"));
    }
}

#[test]
fn a_pipelines_undeclared_object_is_answered_without_parsing_it() {
    let review =
        without_objects(crate::harness::reviews::recorded_review("ci-set-image", "system:serviceaccount:ci:deployer"));
    with_assessment(&review, |assessment| assert_eq!(assessment.verdict, Verdict::Unmanaged));
}

#[test]
fn a_declared_object_is_parsed() {
    let review = without_objects(crate::harness::reviews::recorded_review("patch-replicas-7", "alice"));
    with_assessment(&review, |assessment| {
        assert_eq!(assessment.verdict, Verdict::Error);
        assert!(assessment.error_reason().unwrap().starts_with("failed to read"), "{assessment:?}");
    });
}
