//! What is sent to `writes.driftwall.io`: what Git declares; what may belong to it,
//! hold it or point a controller at it; and the tokens of those who may write it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::kinds::is_sent;
use super::parameters::{ServedKind, ServedKinds};
use crate::desired::{DeclaredResource, Snapshot};

type Operations = &'static [&'static str];

const ALL_WRITES: Operations = &["CREATE", "DELETE", "UPDATE"];
const CREATE: Operations = &["CREATE"];
const DELETE: Operations = &["DELETE"];
const UPDATE: Operations = &["UPDATE"];

/// Every resource of a group and version, for a kind whose plural is not known.
const ANY_RESOURCE: &str = "*";

/// Every version: a rule of a version that the API server does not serve matches no write at all.
const ANY_VERSION: &str = "*";

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

/// Instead of the one above, on API servers older than `autoscaling/v2` (Kubernetes 1.23).
const AUTOSCALERS_OF_OLDER_SERVERS: [Sent; 1] = [("autoscaling", ANY_VERSION, "horizontalpodautoscalers", ALL_WRITES)];

/// More of the same, where the API server can leave their usual writers out.
const SENT_WITH_CONDITIONS: [Sent; 5] = [
    // By them, a Service leads elsewhere.
    ("", "v1", "endpoints", CREATE),
    ("", "v1", "pods/status", UPDATE),
    ("apps", "v1", "replicasets/status", UPDATE),
    ("batch", "v1", "jobs/status", UPDATE),
    ("discovery.k8s.io", "v1", "endpointslices", CREATE),
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
    // `batch/v1` has them since Kubernetes 1.21.
    ("batch", ANY_VERSION, "cronjobs", UPDATE),
];

/// Resources whose `status` kubelets write all the time.
const WRITTEN_BY_KUBELETS: [&str; 2] = ["nodes", "pods"];

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

/// The built-in groups of which every API server with `matchConditions` serves a version that
/// stays, and that version (Kubernetes 1.28, `k8s.io/kubernetes/pkg/controlplane/instance.go`).
const STABLE_VERSIONS: [(&str, &[&str]); 17] = [
    ("", &["v1"]),
    ("admissionregistration.k8s.io", &["v1"]),
    ("apiextensions.k8s.io", &["v1"]),
    ("apiregistration.k8s.io", &["v1"]),
    ("apps", &["v1"]),
    ("autoscaling", &["v1", "v2"]),
    ("batch", &["v1"]),
    ("certificates.k8s.io", &["v1"]),
    ("coordination.k8s.io", &["v1"]),
    ("discovery.k8s.io", &["v1"]),
    ("events.k8s.io", &["v1"]),
    ("networking.k8s.io", &["v1"]),
    ("node.k8s.io", &["v1"]),
    ("policy", &["v1"]),
    ("rbac.authorization.k8s.io", &["v1"]),
    ("scheduling.k8s.io", &["v1"]),
    ("storage.k8s.io", &["v1"]),
];

/// Those of them that an API server without `matchConditions` may not have yet: since Kubernetes 1.21, but
/// `autoscaling/v2` since 1.23, and of `batch/v1` the `CronJob`.
const NEWER_VERSIONS: [(&str, &str); 4] =
    [("autoscaling", "v2"), ("batch", "v1"), ("discovery.k8s.io", "v1"), ("policy", "v1")];

/// Whether every API server serves the version of a built-in group: those with `matchConditions`, or all others.
fn is_stable(group: &str, version: &str, match_conditions: bool) -> bool {
    let is_there = STABLE_VERSIONS.iter().any(|(of, versions)| *of == group && versions.contains(&version));
    is_there && (match_conditions || !NEWER_VERSIONS.contains(&(group, version)))
}

/// What is sent.
pub(super) struct SentWrites<'a> {
    /// By group, version and resource, the operations.
    writes: BTreeMap<(&'a str, &'a str, String), BTreeSet<&'static str>>,
    /// Resources in versions of which it is known that the API server serves them, as above without operations.
    served: BTreeSet<(&'a str, &'a str, String)>,
}

/// A declared resource, with the version of the rule for it.
struct SentResource<'a> {
    group: &'a str,
    version: &'a str,
    /// As it is known or, where it is not, guessed.
    plural: String,
    is_plural_known: bool,
    /// Whether it is known that a rule of this version matches its writes.
    is_served: bool,
}

impl<'a> SentWrites<'a> {
    /// What is sent of all writers. Where the API server has no `match_conditions` to leave usual writers out,
    /// less is sent of their writes, and more here of what else is sent of persons alone.
    pub(super) fn new(snapshot: &'a Snapshot, served: &ServedKinds, match_conditions: bool) -> Self {
        let resources = snapshot.resources().into_iter().filter(is_sent);
        let resources = resources.map(|resource| SentResource::new(resource, served, match_conditions));
        let declared = in_served_versions(resources.collect());
        let mut sent = Self { writes: BTreeMap::new(), served: BTreeSet::new() };
        sent.add_in_declared_version(&ALWAYS_SENT, &declared);
        if match_conditions {
            sent.add_in_declared_version(&SENT_WITH_CONDITIONS, &declared);
        } else {
            sent.add_in_declared_version(&AUTOSCALERS_OF_OLDER_SERVERS, &declared);
            sent.add_in_declared_version(&HOLDERS, &declared);
            if declared.iter().any(|resource| built_in_group(resource.group).is_none()) {
                sent.add_in_declared_version(&MADE_BY_OPERATORS, &declared);
            }
        }
        for SentResource { group, version, plural, is_plural_known, is_served } in declared {
            // A wrong guess would leave the kind unprotected in silence.
            let plural = if is_plural_known { plural } else { ANY_RESOURCE.to_owned() };
            // Without conditions, the scheduler's of all Pods would come too.
            if match_conditions && group.is_empty() && plural == "pods" {
                sent.add(group, version, "bindings".to_owned(), CREATE, is_served);
                sent.add(group, version, "pods/binding".to_owned(), CREATE, is_served);
            }
            for subresource in subresources(group, &plural) {
                let is_busy = subresource == "status" && group.is_empty() && WRITTEN_BY_KUBELETS.contains(&&*plural);
                if match_conditions || !is_busy {
                    sent.add(group, version, format!("{plural}/{subresource}"), UPDATE, is_served);
                }
            }
            // For a deletion, no content is compared, so that its version does not matter. What is updated in
            // another one is sent to the webhook for what else persons change.
            if !is_served {
                sent.add(group, ANY_VERSION, plural.clone(), DELETE, false);
            }
            sent.add(group, version, plural, ALL_WRITES, is_served);
        }
        sent
    }

    fn add(&mut self, group: &'a str, version: &'a str, resource: String, operations: Operations, is_served: bool) {
        let key = (group, version, resource);
        if is_served {
            self.served.insert(key.clone());
        }
        self.writes.entry(key).or_default().extend(operations);
    }

    /// Adds what is sent in the versions that Git declares, if it declares any. A rule of another version
    /// would take the write first, and its review could not be compared with Git; the API server converts
    /// to the version of the rule.
    fn add_in_declared_version(&mut self, writes: &[Sent], declared: &[SentResource<'a>]) {
        for &(group, version, resource, operations) in writes {
            let plural = resource.split_once('/').map_or(resource, |(plural, _)| plural);
            let mut is_declared = false;
            for declared in declared.iter().filter(|declared| declared.group == group && declared.plural == plural) {
                self.add(group, declared.version, resource.to_owned(), operations, declared.is_served);
                is_declared = true;
            }
            // Where the kind is served at all, this version of it is.
            if !is_declared {
                self.add(group, version, resource.to_owned(), operations, true);
            }
        }
    }

    /// Rules by group, version and operations.
    pub(super) fn rules(self) -> Vec<Value> {
        let mut grouped: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for ((group, version, resource), operations) in self.writes {
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

    /// The writes that are sent for certain, as `OPERATION group/resource` and
    /// `OPERATION group/resource/subresource`; the resource is `*` where those of all are. What is sent
    /// only if the API server serves the version that Git declares is not among them.
    pub(super) fn certain(&self) -> BTreeSet<String> {
        let mut writes = BTreeSet::new();
        for key in &self.served {
            let (group, _, resource) = key;
            for operation in self.writes.get(key).into_iter().flatten() {
                writes.insert(format!("{operation} {group}/{resource}"));
            }
        }
        writes
    }

    /// The resources whose UPDATEs are sent for certain, as `group/resource` and `group/resource/subresource`,
    /// and the groups of which those of all resources are.
    pub(super) fn updates(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut resources, mut groups) = (BTreeSet::new(), BTreeSet::new());
        for write in self.certain() {
            let Some(resource) = write.strip_prefix("UPDATE ") else { continue };
            match resource.strip_suffix("/*") {
                Some(group) => groups.insert(group.to_owned()),
                None => resources.insert(resource.to_owned()),
            };
        }
        (resources, groups)
    }
}

impl<'a> SentResource<'a> {
    fn new(resource: DeclaredResource<'a>, served: &ServedKinds, match_conditions: bool) -> Self {
        let DeclaredResource { group, version, kind, plural, is_defined } = resource;
        let found = served.get(&(group.to_owned(), kind.to_owned()));
        let is_plural_known = is_defined || found.is_some();
        let plural = match found {
            Some(ServedKind { plural, .. }) if !is_defined => plural.clone(),
            _ => plural,
        };
        let is_wrong = found.is_some_and(|found| !found.versions.contains(version));
        let is_served = found.is_some() || is_stable(group, version, match_conditions);
        // A built-in version that is no stable one is served by some API servers, and nobody said by this one.
        let is_unknown = !is_served && built_in_group(group).is_some();
        let is_any = is_wrong || is_unknown;
        let version = if is_any { ANY_VERSION } else { version };
        Self { group, version, plural, is_plural_known, is_served: is_any || is_served }
    }
}

/// Without a rule of all versions where there is one of a version that is served: the API server prefers a rule
/// that matches without conversion, and what is not converted cannot always be compared with Git.
fn in_served_versions(mut resources: Vec<SentResource<'_>>) -> Vec<SentResource<'_>> {
    let mut converted = BTreeSet::new();
    for SentResource { group, version, plural, is_served, .. } in &resources {
        if *version != ANY_VERSION && *is_served {
            converted.insert((*group, plural.clone()));
        }
    }
    resources.retain(|resource| {
        resource.version != ANY_VERSION || !converted.contains(&(resource.group, resource.plural.clone()))
    });
    resources
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
