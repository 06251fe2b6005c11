//! Namespaces that take only what Git declares.

use serde_json::json;

use super::cases::{allowed, case, denied};
use super::controllers::{made_by_keda, made_by_operator};
use crate::harness::world::{action, stored};

const LEASE: &str = "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: a, namespace: prod}, spec: {}}";
const EVENT: &str = "{apiVersion: v1, kind: Event, metadata: {name: a, namespace: prod}, reason: Pulled}";
const NEW_EVENT: &str = "{apiVersion: events.k8s.io/v1, kind: Event, metadata: {name: a, namespace: prod}}";
const ENDPOINTS: &str = "{apiVersion: v1, kind: Endpoints, metadata: {name: patroni, namespace: prod}}";
const SLICE: &str = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, namespace: prod}}";
const SECRET: &str = "{apiVersion: v1, kind: Secret, metadata: {name: orders, namespace: prod}}";

#[test]
fn what_runs_is_never_kept_out() {
    let owned = |object: &mut serde_json::Value| {
        let owner = json!({"apiVersion": "db.example.org/v1", "kind": "Postgres", "name": "orders", "uid": "u"});
        object["metadata"]["ownerReferences"] = json!([owner]);
    };
    let cases = vec![
        case("a workload takes a lease", stored("leases", LEASE).created().by("prod/app"), "unmanaged"),
        case("a workload writes an event", stored("events", EVENT).created().by("prod/app"), "unmanaged"),
        case("a workload writes a new event", stored("events", NEW_EVENT).created().by("prod/app"), "unmanaged"),
        case("a person's kubectl writes an event", stored("events", EVENT).created(), "unmanaged"),
        case(
            "a workload elects a leader by Endpoints",
            stored("endpoints", ENDPOINTS).created().by("prod/app"),
            "unmanaged",
        ),
        case(
            "a workload mirrors EndpointSlices",
            stored("endpointslices", SLICE).created().by("mesh/mesh"),
            "unmanaged",
        ),
        case(
            "a token is asked for",
            stored("serviceaccounts", "{apiVersion: v1, kind: ServiceAccount, metadata: {name: app, namespace: prod}}")
                .created()
                .subresource("token"),
            "runtime",
        ),
        case("an operator makes a StatefulSet for a resource of Git", made_by_operator().created(), "conforms"),
        case("KEDA makes an autoscaler for a ScaledObject of Git", made_by_keda().created(), "conforms").preset("keda"),
        case(
            "an operator makes a Secret that names its owner without calling it a controller",
            stored("secrets", SECRET).created().sends(owned).by("postgres/operator"),
            "conforms",
        ),
        case("Pods are evicted", action("evict-pod"), "runtime"),
        case("what is there already is changed", stored("secrets", SECRET), "unmanaged"),
        case("what is there already is deleted", stored("secrets", SECRET).deleted(), "unmanaged"),
    ];
    allowed(cases.into_iter().map(super::cases::Case::strict).collect());
}

#[test]
fn what_git_does_not_know_is_kept_out() {
    let forged = json!([
        {"apiVersion": "db.example.org/v1", "kind": "Postgres", "name": "orders", "uid": "u", "controller": true},
    ]);
    let cases = vec![
        case("a person creates a Deployment", action("create-unmanaged-deployment"), "unmanaged"),
        case("a person runs a Pod", action("run-pod"), "unmanaged"),
        case("a pipeline creates a Secret", stored("secrets", SECRET).created().by("ci/deployer"), "unmanaged"),
        case(
            "a person forges an owner",
            stored("secrets", SECRET).created().sends(|new| new["metadata"]["ownerReferences"] = forged),
            "unmanaged",
        ),
        case("a person writes Endpoints", stored("endpoints", ENDPOINTS).created(), "unmanaged"),
    ];
    denied(cases.into_iter().map(super::cases::Case::strict).collect());
}
