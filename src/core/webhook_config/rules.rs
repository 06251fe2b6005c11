//! The rules of `writes.driftwall.io`: what Git declares, and what may belong to
//! it, hold it, steer it or write in its writers' names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Plurals;
use crate::desired::{DeclaredResource, Snapshot};

type Operations = &'static [&'static str];

const ALL: Operations = &["CREATE", "DELETE", "UPDATE"];
const UPDATE: Operations = &["UPDATE"];

/// Every resource of a group and version, for a kind whose plural nobody has told.
const ANY: &str = "*";

/// What is asked about whatever Git declares: what may belong to an object of
/// Git, hold some, steer one, or lend somebody the name of who may write them.
const ALWAYS: [(&str, &str, &str, Operations); 18] = [
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

/// Rules by group, version and operations. A `status` is asked about only where
/// the API server itself can leave its writers out: they never rest.
pub(super) fn rules(snapshot: &Snapshot, plurals: &Plurals, with_status: bool) -> Vec<Value> {
    let mut asked: BTreeMap<(&str, &str, String), BTreeSet<&str>> = BTreeMap::new();
    let mut ask = |group, version, resource: String, operations: Operations| {
        if resource.ends_with("/status") && !with_status {
            return;
        }
        asked.entry((group, version, resource)).or_default().extend(operations);
    };
    let declared = snapshot.resources();
    for (group, version, resource, operations) in ALWAYS {
        let plural = resource.split_once('/').map_or(resource, |(plural, _)| plural);
        let versions = declared.iter().filter(|there| there.group == group && there.plural == plural);
        let versions: BTreeSet<_> = versions.map(|there| there.version).collect();
        if versions.is_empty() || versions.contains(version) {
            ask(group, version, resource.to_owned(), operations);
        }
        // A rule of another version would take the write first, and its review could
        // not be held against Git; the API server converts to the version that is asked for.
        for version in versions {
            ask(group, version, resource.to_owned(), operations);
        }
    }
    for DeclaredResource { group, version, kind, plural, is_defined } in declared {
        let found = || plurals.get(&(group.to_owned(), kind.to_owned())).cloned();
        // A guess that is wrong would leave the kind unprotected in silence.
        let plural = if is_defined { plural } else { found().unwrap_or_else(|| ANY.to_owned()) };
        for subresource in subresources(group, &plural) {
            ask(group, version, format!("{plural}/{subresource}"), UPDATE);
        }
        ask(group, version, plural, ALL);
    }
    let mut grouped: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((group, version, resource), operations) in asked {
        grouped.entry((group, version, operations)).or_default().push(resource);
    }
    let rule = |((group, version, operations), resources): (_, Vec<String>)| json!({"apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": narrowed(&resources), "scope": "*"});
    grouped.into_iter().map(rule).collect()
}

/// The kinds that Git declares in several versions: the API server sends a write in
/// the version of its own, and what Git declares in another one cannot be held against it.
pub fn kinds_in_several_versions(snapshot: &Snapshot) -> Vec<String> {
    let mut versions: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for DeclaredResource { group, version, kind, .. } in snapshot.resources() {
        versions.entry((group, kind)).or_default().insert(version);
    }
    let named = |((group, kind), versions): ((&str, &str), BTreeSet<&str>)| {
        let dot = if group.is_empty() { "" } else { "." };
        format!("{kind}{dot}{group} in {}", versions.into_iter().collect::<Vec<_>>().join(", "))
    };
    versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(named).collect()
}

/// An API server refuses a rule that names one of what it means as a whole.
fn narrowed(resources: &[String]) -> Vec<String> {
    let whole = |resource: &str| match resource.split_once('/') {
        Some((_, subresource)) => format!("{ANY}/{subresource}"),
        None => ANY.to_owned(),
    };
    let has_other = |resource: &String| *resource != whole(resource) && resources.contains(&whole(resource));
    resources.iter().filter(|resource| !has_other(resource)).cloned().collect()
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
