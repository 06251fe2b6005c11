//! Every door the same: an object's metadata can be changed through the object, through each of its subresources,
//! and in each of its versions, and the answer is the same.

use driftwall_core::policy::Outcome;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::harness::evaluator::{Evaluated, Evaluator};
use crate::harness::reviews::{Review, review_of_yaml, set_at};

/// A declared object with its subresources that take the whole of it, and other versions in which it may be sent.
struct Doors {
    plural: &'static str,
    yaml: &'static str,
    subresources: &'static [&'static str],
    versions: &'static [&'static str],
}

const OBJECTS: [Doors; 14] = [
    Doors {
        plural: "deployments",
        yaml: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}, spec: {replicas: 1}}",
        subresources: &["status"],
        versions: &["v1beta2"],
    },
    Doors {
        plural: "jobs",
        yaml: "{apiVersion: batch/v1, kind: Job, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["status"],
        versions: &[],
    },
    Doors {
        plural: "cronjobs",
        yaml: "{apiVersion: batch/v1, kind: CronJob, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["status"],
        versions: &["v1beta1", "v2alpha1"],
    },
    Doors {
        plural: "namespaces",
        yaml: "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["finalize", "status"],
        versions: &[],
    },
    Doors {
        plural: "pods",
        yaml: "{apiVersion: v1, kind: Pod, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["ephemeralcontainers", "resize", "status"],
        versions: &[],
    },
    Doors {
        plural: "services",
        yaml: "{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["status"],
        versions: &[],
    },
    Doors {
        plural: "persistentvolumes",
        yaml: "{apiVersion: v1, kind: PersistentVolume, metadata: {name: shop, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["status"],
        versions: &[],
    },
    Doors {
        plural: "nodes",
        yaml: "{apiVersion: v1, kind: Node, metadata: {name: shop, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["status"],
        versions: &[],
    },
    Doors {
        plural: "certificatesigningrequests",
        yaml: "{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {name: shop, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["approval", "status"],
        versions: &["v1beta1"],
    },
    Doors {
        plural: "customresourcedefinitions",
        yaml: "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: shops.example.org, labels: {team: a}, annotations: {owner: a}}, spec: {group: example.org, names: {kind: Shop, plural: shops}, scope: Namespaced, versions: [{name: v1, served: true, storage: true}]}}",
        subresources: &["status"],
        versions: &["v1beta1"],
    },
    Doors {
        plural: "ingresses",
        yaml: "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}}",
        subresources: &["status"],
        versions: &["v1beta1"],
    },
    Doors {
        plural: "horizontalpodautoscalers",
        yaml: "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}, spec: {maxReplicas: 3}}",
        subresources: &["status"],
        versions: &["v1", "v2beta2"],
    },
    Doors {
        plural: "virtualservices",
        yaml: "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: shop, namespace: prod, labels: {team: a}, annotations: {owner: a}}, spec: {hosts: [a]}}",
        subresources: &["status"],
        versions: &["v1alpha3", "v1beta1"],
    },
    Doors {
        plural: "thirdparty",
        yaml: "{apiVersion: aggregated.example.org/v1, kind: Thirdparty, metadata: {name: shop, labels: {team: a}, annotations: {owner: a}}, spec: {a: 1}}",
        subresources: &["finalize", "status", "whatever"],
        versions: &["v2"],
    },
];

fn evaluator() -> Evaluator {
    let git: Vec<_> = OBJECTS.iter().map(|object| object.yaml).collect();
    Evaluator::new(&git.join("\n---\n"), &["argocd", "flux"])
}

impl Doors {
    /// An UPDATE of the object itself that changes nothing yet.
    fn main(&self) -> Review {
        review_of_yaml(self.plural, self.yaml).with_request(|request| {
            if self.plural == "namespaces" {
                request["namespace"] = request["name"].clone();
            }
        })
    }

    /// The same write through each other door, by its name.
    fn others(&self, write: &Review) -> Vec<(String, Review)> {
        let mut others: Vec<_> =
            self.subresources.iter().map(|name| ((*name).to_owned(), write.clone().subresource(name))).collect();
        for version in self.versions {
            others.push(((*version).to_owned(), in_version(write.clone(), version)));
            for name in self.subresources {
                others.push((format!("{name} in {version}"), in_version(write.clone(), version).subresource(name)));
            }
        }
        others
    }
}

/// The same write in another version of the same group.
fn in_version(review: Review, version: &str) -> Review {
    let review = review.with_request(|request| {
        for field in ["kind", "requestKind", "resource", "requestResource"] {
            request[field]["version"] = version.into();
        }
    });
    review.with_both(|object| {
        let api_version = object["apiVersion"].as_str().unwrap().to_owned();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        object["apiVersion"] = format!("{group}/{version}").into();
    })
}

fn owner() -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}])
}

type Edit = fn(Review) -> Review;

/// A change of metadata, and what a person and a workload are answered.
const CHANGES: [(&str, Edit, Outcome, Outcome); 13] = [
    ("nothing", |it| it, Outcome::Allow, Outcome::Allow),
    (
        "an owner",
        |it| it.with_object(|new| set_at(new, "/metadata/ownerReferences", owner())),
        Outcome::Deny,
        Outcome::Allow,
    ),
    (
        "a finalizer",
        |it| it.with_object(|new| set_at(new, "/metadata/finalizers", json!(["example.org/hold"]))),
        Outcome::Deny,
        Outcome::Allow,
    ),
    (
        "the load balancer's finalizer",
        |it| {
            it.with_object(|new| {
                set_at(new, "/metadata/finalizers", json!(["service.kubernetes.io/load-balancer-cleanup"]));
            })
        },
        Outcome::Deny,
        Outcome::Allow,
    ),
    (
        "a finalizer that goes",
        |it| it.with_old_object(|old| set_at(old, "/metadata/finalizers", json!(["example.org/hold"]))),
        Outcome::Warn,
        Outcome::Allow,
    ),
    (
        "an owner that goes",
        |it| it.with_old_object(|old| set_at(old, "/metadata/ownerReferences", owner())),
        Outcome::Allow,
        Outcome::Allow,
    ),
    (
        "another finalizer in its place",
        |it| {
            it.with_old_object(|old| set_at(old, "/metadata/finalizers", json!(["example.org/one"])))
                .with_object(|new| set_at(new, "/metadata/finalizers", json!(["example.org/two"])))
        },
        Outcome::Deny,
        Outcome::Allow,
    ),
    (
        "a label of Git's",
        |it| it.with_object(|new| set_at(new, "/metadata/labels/team", "b".into())),
        Outcome::Deny,
        Outcome::Deny,
    ),
    (
        "an annotation of Git's that goes",
        |it| it.with_object(|new| drop(new["metadata"]["annotations"].as_object_mut().unwrap().remove("owner"))),
        Outcome::Deny,
        Outcome::Deny,
    ),
    (
        "a label that grants rights",
        |it| {
            it.with_object(|new| {
                set_at(new, "/metadata/labels/pod-security.kubernetes.io~1enforce", "privileged".into());
            })
        },
        Outcome::Deny,
        Outcome::Allow,
    ),
    (
        "a tracking mark",
        |it| it.with_object(|new| set_at(new, "/metadata/annotations/argocd.argoproj.io~1tracking-id", "x".into())),
        Outcome::Deny,
        Outcome::Allow,
    ),
    (
        "a label of one's own",
        |it| it.with_object(|new| set_at(new, "/metadata/labels/mine", "b".into())),
        Outcome::Allow,
        Outcome::Allow,
    ),
    (
        "the way back",
        |it| it.with_old_object(|old| set_at(old, "/metadata/labels/team", "b".into())),
        Outcome::Allow,
        Outcome::Allow,
    ),
];

/// Machines that are no service accounts; all of them may add finalizers.
const MACHINES: [&str; 7] = [
    "k3s-cloud-controller-manager",
    "rke2-cloud-controller-manager",
    "cloud-controller-manager",
    "system:cloud-controller-manager",
    "eks:cluster-bootstrap",
    "aksService",
    "system:node-bootstrapper",
];

#[test]
fn metadata_is_judged_alike_through_every_door() {
    let evaluator = evaluator();
    let mut wrong = Vec::new();
    for object in &OBJECTS {
        for (name, edit, of_person, of_workload) in CHANGES {
            let write = edit(object.main());
            let mut doors = object.others(&write);
            doors.push(("the object".to_owned(), write));
            for (door, review) in doors {
                let mut expect = |who: &str, review: &Review, expected| {
                    let got = evaluator.evaluate(review);
                    if got.outcome != expected {
                        let (plural, got) = (object.plural, got.outcome);
                        wrong.push(format!("{plural} through {door}: {name} by {who}: {got:?}, not {expected:?}"));
                    }
                };
                for who in ["alice", "system:admin", "kubernetes-admin"] {
                    expect(who, &review.clone().by(who), of_person);
                }
                expect("a claimed name", &review.clone().by_name_only("system:serviceaccount:ci:deployer"), of_person);
                expect("a pipeline", &review.clone().by("ci/deployer"), of_workload);
                for who in MACHINES {
                    expect(who, &review.clone().by(who), of_workload);
                }
                for exempt in
                    ["kube-system/generic-garbage-collector", "system:node:n1", "argocd/argocd-application-controller"]
                {
                    expect(exempt, &review.clone().by(exempt), Outcome::Allow);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_metadata_of_an_object_that_is_being_deleted_is_free_through_every_door() {
    let evaluator = evaluator();
    for object in &OBJECTS {
        for (name, edit, ..) in CHANGES {
            let write = edit(object.main())
                .with_both(|object| set_at(object, "/metadata/deletionTimestamp", "2026-05-04T03:02:01Z".into()));
            for (door, review) in object.others(&write) {
                let got = evaluator.evaluate(&review.by("alice"));
                assert_eq!(got.outcome, Outcome::Allow, "{} through {door}: {name}", object.plural);
            }
        }
    }
}

#[test]
fn whoever_put_a_finalizer_there_takes_it_back_without_a_warning() {
    let evaluator = evaluator();
    let entry = |manager: &str, finalizer: &str| {
        let owned = json!({".": {}, format!("v:\"{finalizer}\""): {}});
        json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:finalizers": owned}}})
    };
    let (mine, machines) = ("example.org/mine", "kubernetes.io/pvc-protection");
    for (there, kept, owners, expected) in [
        (json!([mine]), json!([]), json!([entry("kubectl-patch", mine)]), Outcome::Allow),
        (json!([mine]), json!([]), json!([entry("kube-controller-manager", mine)]), Outcome::Warn),
        (json!([mine]), json!([]), json!([entry("kubectl-patch", mine), entry("operator", mine)]), Outcome::Warn),
        (json!([mine]), json!([]), json!([entry("kubectl-patch", machines)]), Outcome::Warn),
        (json!([mine]), json!([]), json!([]), Outcome::Warn),
        (json!([mine, machines]), json!([machines]), json!([entry("kubectl-patch", mine)]), Outcome::Allow),
        (json!([mine, machines]), json!([mine]), json!([entry("kubectl-patch", mine)]), Outcome::Warn),
        (json!([mine, machines]), json!([]), json!([entry("kubectl-patch", mine)]), Outcome::Warn),
    ] {
        let review = OBJECTS[0]
            .main()
            .with_request(|request| {
                request["options"] = json!({"kind": "UpdateOptions", "fieldManager": "kubectl-patch"});
            })
            .with_old_object(|old| {
                set_at(old, "/metadata/finalizers", there.clone());
                set_at(old, "/metadata/managedFields", owners.clone());
            })
            .with_object(|new| set_at(new, "/metadata/finalizers", kept.clone()));
        assert_eq!(evaluator.evaluate(&review).outcome, expected, "{there} to {kept}, owned by {owners}");
    }
    // The name of a manager is whatever the client says.
    let forged = OBJECTS[0]
        .main()
        .with_request(|request| request["options"] = json!({"kind": "UpdateOptions", "fieldManager": "operator"}))
        .with_old_object(|old| {
            set_at(old, "/metadata/finalizers", json!([mine]));
            set_at(old, "/metadata/managedFields", json!([entry("operator", mine)]));
        });
    let forged = forged.with_object(|new| set_at(new, "/metadata/finalizers", json!([])));
    assert_eq!(evaluator.evaluate(&forged).outcome, Outcome::Warn);
}

#[test]
fn a_namespace_keeps_the_finalizers_of_its_content() {
    let evaluator = evaluator();
    let namespace = OBJECTS.iter().find(|object| object.plural == "namespaces").unwrap();
    for (before, after, expected) in [
        (json!(["kubernetes"]), json!(["kubernetes"]), Outcome::Allow),
        (json!(["kubernetes"]), Value::Null, Outcome::Warn),
        (json!(["kubernetes"]), json!(["kubernetes", "example.org/hold"]), Outcome::Deny),
    ] {
        let review = namespace.main().subresource("finalize");
        let review = review
            .with_old_object(|old| set_at(old, "/spec/finalizers", before.clone()))
            .with_object(|new| set_at(new, "/spec/finalizers", after.clone()));
        assert_eq!(evaluator.evaluate(&review).outcome, expected, "{before} to {after}");
    }
}

/// Labels, annotations, finalizers or owners, some of them Git's, some known, some anybody's.
fn metadata() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "team",
        "owner",
        "mine",
        "driftwall.io/ignore",
        "eks.amazonaws.com/role-arn",
        "helm.sh/resource-policy",
        "app.kubernetes.io/instance",
        "kubectl.kubernetes.io/restartedAt",
    ]);
    let map = || prop::collection::btree_map(key.clone(), prop::sample::select(vec!["a", "b"]), 0..4);
    let finalizer = prop::sample::select(vec!["example.org/one", "example.org/two", "foregroundDeletion"]);
    let finalizers = prop::collection::btree_set(finalizer, 0..3);
    (map(), map(), finalizers, any::<bool>()).prop_map(|(labels, annotations, finalizers, is_owned)| {
        let mut metadata = Map::new();
        metadata.insert("labels".into(), json!(labels));
        metadata.insert("annotations".into(), json!(annotations));
        // What is empty is not sent.
        if !finalizers.is_empty() {
            metadata.insert("finalizers".into(), json!(finalizers));
        }
        if is_owned {
            metadata.insert("ownerReferences".into(), owner());
        }
        Value::Object(metadata)
    })
}

#[test]
fn any_change_of_metadata_gets_one_answer_whatever_the_door() {
    let evaluator = evaluator();
    let writers = prop::sample::select(vec!["alice", "ci/deployer", "rke2-cloud-controller-manager"]);
    let with = |metadata: Value| {
        move |object: &mut Value| {
            object["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        }
    };
    let answer = |Evaluated { verdict, outcome, mut fields, .. }: Evaluated| {
        fields.sort();
        (verdict, outcome, fields)
    };
    proptest!(ProptestConfig::with_cases(200), |(index in 0..OBJECTS.len(), before in metadata(), after in metadata(), writer in writers)| {
        let object = &OBJECTS[index];
        let write = object.main().by(writer).with_old_object(with(before)).with_object(with(after));
        let expected = answer(evaluator.evaluate(&write));
        for (door, review) in object.others(&write) {
            prop_assert_eq!(&answer(evaluator.evaluate(&review)), &expected, "{} through {}", object.plural, door);
        }
    });
}
