//! What operators make of declared custom resources, of any kind: a person's change of it is drift, and the operators'
//! own work is not.

use driftwall_core::policy::Outcome;
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::reviews::{Review, review_of_yaml, set_at};

const GIT: &str = "
{apiVersion: db.example.org/v1, kind: Postgres, metadata: {name: orders, namespace: prod}, spec: {replicas: 3}}
---
{apiVersion: db.example.org/v1, kind: Postgres, metadata: {name: free, namespace: prod, annotations: {driftwall.io/ignore: 'true'}}}
---
{apiVersion: example.org/v1, kind: Fleet, metadata: {name: all}}
---
{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: prod}}
";

/// Kinds that operators make, each with a field of its own.
const MADE: [(&str, &str, &str, &str); 14] = [
    ("statefulsets", "apps/v1", "StatefulSet", "/spec/replicas"),
    ("deployments", "apps/v1", "Deployment", "/spec/template/spec/hostname"),
    ("daemonsets", "apps/v1", "DaemonSet", "/spec/minReadySeconds"),
    ("cronjobs", "batch/v1", "CronJob", "/spec/schedule"),
    ("jobs", "batch/v1", "Job", "/spec/parallelism"),
    ("services", "v1", "Service", "/spec/selector/app"),
    ("configmaps", "v1", "ConfigMap", "/data/key"),
    ("secrets", "v1", "Secret", "/data/key"),
    ("persistentvolumeclaims", "v1", "PersistentVolumeClaim", "/spec/volumeName"),
    ("ingresses", "networking.k8s.io/v1", "Ingress", "/spec/ingressClassName"),
    ("poddisruptionbudgets", "policy/v1", "PodDisruptionBudget", "/spec/minAvailable"),
    ("roles", "rbac.authorization.k8s.io/v1", "Role", "/rules"),
    ("certificates", "cert-manager.io/v1", "Certificate", "/spec/secretName"),
    ("endpointslices", "discovery.k8s.io/v1", "EndpointSlice", "/endpoints"),
];

/// An object that is owned, by the controller that `owner` names.
fn made(plural: &str, api_version: &str, kind: &str, owner: [&str; 3]) -> Review {
    let [owner_version, owner_kind, owner_name] = owner;
    review_of_yaml(
        plural,
        &format!(
            "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: made, namespace: prod, ownerReferences: [
               {{apiVersion: {owner_version}, kind: {owner_kind}, name: {owner_name}, uid: u, controller: true}}]}}}}"
        ),
    )
}

const ORDERS: [&str; 3] = ["db.example.org/v1", "Postgres", "orders"];

fn changed(review: Review, pointer: &str) -> Review {
    let (before, after) = if pointer == "/rules" {
        (json!([{"verbs": ["get"]}]), json!([{"verbs": ["*"]}]))
    } else if pointer == "/endpoints" {
        (json!([{"addresses": ["10.0.0.1"]}]), json!([{"addresses": ["10.6.6.6"]}]))
    } else {
        (json!("YQ=="), json!("Yg=="))
    };
    review.with_old_object(|old| set_at(old, pointer, before)).with_object(|new| set_at(new, pointer, after))
}

#[test]
fn a_persons_change_of_what_was_made_is_drift_whatever_its_kind() {
    let evaluator = Evaluator::new(GIT, &[]);
    for (plural, api_version, kind, pointer) in MADE {
        for owner in [ORDERS, ["example.org/v1", "Fleet", "all"]] {
            let review = changed(made(plural, api_version, kind, owner), pointer);
            let got = evaluator.evaluate(&review);
            assert_eq!(got.outcome, Outcome::Deny, "{kind} of {owner:?}: {:?} {}", got.verdict, got.reason);
            for by in
                ["pg/operator", "kube-system/generic-garbage-collector", "ci/deployer", "k3s-cloud-controller-manager"]
            {
                assert_eq!(evaluator.evaluate(&review.clone().by(by)).outcome, Outcome::Allow, "{kind} by {by}");
            }
        }
        for owner in [["db.example.org/v1", "Postgres", "free"], ["db.example.org/v1", "Postgres", "nobody"]] {
            let review = changed(made(plural, api_version, kind, owner), pointer);
            assert_eq!(evaluator.evaluate(&review).outcome, Outcome::Allow, "{kind} of {owner:?}");
        }
        let whole = || made(plural, api_version, kind, ORDERS);
        assert_eq!(evaluator.evaluate(&whole().into_delete()).outcome, Outcome::Allow, "{kind}: it is made again");
        for (what, review, expected) in [
            ("a label", whole().with_object(|new| set_at(new, "/metadata/labels/app", "x".into())), Outcome::Warn),
            ("nothing", whole(), Outcome::Allow),
            ("let go", whole().with_object(|new| set_at(new, "/metadata/ownerReferences", json!([]))), Outcome::Deny),
            (
                "an owner through its status",
                whole().subresource("status").with_object(|new| {
                    let gone = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "x"});
                    set_at(new, "/metadata/ownerReferences/-", gone);
                }),
                Outcome::Deny,
            ),
            (
                "a finalizer that goes",
                whole().with_old_object(|old| set_at(old, "/metadata/finalizers", json!(["example.org/a"]))),
                Outcome::Warn,
            ),
        ] {
            assert_eq!(evaluator.evaluate(&review).outcome, expected, "{kind}: {what}");
        }
    }
    let slice = made("endpointslices", "discovery.k8s.io/v1", "EndpointSlice", ["v1", "Service", "shop"]);
    assert_eq!(evaluator.evaluate(&changed(slice, "/endpoints")).outcome, Outcome::Deny, "traffic goes elsewhere");
}

#[test]
fn a_pod_of_what_was_made_belongs_to_the_declared_object_too() {
    let mut evaluator = Evaluator::new(GIT, &[]);
    let mut cluster = driftwall::cluster::OfflineLookup::default();
    let owned = |owner: [&str; 3]| -> Value {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": owner[2], "namespace": "prod",
            "ownerReferences": [{"apiVersion": owner[0], "kind": owner[1], "name": owner[2], "uid": "u", "controller": true}]}})
    };
    cluster.insert(&owned(ORDERS)).unwrap();
    evaluator.cluster = Box::new(cluster);
    let pod = || {
        made("pods", "v1", "Pod", ["apps/v1", "StatefulSet", "orders"])
            .with_both(|pod| set_at(pod, "/spec/containers", json!([{"name": "postgres", "image": "postgres:16"}])))
    };
    for (what, review, expected) in [
        ("its image", changed(pod(), "/spec/nodeName"), Outcome::Deny),
        ("resized", changed(pod(), "/spec/overhead/cpu").subresource("resize"), Outcome::Deny),
        (
            "looked into",
            pod().subresource("ephemeralcontainers").with_object(|new| {
                set_at(new, "/spec/ephemeralContainers", json!([{"name": "debug", "image": "busybox"}]));
            }),
            Outcome::Warn,
        ),
        ("deleted", pod().into_delete(), Outcome::Allow),
        ("by its operator", changed(pod(), "/spec/nodeName").by("pg/operator"), Outcome::Allow),
    ] {
        assert_eq!(evaluator.evaluate(&review).outcome, expected, "{what}");
    }
}

/// A cluster that refuses every look-up.
struct Refusing;

impl driftwall_core::policy::ClusterLookup for Refusing {
    fn owner(
        &self,
        object: driftwall_core::desired::ObjectKey<'_>,
    ) -> Result<Option<driftwall_core::policy::Owner>, driftwall_core::policy::LookupError> {
        Err(driftwall_core::policy::LookupError { what: object.to_string(), reason: "forbidden".into() })
    }

    fn custom_resource(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<std::sync::Arc<driftwall_core::diff::CustomResource>>, driftwall_core::policy::LookupError> {
        Ok(None)
    }

    fn kind_of(&self, _: &str, plural: &str) -> Result<Option<String>, driftwall_core::policy::LookupError> {
        Err(driftwall_core::policy::LookupError { what: plural.to_owned(), reason: "forbidden".into() })
    }

    fn object(
        &self,
        object: driftwall_core::desired::ObjectKey<'_>,
        _: &driftwall_core::admission::Resource<'_>,
    ) -> Result<Option<serde_json::Value>, driftwall_core::policy::LookupError> {
        Err(driftwall_core::policy::LookupError { what: object.to_string(), reason: "forbidden".into() })
    }
}

#[test]
fn where_git_declares_nothing_no_look_up_can_fail() {
    let review = || {
        changed(
            made("certificates", "cert-manager.io/v1", "Certificate", ["networking.k8s.io/v1", "Ingress", "web"]),
            "/spec/secretName",
        )
    };
    let in_namespace = |namespace: &'static str| {
        review()
            .with_request(|request| request["namespace"] = namespace.into())
            .with_both(|object| set_at(object, "/metadata/namespace", namespace.into()))
    };
    let config_map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: prod}}";
    for (git, namespace, expected) in [
        (config_map, "prod", Outcome::Warn),
        (config_map, "elsewhere", Outcome::Allow),
        ("{apiVersion: example.org/v1, kind: Fleet, metadata: {name: all}}", "elsewhere", Outcome::Warn),
        ("{apiVersion: v1, kind: Namespace, metadata: {name: elsewhere}}", "elsewhere", Outcome::Allow),
        // It says itself that it is in a namespace.
        (
            "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a, namespace: argocd}}",
            "elsewhere",
            Outcome::Allow,
        ),
    ] {
        let mut evaluator = Evaluator::new("", &[]);
        evaluator.snapshot = driftwall_core::desired::Snapshot::new(vec![crate::harness::evaluator::contents(
            "a",
            &[("a.yaml".into(), git.into())],
        )]);
        evaluator.cluster = Box::new(Refusing);
        assert_eq!(evaluator.evaluate(&in_namespace(namespace)).outcome, expected, "{git} in {namespace}");
        let scale = in_namespace(namespace).subresource("scale").with_both(|scale| {
            *scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "made"}, "spec": {"replicas": 1}});
        });
        let scale = scale.with_object(|new| set_at(new, "/spec/replicas", 2.into()));
        assert_eq!(evaluator.evaluate(&scale).outcome, expected, "scaled: {git} in {namespace}");
    }
}
