//! Which writes the API server asks about: a `ValidatingWebhookConfiguration`
//! made from what Git declares, and no wider.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::desired::Snapshot;

/// What a registration needs beside the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The name of the configuration.
    pub name: String,
    /// The CA of the serving certificate, PEM in base64.
    pub ca_bundle: String,
    /// Where the webhook is reached.
    pub endpoint: Endpoint,
    /// Namespaces that are never asked about: driftwall's own, and the control plane's.
    pub left_out: Vec<String>,
    /// Namespaces in which the creation of anything that Git does not declare is asked about.
    pub strict: Vec<String>,
}

/// Where the webhook is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Service, on port 443.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A URL, which the API server can reach from where it runs.
    Url(String),
}

type Operations = &'static [&'static str];

const ALL: Operations = &["CREATE", "DELETE", "UPDATE"];
const UPDATE: Operations = &["UPDATE"];

/// What is asked about whatever Git declares: what may belong to an object of
/// Git, hold some, or steer one.
const ALWAYS: [(&str, &str, &str, Operations); 17] = [
    ("", "v1", "namespaces", &["DELETE"]),
    ("", "v1", "pods", &["DELETE", "UPDATE"]),
    ("", "v1", "pods/ephemeralcontainers", UPDATE),
    ("", "v1", "pods/eviction", &["CREATE"]),
    ("", "v1", "pods/resize", UPDATE),
    ("", "v1", "pods/status", UPDATE),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", &["DELETE"]),
    ("apps", "v1", "replicasets", &["DELETE", "UPDATE"]),
    ("apps", "v1", "replicasets/scale", UPDATE),
    ("apps", "v1", "replicasets/status", UPDATE),
    ("argoproj.io", "v1alpha1", "rollouts", ALL),
    ("autoscaling", "v2", "horizontalpodautoscalers", ALL),
    ("autoscaling.k8s.io", "v1", "verticalpodautoscalers", ALL),
    ("batch", "v1", "jobs", &["DELETE", "UPDATE"]),
    ("batch", "v1", "jobs/status", UPDATE),
    ("flagger.app", "v1beta1", "canaries", ALL),
    ("keda.sh", "v1alpha1", "scaledobjects", ALL),
];

/// The built-in groups, with their resources that have a status and those that have a scale.
const BUILT_IN: [(&str, &[&str], &[&str]); 17] = [
    (
        "",
        &[
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "replicationcontrollers",
            "resourcequotas",
            "services",
        ],
        &["replicationcontrollers"],
    ),
    ("admissionregistration.k8s.io", &["validatingadmissionpolicies"], &[]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"], &[]),
    ("apiregistration.k8s.io", &["apiservices"], &[]),
    (
        "apps",
        &["daemonsets", "deployments", "replicasets", "statefulsets"],
        &["deployments", "replicasets", "statefulsets"],
    ),
    ("autoscaling", &["horizontalpodautoscalers"], &[]),
    ("batch", &["cronjobs", "jobs"], &[]),
    ("certificates.k8s.io", &["certificatesigningrequests"], &[]),
    ("coordination.k8s.io", &[], &[]),
    ("discovery.k8s.io", &[], &[]),
    ("flowcontrol.apiserver.k8s.io", &["flowschemas", "prioritylevelconfigurations"], &[]),
    ("networking.k8s.io", &["ingresses", "servicecidrs"], &[]),
    ("node.k8s.io", &[], &[]),
    ("policy", &["poddisruptionbudgets"], &[]),
    ("rbac.authorization.k8s.io", &[], &[]),
    ("scheduling.k8s.io", &[], &[]),
    ("storage.k8s.io", &["volumeattachments"], &[]),
];

/// The `ValidatingWebhookConfiguration` for what the snapshot declares. The same
/// content gives the same text.
pub fn registration(snapshot: &Snapshot, registration: &Registration) -> Value {
    let Registration { name, left_out, strict, .. } = registration;
    let of_namespaces = |operator: &str, values: &[String]| json!({"key": "kubernetes.io/metadata.name", "operator": operator, "values": values});
    let not_left_out = of_namespaces("NotIn", left_out);
    let not_a_node = json!({
        "name": "not-a-node",
        "expression": "!(\"system:nodes\" in request.userInfo.groups)",
    });
    let mut webhooks = vec![json!({
        "name": "writes.driftwall.io",
        "namespaceSelector": {"matchExpressions": [not_left_out]},
        "matchConditions": [not_a_node],
        "rules": rules(snapshot),
    })];
    if !strict.is_empty() {
        webhooks.push(json!({
            "name": "strict.driftwall.io",
            "namespaceSelector": {"matchExpressions": [of_namespaces("In", strict), not_left_out]},
            "matchConditions": [not_a_node, {
                "name": "not-a-note",
                "expression": "!(request.resource.resource in [\"events\", \"leases\"])",
            }],
            "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"], "scope": "Namespaced"}],
        }));
    }
    for webhook in &mut webhooks {
        webhook["admissionReviewVersions"] = json!(["v1"]);
        webhook["clientConfig"] = client(registration);
        webhook["failurePolicy"] = "Ignore".into();
        webhook["matchPolicy"] = "Equivalent".into();
        webhook["sideEffects"] = "None".into();
        webhook["timeoutSeconds"] = 5.into();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "driftwall"}},
        "webhooks": webhooks,
    })
}

fn client(Registration { ca_bundle, endpoint, .. }: &Registration) -> Value {
    match endpoint {
        Endpoint::Service { namespace, name } => json!({
            "caBundle": ca_bundle,
            "service": {"namespace": namespace, "name": name, "path": "/validate", "port": 443},
        }),
        Endpoint::Url(url) => json!({"caBundle": ca_bundle, "url": url}),
    }
}

/// Rules by group, version and operations.
fn rules(snapshot: &Snapshot) -> Vec<Value> {
    let mut asked: BTreeMap<(&str, &str, String), BTreeSet<&str>> = BTreeMap::new();
    let mut ask = |group, version, resource, operations: Operations| {
        asked.entry((group, version, resource)).or_default().extend(operations);
    };
    for (group, version, resource, operations) in ALWAYS {
        ask(group, version, resource.to_owned(), operations);
    }
    for (group, version, plural) in snapshot.resources() {
        for subresource in subresources(group, &plural) {
            ask(group, version, format!("{plural}/{subresource}"), UPDATE);
        }
        ask(group, version, plural, ALL);
    }
    let mut grouped: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((group, version, resource), operations) in asked {
        grouped.entry((group, version, operations)).or_default().push(resource);
    }
    let rule = |((group, version, operations), resources)| json!({"apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": resources});
    grouped.into_iter().map(rule).collect()
}

/// What is written apart from the object itself. For other kinds than the
/// built-in ones both: naming one that is not there does no harm.
fn subresources(group: &str, plural: &str) -> Vec<&'static str> {
    match BUILT_IN.iter().find(|(of, _, _)| *of == group) {
        None => vec!["scale", "status"],
        Some((_, with_status, with_scale)) => {
            let has = |list: &[&str]| list.contains(&plural);
            [(has(with_scale), "scale"), (has(with_status), "status")]
                .into_iter()
                .filter_map(|(has, subresource)| has.then_some(subresource))
                .collect()
        }
    }
}
