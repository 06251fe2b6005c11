//! The self-check: which writes of GitOps tools say that driftwall reads Git wrongly.

use std::sync::Arc;

use driftwall_core::admission::decode;
use driftwall_core::desired::{DisputedField, DisputedFields, Snapshot, SnapshotSource};
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, SelfCheck, needs_self_check, self_check};
use serde_json::Value;

use crate::harness::evaluator::{Evaluator, contents};
use crate::harness::reviews::{Review, review_of_yaml, set_at};

const GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: prod, labels: {app: shop}}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: shop, image: shop:1}]}
";

/// The tool writes the declared object, which changes nothing yet.
fn sync() -> Review {
    review_of_yaml("deployments", GIT).by("flux-system/kustomize-controller")
}

/// What a write says, and whether it would be checked at all.
fn checked(Review(review): &Review, disputed: Vec<DisputedField>) -> (bool, SelfCheck) {
    let mut fields = DisputedFields::default();
    for field in disputed {
        fields.add(field);
    }
    let source = SnapshotSource {
        name: "prod".into(),
        contents: Some(contents("prod", &[("shop.yaml".into(), GIT.into())])),
        disputed: Arc::new(fields),
        ..SnapshotSource::default()
    };
    let snapshot = Snapshot::assemble(vec![source], None);
    let Evaluator { actors, .. } = Evaluator::new("", &["flux", "argocd"]);
    let policy = Policy::default();
    let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };
    let body = serde_json::to_vec(review).unwrap();
    let write = decode(&body).unwrap();
    let class = actors.classify(&write.user, &write.resource).class;
    (needs_self_check(&write, class, context), self_check(&write, context))
}

/// The fields that a checked write disputes.
fn disputed_by(review: &Review) -> Vec<String> {
    let (is_checked, SelfCheck { disputed, .. }) = checked(review, Vec::new());
    let paths = disputed.into_iter().map(|disagreement| disagreement.field.path.to_string());
    if is_checked { paths.collect() } else { Vec::new() }
}

#[test]
fn only_what_a_write_brings_disputes_a_field() {
    let replicas = |count: i64| move |object: &mut Value| set_at(object, "/spec/replicas", count.into());
    let image = |object: &mut Value| set_at(object, "/spec/template/spec/containers/0/image", "shop:2".into());
    for (case, review, expected) in [
        ("a CREATE as Git says", sync().into_create(), &[][..]),
        ("a CREATE with another value", sync().with_object(replicas(5)).into_create(), &["spec.replicas"]),
        ("an UPDATE to another value", sync().with_object(replicas(5)), &["spec.replicas"]),
        (
            "from one wrong value to another",
            sync().with_old_object(replicas(7)).with_object(replicas(5)),
            &["spec.replicas"],
        ),
        ("a correction", sync().with_old_object(replicas(7)), &[]),
        // Flux first moves managedFields alone, and the object still holds the drift.
        (
            "the first step of a correction",
            sync().with_both(replicas(7)).with_object(|object| set_at(object, "/metadata/labels/moved", "yes".into())),
            &[],
        ),
        // `RespectIgnoreDifferences` keeps the live value while the rest is corrected.
        ("one field kept, another corrected", sync().with_both(replicas(7)).with_old_object(image), &[]),
        (
            "one field kept, another changed",
            sync().with_both(replicas(7)).with_object(image),
            &["spec.template.spec.containers[name=\"shop\"].image"],
        ),
        ("a dry run", sync().with_object(replicas(5)).into_dry_run(), &[]),
        ("a dry run of a CREATE", sync().with_object(replicas(5)).into_create().into_dry_run(), &[]),
        ("a person", sync().with_object(replicas(5)).by("alice"), &[]),
        (
            "only the name of a tool",
            { sync().with_object(replicas(5)).by_name_only("system:serviceaccount:flux-system:kustomize-controller") },
            &[],
        ),
    ] {
        assert_eq!(disputed_by(&review), expected, "{case}");
    }
}

#[test]
fn the_tool_that_disputed_a_field_settles_it_by_writing_the_value_of_git() {
    let by = |user: &str| DisputedField {
        object: "Deployment.apps prod/shop".into(),
        path: "spec.replicas".parse().unwrap(),
        user: format!("system:serviceaccount:{user}"),
    };
    let other = |object: &mut Value| set_at(object, "/spec/replicas", 5.into());
    let flux = "flux-system:kustomize-controller";
    for (case, review, user, is_settled) in [
        ("it writes Git's value", sync().with_old_object(other), flux, true),
        ("it has it already", sync(), flux, true),
        ("it leaves its own value", sync().with_both(other), flux, false),
        ("another tool writes it", sync().with_old_object(other), "argocd:argocd-application-controller", false),
    ] {
        let (_, SelfCheck { settled, .. }) = checked(&review, vec![by(user)]);
        assert_eq!(settled.len(), usize::from(is_settled), "{case}: {settled:?}");
    }
}
