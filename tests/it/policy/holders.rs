//! Objects that hold declared ones: a Namespace, and the definition of a kind. Deleting one, or having it deleted,
//! deletes what it holds.

use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{Outcome, Verdict};
use serde_json::{Value, json};

use crate::harness::evaluator::Evaluator;
use crate::harness::managed_fields::entry;
use crate::harness::reviews::{Review, remove_at, review_of_yaml, set_at};

/// A custom resource whose manifest leaves the namespace to the source, and whose definition is not in Git.
const UNSCOPED: &str = "{apiVersion: db.example.org/v1, kind: Postgres, metadata: {name: orders}, spec: {replicas: 3}}";

fn evaluator(git: &str) -> Evaluator {
    let mut evaluator = Evaluator::new("", &[]);
    evaluator.snapshot =
        Snapshot::new(vec![crate::harness::evaluator::contents("prod", &[("a.yaml".into(), git.into())])]);
    evaluator
}

fn namespace(name: &str) -> Review {
    review_of_yaml("namespaces", &format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"))
        .with_request(|request| request["namespace"] = name.into())
}

fn owner() -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u"}])
}

#[test]
fn a_namespace_holds_objects_whose_scope_nobody_tells() {
    let definition = |scope: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "postgreses.db.example.org"},
            "spec": {"group": "db.example.org", "names": {"kind": "Postgres", "plural": "postgreses"}, "scope": scope},
        })
    };
    let config_map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    let cluster_role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}}";
    for (git, in_cluster, expected) in [
        (UNSCOPED.to_owned(), None, Some(1)),
        (UNSCOPED.to_owned(), Some("Namespaced"), Some(1)),
        (UNSCOPED.to_owned(), Some("Cluster"), None),
        (format!("{UNSCOPED}\n---\n{config_map}"), None, Some(2)),
        (format!("{UNSCOPED}\n---\n{config_map}"), Some("Cluster"), Some(1)),
        (format!("{UNSCOPED}\n---\n{}", definition("Cluster")), None, None),
        (format!("{UNSCOPED}\n---\n{}", definition("Namespaced")), None, Some(1)),
        (cluster_role.to_owned(), None, None),
    ] {
        let mut evaluator = evaluator(&git);
        if let Some(scope) = in_cluster {
            let mut cluster = driftwall::cluster::OfflineLookup::default();
            cluster.insert(&definition(scope)).unwrap();
            evaluator.cluster = Box::new(cluster);
        }
        let got = evaluator.evaluate(&namespace("prod").into_delete());
        let outcome = if expected.is_some() { Outcome::Deny } else { Outcome::Allow };
        assert_eq!(got.outcome, outcome, "{git} {in_cluster:?}: {}", got.message());
        if let Some(count) = expected {
            assert!(got.message().contains(&format!("holds {count} object")), "{}", got.message());
        }
        assert_eq!(evaluator.evaluate(&namespace("other").into_delete()).outcome, Outcome::Allow);
        assert_eq!(evaluator.evaluate(&namespace("prod").into_delete().by("ci/deployer")).outcome, outcome);
    }
}

#[test]
fn nobody_gets_a_holder_deleted_by_an_owner_reference() {
    let evaluator = evaluator(UNSCOPED);
    let definition = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: postgreses.db.example.org},
        spec: {group: db.example.org, names: {kind: Postgres, plural: postgreses}, scope: Namespaced, versions: [{name: v1, served: true, storage: true}]}}";
    for (holder, doors) in [
        (namespace("prod"), vec!["", "finalize", "status"]),
        (review_of_yaml("customresourcedefinitions", definition), vec!["", "status"]),
    ] {
        for door in doors {
            let holder = if door.is_empty() { holder.clone() } else { holder.clone().subresource(door) };
            let owned = holder.clone().with_object(|new| set_at(new, "/metadata/ownerReferences", owner()));
            let got = evaluator.evaluate(&owned);
            assert_eq!((got.verdict, got.outcome), (Verdict::Drift, Outcome::Deny), "{door}");
            assert_eq!(got.fields, ["metadata.ownerReferences"], "{door}");
            for (what, review) in [
                ("by an operator", owned.clone().by("ops/operator")),
                ("nothing", holder.clone()),
                ("a label", holder.clone().with_object(|new| set_at(new, "/metadata/labels/a", "b".into()))),
                (
                    "an owner that goes",
                    holder.clone().with_old_object(|old| set_at(old, "/metadata/ownerReferences", owner())),
                ),
                (
                    "being deleted",
                    owned.with_both(|it| set_at(it, "/metadata/deletionTimestamp", "2026-05-04T03:02:01Z".into())),
                ),
            ] {
                assert_eq!(evaluator.evaluate(&review).outcome, Outcome::Allow, "{door}: {what}");
            }
        }
    }
    let elsewhere = namespace("other").with_object(|new| set_at(new, "/metadata/ownerReferences", owner()));
    assert_eq!(evaluator.evaluate(&elsewhere).outcome, Outcome::Allow, "it holds nothing of Git's");
}

#[test]
fn an_owner_that_a_webhook_gives_a_holder_is_not_the_persons() {
    let evaluator = evaluator(UNSCOPED);
    let fields = |fields: Value| entry("kubectl-label", "Update", "v1", "", json!({"f:metadata": fields}));
    let label = || fields(json!({"f:labels": {"f:team": {}}}));
    let uid = json!({"k:{\"uid\":\"u\"}": {}});
    for (what, entries, expected) in [
        ("the webhook's", json!([label()]), Outcome::Allow),
        ("alice's", json!([label(), fields(json!({"f:ownerReferences": uid}))]), Outcome::Deny),
        ("nothing is known", json!([]), Outcome::Deny),
    ] {
        let review = namespace("prod").with_object(|new| {
            set_at(new, "/metadata/labels/team", "b".into());
            set_at(new, "/metadata/ownerReferences", owner());
            set_at(new, "/metadata/managedFields", entries);
        });
        assert_eq!(evaluator.evaluate(&review).outcome, expected, "{what}");
    }
}

#[test]
fn a_person_is_warned_who_turns_what_holds_for_all_in_a_namespace() {
    let evaluator = evaluator(UNSCOPED);
    for (key, warned) in [
        ("/metadata/annotations/downscaler~1force-downtime", true),
        ("/metadata/labels/pod-security.kubernetes.io~1enforce", true),
        ("/metadata/labels/team", false),
    ] {
        for (name, warned) in [("prod", warned), ("other", false)] {
            let turned = namespace(name).with_object(|new| set_at(new, key, "x".into()));
            let got = evaluator.evaluate(&turned);
            let expected = if warned { Outcome::Warn } else { Outcome::Allow };
            assert_eq!(got.outcome, expected, "{key} of {name}: {}", got.message());
            assert_eq!(evaluator.evaluate(&turned.by("ci/deployer")).outcome, Outcome::Allow, "{key}");
        }
    }
}

type Edit = fn(&mut Value);

#[test]
fn a_person_is_warned_who_changes_how_declared_objects_are_served() {
    let definition = "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: postgreses.db.example.org},
        spec: {group: db.example.org, names: {kind: Postgres, plural: postgreses, shortNames: [pg]}, scope: Namespaced, conversion: {strategy: None}, versions: [
            {name: v1, served: true, storage: true, subresources: {status: {}}, additionalPrinterColumns: [],
             schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {replicas: {type: integer}}}}}}},
            {name: v1beta1, served: true, storage: false}]}}";
    let cases: [(&str, Edit, &[&str]); 15] = [
        ("nothing", |_| {}, &[]),
        (
            "not served",
            |new| set_at(new, "/spec/versions/0/served", false.into()),
            &["spec.versions[name=\"v1\"].served"],
        ),
        (
            "another version not served",
            |new| set_at(new, "/spec/versions/1/served", false.into()),
            &["spec.versions[name=\"v1beta1\"].served"],
        ),
        ("a version that goes", |new| remove_at(new, "/spec/versions/1"), &["spec.versions[name=\"v1beta1\"]"]),
        (
            "a field that goes",
            |new| remove_at(new, "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/replicas"),
            &["spec.versions[name=\"v1\"].schema"],
        ),
        (
            "a field of another type",
            |new| {
                set_at(
                    new,
                    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/replicas/type",
                    "string".into(),
                );
            },
            &["spec.versions[name=\"v1\"].schema"],
        ),
        (
            "a field with a default",
            |new| {
                set_at(
                    new,
                    "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/replicas/default",
                    9.into(),
                );
            },
            &["spec.versions[name=\"v1\"].schema"],
        ),
        (
            "no status",
            |new| remove_at(new, "/spec/versions/0/subresources/status"),
            &["spec.versions[name=\"v1\"].subresources"],
        ),
        (
            "converted by a webhook",
            |new| {
                set_at(
                    new,
                    "/spec/conversion",
                    json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}),
                );
            },
            &["spec.conversion"],
        ),
        ("another kind", |new| set_at(new, "/spec/names/kind", "Other".into()), &["spec.names.kind"]),
        (
            "a new version",
            |new| set_at(new, "/spec/versions/-", json!({"name": "v2", "served": true, "storage": false})),
            &[],
        ),
        (
            "another version stored",
            |new| {
                set_at(new, "/spec/versions/0/storage", false.into());
                set_at(new, "/spec/versions/1/storage", true.into());
            },
            &[],
        ),
        (
            "a column",
            |new| {
                set_at(
                    new,
                    "/spec/versions/0/additionalPrinterColumns/-",
                    json!({"name": "a", "type": "string", "jsonPath": ".a"}),
                );
            },
            &[],
        ),
        ("a short name", |new| set_at(new, "/spec/names/shortNames/-", "pgs".into()), &[]),
        ("an annotation", |new| set_at(new, "/metadata/annotations/a", "b".into()), &[]),
    ];
    for git in [UNSCOPED, "{apiVersion: db.example.org/v1, kind: Postgres, metadata: {name: orders, namespace: prod}}"]
    {
        let evaluator = evaluator(git);
        for (name, edit, fields) in &cases {
            let review = review_of_yaml("customresourcedefinitions", definition).with_object(edit);
            let got = evaluator.evaluate(&review);
            let expected = if fields.is_empty() { Outcome::Allow } else { Outcome::Warn };
            assert_eq!(
                (got.outcome, got.fields.as_slice()),
                (expected, &*fields.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()),
                "{name}"
            );
            assert_eq!(got.warnings().len(), fields.len(), "{name}: {:?}", got.warnings());
            assert_eq!(evaluator.evaluate(&review.by("ops/operator")).outcome, Outcome::Allow, "{name} by an operator");
        }
        assert_eq!(
            evaluator.evaluate(&review_of_yaml("customresourcedefinitions", definition).into_delete()).outcome,
            Outcome::Deny
        );
    }
    let elsewhere = evaluator("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
    let unserved = review_of_yaml("customresourcedefinitions", definition).with_object(cases[1].1);
    assert_eq!(elsewhere.evaluate(&unserved).outcome, Outcome::Allow, "Git declares none of its objects");
}
