//! The rules of `writes.driftwall.io`: what Git declares; what may belong to it,
//! hold it or point a controller at it; and the tokens of those who may write it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::parameters::Plurals;
use crate::desired::{DeclaredResource, Snapshot};

type Operations = &'static [&'static str];

const ALL_WRITES: Operations = &["CREATE", "DELETE", "UPDATE"];
const UPDATE: Operations = &["UPDATE"];

/// Every resource of a group and version, for a kind whose plural is not known.
const ANY_RESOURCE: &str = "*";

/// What is sent whatever Git declares: what may belong to a declared object, hold
/// some, point a controller at one, or give somebody an exempt account's token.
const ALWAYS_SENT: [(&str, &str, &str, Operations); 18] = [
    ("", "v1", "namespaces", &["DELETE"]),
    ("", "v1", "pods", &["DELETE", "UPDATE"]),
    ("", "v1", "pods/ephemeralcontainers", UPDATE),
    ("", "v1", "pods/eviction", &["CREATE"]),
    ("", "v1", "pods/resize", UPDATE),
    ("", "v1", "pods/status", UPDATE),
    ("", "v1", "serviceaccounts/token", &["CREATE"]),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", &["DELETE"]),
    ("apps", "v1", "replicasets", &["DELETE", "UPDATE"]),
    ("apps", "v1", "replicasets/scale", UPDATE),
    ("apps", "v1", "replicasets/status", UPDATE),
    ("argoproj.io", "v1alpha1", "rollouts", ALL_WRITES),
    ("autoscaling", "v2", "horizontalpodautoscalers", ALL_WRITES),
    ("autoscaling.k8s.io", "v1", "verticalpodautoscalers", ALL_WRITES),
    ("batch", "v1", "jobs", &["DELETE", "UPDATE"]),
    ("batch", "v1", "jobs/status", UPDATE),
    ("flagger.app", "v1beta1", "canaries", ALL_WRITES),
    ("keda.sh", "v1alpha1", "scaledobjects", ALL_WRITES),
];

/// The built-in groups, with their resources that have a status and those that have a scale.
const BUILT_IN_GROUPS: [(&str, &[&str], &[&str]); 17] = [
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

/// Rules by group, version and operations. A `status` is sent only where the API
/// server itself can leave its usual writers out: they write all the time.
pub(super) fn rules(snapshot: &Snapshot, plurals: &Plurals, with_status: bool) -> Vec<Value> {
    let mut entries: BTreeMap<(&str, &str, String), BTreeSet<&str>> = BTreeMap::new();
    let mut send = |group, version, resource: String, operations: Operations| {
        if with_status || !resource.ends_with("/status") {
            entries.entry((group, version, resource)).or_default().extend(operations);
        }
    };
    let declared = snapshot.resources();
    for (group, version, resource, operations) in ALWAYS_SENT {
        let plural = resource.split_once('/').map_or(resource, |(plural, _)| plural);
        let of_resource = declared.iter().filter(|declared| declared.group == group && declared.plural == plural);
        let declared_versions: BTreeSet<_> = of_resource.map(|declared| declared.version).collect();
        if declared_versions.is_empty() {
            send(group, version, resource.to_owned(), operations);
        }
        // A rule of another version would take the write first, and its review could
        // not be compared with Git; the API server converts to the version of the rule.
        for declared_version in declared_versions {
            send(group, declared_version, resource.to_owned(), operations);
        }
    }
    for DeclaredResource { group, version, kind, plural, is_defined } in declared {
        let plural = if is_defined {
            plural
        } else {
            // A wrong guess would leave the kind unprotected in silence.
            match plurals.get(&(group.to_owned(), kind.to_owned())) {
                Some(plural) => plural.clone(),
                None => ANY_RESOURCE.to_owned(),
            }
        };
        for subresource in subresources(group, &plural) {
            send(group, version, format!("{plural}/{subresource}"), UPDATE);
        }
        send(group, version, plural, ALL_WRITES);
    }
    let mut grouped: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((group, version, resource), operations) in entries {
        grouped.entry((group, version, operations)).or_default().push(resource);
    }
    let mut rules = Vec::new();
    for ((group, version, operations), resources) in grouped {
        rules.push(json!({
            "apiGroups": [group],
            "apiVersions": [version],
            "operations": operations,
            "resources": without_redundant(&resources),
            "scope": "*",
        }));
    }
    rules
}

/// The kinds that Git declares in several versions, in words. The API server sends
/// a write in one of them, and what Git declares in another one cannot be compared
/// with it.
pub fn kinds_in_several_versions(snapshot: &Snapshot) -> Vec<String> {
    let mut versions_of: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for DeclaredResource { group, version, kind, .. } in snapshot.resources() {
        versions_of.entry((group, kind)).or_default().insert(version);
    }
    let mut kinds = Vec::new();
    for ((group, kind), versions) in versions_of {
        if versions.len() > 1 {
            let dot = if group.is_empty() { "" } else { "." };
            kinds.push(format!("{kind}{dot}{group} in {}", Vec::from_iter(versions).join(", ")));
        }
    }
    kinds
}

/// Without resources that a wildcard covers: an API server refuses such a rule.
fn without_redundant(resources: &[String]) -> Vec<String> {
    let wildcard = |resource: &str| match resource.split_once('/') {
        Some((_, subresource)) => format!("{ANY_RESOURCE}/{subresource}"),
        None => ANY_RESOURCE.to_owned(),
    };
    let is_redundant = |resource: &String| {
        let wildcard = wildcard(resource);
        *resource != wildcard && resources.contains(&wildcard)
    };
    resources.iter().filter(|resource| !is_redundant(resource)).cloned().collect()
}

/// The subresources of a resource that write parts of its objects. For other
/// groups than the built-in ones both: to name one that does not exist does no harm.
fn subresources(group: &str, plural: &str) -> Vec<&'static str> {
    let Some((_, with_status, with_scale)) = BUILT_IN_GROUPS.iter().find(|(name, _, _)| *name == group) else {
        return vec!["scale", "status"];
    };
    let mut subresources = Vec::new();
    if with_scale.contains(&plural) {
        subresources.push("scale");
    }
    if with_status.contains(&plural) {
        subresources.push("status");
    }
    subresources
}
