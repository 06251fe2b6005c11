//! The users and service accounts of the control plane.

use crate::admission::User;

/// The service accounts of kube-controller-manager's controllers in `kube-system`,
/// by the names of `bootstrappolicy/controller_policy.go`, Kubernetes 1.36. Not all accounts of
/// `kube-system` are its own: people install things there.
pub const CONTROLLERS: [&str; 42] = [
    "attachdetach-controller",
    "bootstrap-signer",
    "certificate-controller",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "job-controller",
    "legacy-service-account-token-cleaner",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pod-garbage-collector",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resource-claim-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "route-controller",
    "selinux-warning-controller",
    "service-account-controller",
    "service-ca-cert-publisher",
    "service-cidrs-controller",
    "service-controller",
    "statefulset-controller",
    "storage-version-garbage-collector",
    "storage-version-migrator-controller",
    "token-cleaner",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
    "volumeattributesclass-protection-controller",
];

/// The users of control plane components that are not service accounts.
pub const COMPONENTS: [&str; 3] = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler"];

/// Whether the user is one of these components, or a node.
pub(super) fn is_component(user: &User<'_>) -> bool {
    COMPONENTS.contains(&&*user.name) || (user.name.starts_with("system:node:") && user.is_in_group("system:nodes"))
}
