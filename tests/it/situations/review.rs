//! From a row to the AdmissionReviews that the API server would send.

use std::time::Duration;

use driftwall::cluster::OfflineLookup;
use driftwall_core::decision::BreakGlassContext;
use driftwall_core::policy::{BreakGlass, BreakGlasses};
use serde_json::{Value, json};

use super::row::{Change, Operation, Page, Row};
use crate::harness::managed_fields::updated;
use crate::harness::reviews::{Review, remove_at, set_at};
use crate::harness::snapshots::objects;

/// Where Git's objects are that name no namespace.
pub(super) const NAMESPACE: &str = "prod";
const KINDS_WITHOUT_NAMESPACE: [&str; 13] = [
    "ClusterIssuer",
    "ClusterPolicy",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "NodePool",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
];

/// The reviews of a row, one for each write.
pub(super) fn reviews(page: &Page, row: &Row) -> Vec<Review> {
    row.changes().iter().map(|change| review(page, row, change)).collect()
}

/// What a look-up in the cluster finds: objects of the row that have owners, and definitions.
pub(super) fn cluster(page: &Page, row: &Row) -> OfflineLookup {
    let mut cluster = OfflineLookup::default();
    for object in known_objects(page, row) {
        cluster.insert(&object).unwrap();
    }
    cluster
}

/// All objects, with what the server adds to their metadata.
fn known_objects(page: &Page, row: &Row) -> Vec<Value> {
    let texts = [&row.git, &row.cluster, &page.git, &page.cluster];
    texts.into_iter().flat_map(|text| objects("row.yaml", text)).map(|object| stored(object.value)).collect()
}

fn stored(mut object: Value) -> Value {
    let has_namespace = !KINDS_WITHOUT_NAMESPACE.contains(&object["kind"].as_str().unwrap());
    let metadata = &mut object["metadata"];
    if has_namespace && metadata["namespace"].is_null() {
        metadata["namespace"] = NAMESPACE.into();
    }
    metadata["uid"] = "0b0c4c5e-6c3a-4c7b-9b0e-3f1d2a4b5c6d".into();
    metadata["resourceVersion"] = "4711".into();
    metadata["creationTimestamp"] = "2026-05-04T03:02:01Z".into();
    object
}

fn review(page: &Page, row: &Row, change: &Change) -> Review {
    let wanted = change.object.as_deref().unwrap_or_else(|| panic!("{}: {}: no object", page.file, row.write));
    let named = known_objects(page, row).into_iter().find(|object| is_named(object, wanted));
    let mut old = named.unwrap_or_else(|| panic!("{}: there is no {wanted}", page.file));
    edit(&mut old, &change.old);
    let mut new = old.clone();
    edit(&mut new, &change.new);
    if change.managed || !change.admission.is_empty() {
        let entries = json!([updated("kubectl-edit", &new)]);
        edit(&mut new, &change.admission);
        new["metadata"]["managedFields"] = entries;
    }
    let (api_version, kind) = (old["apiVersion"].as_str().unwrap(), old["kind"].as_str().unwrap());
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let plural = change.plural.clone().unwrap_or_else(|| plural_of(kind));
    let review = by(Review::of(Some(&old), &new), change.by.as_deref().unwrap_or("alice")).with_request(|request| {
        let resource = json!({"group": group, "version": version, "resource": plural});
        request["resource"] = resource.clone();
        request["requestResource"] = resource;
        request["requestKind"] = request["kind"].clone();
        if let Some(subresource) = &change.subresource {
            request["subResource"] = subresource.as_str().into();
        }
        if kind == "Namespace" {
            request["namespace"] = request["name"].clone();
        } else if request["namespace"].is_null() {
            request["namespace"] = "".into();
        }
    });
    let review = match (&change.body, change.scale) {
        (Some(body), _) => with_body(review, body),
        (None, Some(replicas)) => scaled(review, replicas),
        (None, None) => review,
    };
    let review = match change.operation.unwrap_or(Operation::Update) {
        Operation::Create => review.into_create(),
        Operation::Update => review,
        Operation::Delete => review.into_delete(),
    };
    if change.dry_run { review.into_dry_run() } else { review }
}

/// Written by a user. What has a slash is a service account, unless it is a name of another kind.
fn by(review: Review, user: &str) -> Review {
    if user.contains("::") || user.contains('@') {
        let user = json!({"username": user, "groups": ["system:authenticated"]});
        return review.with_request(|request| request["userInfo"] = user);
    }
    review.by(user)
}

/// Whether the object is the one called `KIND/NAME` or `KIND.GROUP/NAME`.
fn is_named(object: &Value, wanted: &str) -> bool {
    let (kind, name) = wanted.split_once('/').unwrap();
    let group = object["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
    let (kind, is_group) = kind.split_once('.').map_or((kind, true), |(kind, of)| (kind, of == group));
    object["kind"] == kind && is_group && object["metadata"]["name"] == name
}

fn edit(object: &mut Value, edits: &std::collections::BTreeMap<String, Value>) {
    for (pointer, value) in edits {
        match value {
            Value::Null => remove_at(object, pointer),
            value => set_at(object, pointer, value.clone()),
        }
    }
}

/// The plural as Kubernetes guesses it.
fn plural_of(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o']) => format!("{stem}ies"),
        _ if kind.ends_with(['s', 'h']) => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}

/// A write that posts another object to a subresource: an eviction, a request for a token.
fn with_body(review: Review, body: &Value) -> Review {
    review.with_request(|request| {
        let (group, version) = body["apiVersion"].as_str().unwrap().split_once('/').unwrap();
        request["kind"] = json!({"group": group, "version": version, "kind": body["kind"]});
        request["requestKind"] = request["kind"].clone();
        request["object"] = body.clone();
    })
}

/// The same object scaled through its `scale` subresource.
fn scaled(review: Review, replicas: u32) -> Review {
    review.with_request(|request| {
        let scale = |object: &Value, replicas: Value| {
            let metadata = json!({"name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"]});
            // Zero is left out on the wire.
            let spec = if replicas == json!(0) { json!({}) } else { json!({"replicas": replicas}) };
            json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": spec})
        };
        let old = request["oldObject"].take();
        request["object"] = scale(&old, replicas.into());
        request["oldObject"] = scale(&old, old["spec"]["replicas"].clone());
        request["kind"] = json!({"group": "autoscaling", "version": "v1", "kind": "Scale"});
        request["requestKind"] = request["kind"].clone();
        request["subResource"] = "scale".into();
    })
}

/// A `BreakGlass` that allows alice everything, half an hour before its end.
pub(super) fn break_glass() -> BreakGlassContext<'static> {
    let stored = json!({
        "apiVersion": "driftwall.io/v1alpha1", "kind": "BreakGlass",
        "metadata": {"namespace": NAMESPACE, "name": "incident", "creationTimestamp": "2026-11-23T12:00:00Z"},
        "spec": {"objects": [{"kind": "*", "name": "*"}], "users": ["alice"], "reason": "INC-42",
            "until": "2026-11-23T13:00:00Z"},
    });
    let glass = BreakGlass::from_stored(&stored, Duration::from_hours(4)).unwrap();
    let break_glasses = BreakGlasses { driftwall_namespace: "driftwall".into(), break_glasses: vec![glass] };
    let now = "2026-11-23T12:30:00Z".parse().unwrap();
    BreakGlassContext { break_glasses: Box::leak(Box::new(break_glasses)), now }
}
