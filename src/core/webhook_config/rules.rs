//! What is sent to `writes.driftwall.io`: what Git declares; what may belong to it,
//! hold it or point a controller at it; and the tokens of those who may write it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::parameters::Plurals;
use crate::desired::{DeclaredResource, Snapshot};

type Operations = &'static [&'static str];

const ALL_WRITES: Operations = &["CREATE", "DELETE", "UPDATE"];
const CREATE: Operations = &["CREATE"];
const UPDATE: Operations = &["UPDATE"];

/// Every resource of a group and version, for a kind whose plural is not known.
const ANY_RESOURCE: &str = "*";

/// Group, version, resource and operations.
type Sent = (&'static str, &'static str, &'static str, Operations);

/// What is sent whatever Git declares: what may belong to a declared object, hold
/// some, point a controller at one, or give somebody an exempt account's token.
const ALWAYS_SENT: [Sent; 17] = [
    ("", "v1", "namespaces", &["DELETE"]),
    ("", "v1", "pods", &["DELETE", "UPDATE"]),
    ("", "v1", "pods/ephemeralcontainers", UPDATE),
    ("", "v1", "pods/eviction", &["CREATE"]),
    ("", "v1", "pods/resize", UPDATE),
    ("", "v1", "serviceaccounts/token", &["CREATE"]),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", &["DELETE"]),
    ("apps", "v1", "replicasets", &["DELETE", "UPDATE"]),
    ("apps", "v1", "replicasets/scale", UPDATE),
    ("argoproj.io", "v1alpha1", "rollouts", ALL_WRITES),
    ("autoscaling", "v2", "horizontalpodautoscalers", ALL_WRITES),
    ("autoscaling.gke.io", "v1beta1", "multidimpodautoscalers", ALL_WRITES),
    ("autoscaling.k8s.io", "v1", "verticalpodautoscalers", ALL_WRITES),
    ("batch", "v1", "jobs", &["DELETE", "UPDATE"]),
    ("datadoghq.com", "v1alpha1", "watermarkpodautoscalers", ALL_WRITES),
    ("flagger.app", "v1beta1", "canaries", ALL_WRITES),
    ("keda.sh", "v1alpha1", "scaledobjects", ALL_WRITES),
];

/// More of the same, where the API server can leave their usual writers out.
const SENT_WITH_CONDITIONS: [Sent; 3] = [
    ("", "v1", "pods/status", UPDATE),
    ("apps", "v1", "replicasets/status", UPDATE),
    ("batch", "v1", "jobs/status", UPDATE),
];

/// What holds declared objects, sent to the webhook of all writers where there is
/// none for persons alone.
const HOLDERS: [Sent; 5] = [
    ("", "v1", "namespaces", UPDATE),
    ("", "v1", "namespaces/finalize", UPDATE),
    ("", "v1", "namespaces/status", UPDATE),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions", UPDATE),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions/status", UPDATE),
];

/// What operators usually make of a custom resource, sent likewise.
const MADE_BY_OPERATORS: [Sent; 7] = [
    ("", "v1", "services", UPDATE),
    ("apps", "v1", "daemonsets", UPDATE),
    ("apps", "v1", "deployments", UPDATE),
    ("apps", "v1", "deployments/scale", UPDATE),
    ("apps", "v1", "statefulsets", UPDATE),
    ("apps", "v1", "statefulsets/scale", UPDATE),
    ("batch", "v1", "cronjobs", UPDATE),
];

/// Resources whose `status` kubelets write all the time.
const WRITTEN_BY_KUBELETS: [&str; 2] = ["nodes", "pods"];

/// Kinds of `admissionregistration.k8s.io` that the API server never sends to a webhook, so that no
/// webhook can keep it from being repaired (`k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules`).
const NEVER_SENT: [&str; 6] = [
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
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
    ("admissionregistration.k8s.io", &[], &[]),
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

/// What is sent: by group, version and resource, the operations.
pub(super) struct SentWrites<'a>(BTreeMap<(&'a str, &'a str, String), BTreeSet<&'static str>>);

impl<'a> SentWrites<'a> {
    /// What is sent of all writers. Where the API server has no `match_conditions` to leave usual writers out,
    /// less is sent of their writes, and more here of what else is sent of persons alone.
    pub(super) fn new(snapshot: &'a Snapshot, plurals: &Plurals, match_conditions: bool) -> Self {
        let declared: Vec<_> = snapshot.resources().into_iter().filter(is_sent).collect();
        let mut sent = Self(BTreeMap::new());
        sent.add_in_declared_version(&ALWAYS_SENT, &declared);
        if match_conditions {
            sent.add_in_declared_version(&SENT_WITH_CONDITIONS, &declared);
        } else {
            sent.add_in_declared_version(&HOLDERS, &declared);
            if declared.iter().any(|resource| built_in_group(resource.group).is_none()) {
                sent.add_in_declared_version(&MADE_BY_OPERATORS, &declared);
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
            // Without conditions, the scheduler's of all Pods would come too.
            if match_conditions && group.is_empty() && plural == "pods" {
                sent.add(group, version, "bindings".to_owned(), CREATE);
                sent.add(group, version, "pods/binding".to_owned(), CREATE);
            }
            for subresource in subresources(group, &plural) {
                let is_busy = subresource == "status" && group.is_empty() && WRITTEN_BY_KUBELETS.contains(&&*plural);
                if match_conditions || !is_busy {
                    sent.add(group, version, format!("{plural}/{subresource}"), UPDATE);
                }
            }
            sent.add(group, version, plural, ALL_WRITES);
        }
        sent
    }

    fn add(&mut self, group: &'a str, version: &'a str, resource: String, operations: Operations) {
        self.0.entry((group, version, resource)).or_default().extend(operations);
    }

    /// Adds what is sent in the versions that Git declares, if it declares any. A rule of another version
    /// would take the write first, and its review could not be compared with Git; the API server converts
    /// to the version of the rule.
    fn add_in_declared_version(&mut self, writes: &[Sent], declared: &[DeclaredResource<'a>]) {
        for &(group, version, resource, operations) in writes {
            let plural = resource.split_once('/').map_or(resource, |(plural, _)| plural);
            let of_resource = declared.iter().filter(|declared| declared.group == group && declared.plural == plural);
            let versions: BTreeSet<_> = of_resource.map(|declared| declared.version).collect();
            if versions.is_empty() {
                self.add(group, version, resource.to_owned(), operations);
            }
            for version in versions {
                self.add(group, version, resource.to_owned(), operations);
            }
        }
    }

    /// Rules by group, version and operations.
    pub(super) fn rules(self) -> Vec<Value> {
        let mut grouped: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for ((group, version, resource), operations) in self.0 {
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

    /// The resources whose UPDATEs are sent, as `group/resource` and `group/resource/subresource`, and the
    /// groups of which those of all resources are.
    pub(super) fn updates(&self) -> (BTreeSet<String>, BTreeSet<&'a str>) {
        let (mut resources, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for ((group, _, resource), operations) in &self.0 {
            if !operations.contains("UPDATE") {
                continue;
            }
            if resource == ANY_RESOURCE {
                groups.insert(*group);
            } else {
                resources.insert(format!("{group}/{resource}"));
            }
        }
        (resources, groups)
    }
}

fn is_sent(resource: &DeclaredResource<'_>) -> bool {
    resource.group != "admissionregistration.k8s.io" || !NEVER_SENT.contains(&resource.kind)
}

/// The kinds of which Git declares objects and the API server never sends writes, in words.
pub fn kinds_never_sent(snapshot: &Snapshot) -> Vec<String> {
    let declared = snapshot.resources().into_iter().filter(|resource| !is_sent(resource));
    let kinds: BTreeSet<_> = declared.map(|resource| resource.kind).collect();
    kinds.into_iter().map(str::to_owned).collect()
}

/// The kinds that Git declares in several versions, in words. A write is sent in the version in which it is
/// written, and a person's is denied where that is another one than Git's and the two cannot be compared.
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

/// The resources of a built-in group that have a status, and those that have a scale.
fn built_in_group(group: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    let found = BUILT_IN_GROUPS.iter().find(|(name, ..)| *name == group)?;
    Some((found.1, found.2))
}

/// The subresources of a resource that write parts of its objects. For other
/// groups than the built-in ones both: to name one that does not exist does no harm.
fn subresources(group: &str, plural: &str) -> Vec<&'static str> {
    let Some((with_status, with_scale)) = built_in_group(group) else { return vec!["scale", "status"] };
    let mut subresources = Vec::new();
    match (group, plural) {
        ("", "namespaces") => subresources.push("finalize"),
        ("certificates.k8s.io", "certificatesigningrequests") => subresources.push("approval"),
        _ => {}
    }
    if with_scale.contains(&plural) {
        subresources.push("scale");
    }
    if with_status.contains(&plural) {
        subresources.push("status");
    }
    subresources
}
