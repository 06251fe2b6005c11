//! What is known of kinds without asking a cluster: scope, plural, `scale`.

/// The built-in kinds that are cluster-scoped, by group.
const CLUSTER_SCOPED: &[(&str, &[&str])] = &[
    ("", &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("internal.apiserver.k8s.io", &["StorageVersion"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
];

/// The built-in groups; all their other kinds are namespaced.
const BUILT_IN_GROUPS: [&str; 18] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// The built-in groups with a dot in their names, which definitions of custom resources must have
/// (`k8s.io/apiextensions-apiserver`, `ValidateCustomResourceDefinition`); also those of which nothing is stored.
pub(crate) const DOTTED_BUILT_IN_GROUPS: [&str; 19] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "metrics.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether the kinds of a group are custom resources.
pub(crate) fn is_custom_group(group: &str) -> bool {
    group.contains('.') && !DOTTED_BUILT_IN_GROUPS.contains(&group)
}

/// Whether a built-in kind is namespaced; `None` for other kinds.
pub(crate) fn is_namespaced(group: &str, kind: &str) -> Option<bool> {
    let is_cluster_scoped = CLUSTER_SCOPED.iter().any(|(of_group, kinds)| *of_group == group && kinds.contains(&kind));
    if is_cluster_scoped { Some(false) } else { BUILT_IN_GROUPS.contains(&group).then_some(true) }
}

/// The built-in kind with this plural, where it has a `scale` subresource.
pub(crate) fn scalable(group: &str, plural: &str) -> Option<&'static str> {
    match (group, plural) {
        ("", "replicationcontrollers") => Some("ReplicationController"),
        ("apps", "deployments") => Some("Deployment"),
        ("apps", "replicasets") => Some("ReplicaSet"),
        ("apps", "statefulsets") => Some("StatefulSet"),
        _ => None,
    }
}

/// The plural that a kind most likely has: the one that code generators make for a definition.
pub(crate) fn guess_plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    if lower == "endpoints" {
        lower
    } else if ends(&["s", "x", "ch", "sh"]) {
        lower + "es"
    } else if ends(&["ay", "ey", "oy", "uy"]) {
        lower + "s"
    } else if let Some(stem) = lower.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        lower + "s"
    }
}
