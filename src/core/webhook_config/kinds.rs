//! Declared kinds of which the API server sends writes to nobody, or not as Git writes them.

use std::collections::{BTreeMap, BTreeSet};

use super::parameters::ServedKinds;
use crate::desired::{DeclaredResource, Snapshot};

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

/// Whether the API server sends the writes of a kind.
pub(super) fn is_sent(resource: &DeclaredResource<'_>) -> bool {
    resource.group != "admissionregistration.k8s.io" || !NEVER_SENT.contains(&resource.kind)
}

/// The kinds of which Git declares objects and the API server never sends writes, in words.
pub fn kinds_never_sent(snapshot: &Snapshot) -> Vec<String> {
    let declared = snapshot.resources().into_iter().filter(|resource| !is_sent(resource));
    let kinds: BTreeSet<_> = declared.map(|resource| resource.kind).collect();
    kinds.into_iter().map(str::to_owned).collect()
}

/// The kinds that Git declares in a version that the API server does not serve, in words: a GitOps tool
/// cannot sync them, and what a person changes of their content, in whatever version, cannot be compared with Git.
pub fn kinds_in_unserved_versions(snapshot: &Snapshot, served: &ServedKinds) -> Vec<String> {
    let mut kinds = Vec::new();
    for DeclaredResource { group, version, kind, .. } in snapshot.resources() {
        let Some(found) = served.get(&(group.to_owned(), kind.to_owned())) else { continue };
        if !found.versions.contains(version) {
            let dot = if group.is_empty() { "" } else { "." };
            let versions = found.versions.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            kinds.push(format!("{kind}{dot}{group} in {version}, served is {versions}"));
        }
    }
    kinds
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
