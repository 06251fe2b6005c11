//! Keys of labels and annotations that grant rights or steer GitOps tools: no
//! person may set them on a declared object other than in Git.

use globset::GlobSet;

/// Keys that grant rights, by default (`protectedKeys`).
pub(super) const DEFAULT_PROTECTED_KEYS: [&str; 5] = [
    "azure.workload.identity/*",
    "eks.amazonaws.com/*",
    "iam.amazonaws.com/*",
    "iam.gke.io/*",
    "pod-security.kubernetes.io/*",
];

/// Keys that make a GitOps tool leave an object alone, or change how it syncs it.
const OPT_OUT_KEYS: [&str; 11] = [
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

/// Keys by which GitOps tools know their own objects.
const TRACKING_KEYS: [&str; 9] = [
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

/// The label by which Argo CD knows its own objects, unless it is configured to
/// use another one; charts set it too, so it is not protected.
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";

/// Whether a GitOps tool may set the key to know its own objects.
pub(super) fn is_tracking(key: &str) -> bool {
    TRACKING_KEYS.contains(&key) || key == INSTANCE_LABEL
}

/// Whether a person may not set the key. An object that is created again from a
/// backup brings the tracking keys of its tool along, and may.
pub(super) fn is_protected(key: &str, configured: &GlobSet, is_create: bool) -> bool {
    key.starts_with("driftwall.io/")
        || OPT_OUT_KEYS.contains(&key)
        || (TRACKING_KEYS.contains(&key) && !is_create)
        || configured.is_match(key)
}
