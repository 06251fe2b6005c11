//! Keys of labels and annotations that decide about others' work: no person
//! may set them on a declared object beside Git.

use globset::GlobSet;

/// Keys that grant rights; the configuration can name others (`protectedKeys`).
pub(super) const GRANTING: [&str; 5] = [
    "azure.workload.identity/*",
    "eks.amazonaws.com/*",
    "iam.amazonaws.com/*",
    "iam.gke.io/*",
    "pod-security.kubernetes.io/*",
];

/// Marks by which tools leave an object alone, or hold back their own hand.
const OPT_OUT: [&str; 11] = [
    "argocd.argoproj.io/compare-options",
    "argocd.argoproj.io/hook",
    "argocd.argoproj.io/skip-reconcile",
    "argocd.argoproj.io/sync-options",
    "helm.sh/hook",
    "helm.sh/resource-policy",
    "helm.toolkit.fluxcd.io/driftDetection",
    "kustomize.toolkit.fluxcd.io/force",
    "kustomize.toolkit.fluxcd.io/prune",
    "kustomize.toolkit.fluxcd.io/reconcile",
    "kustomize.toolkit.fluxcd.io/ssa",
];

/// Marks by which tools know what is theirs.
const TRACKING: [&str; 9] = [
    "app.kubernetes.io/managed-by",
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
    "helm.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/namespace",
    "kustomize.toolkit.fluxcd.io/name",
    "kustomize.toolkit.fluxcd.io/namespace",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
];

/// A label by which Argo CD knows what is its own, unless it is told another
/// way; charts set it too.
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Whether a tool sets the key to know what is its own.
pub(super) fn is_tracking(key: &str) -> bool {
    TRACKING.contains(&key) || key == INSTANCE
}

/// Whether a person may not set the key. An object that is created again out of
/// a backup brings the tracking marks of its tool along, and may.
pub(super) fn is_protected(key: &str, granting: &GlobSet, creating: bool) -> bool {
    key.starts_with("driftwall.io/")
        || OPT_OUT.contains(&key)
        || (TRACKING.contains(&key) && !creating)
        || granting.is_match(key)
}
