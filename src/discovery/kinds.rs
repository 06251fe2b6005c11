//! The kinds that are watched, and the versions in which an API server may have them.

use driftwall_core::applications::{ApplicationKind, ObservedKind};

/// A kind to watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WatchedKind {
    pub(super) observed: ObservedKind,
    pub(super) group: &'static str,
    /// Newest first. An older one is taken where the server does not know the newer.
    pub(super) versions: &'static [&'static str],
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
}

const fn flux_source(kind: &'static str, plural: &'static str, versions: &'static [&'static str]) -> WatchedKind {
    WatchedKind { observed: ObservedKind::FluxSource, group: "source.toolkit.fluxcd.io", versions, kind, plural }
}

/// Argo CD's (`argoproj/argo-cd`, `manifests/crds`).
pub(super) const APPLICATIONS: WatchedKind = WatchedKind {
    observed: ObservedKind::Application(ApplicationKind::Application),
    group: "argoproj.io",
    versions: &["v1alpha1"],
    kind: "Application",
    plural: "applications",
};
pub(super) const PROJECTS: WatchedKind = WatchedKind {
    observed: ObservedKind::ArgocdProject,
    group: "argoproj.io",
    versions: &["v1alpha1"],
    kind: "AppProject",
    plural: "appprojects",
};
pub(super) const SETTINGS: WatchedKind = WatchedKind {
    observed: ObservedKind::ArgocdSettings,
    group: "",
    versions: &["v1"],
    kind: "ConfigMap",
    plural: "configmaps",
};
/// The settings that are watched, each by its name.
pub(super) const SETTINGS_NAMES: [&str; 2] = ["argocd-cm", "argocd-cmd-params-cm"];

/// Flux's (`fluxcd/flux2`, `manifests/crds`): versions that Flux 2.0 and newer serve.
pub(super) const FLUX: [WatchedKind; 7] = [
    WatchedKind {
        observed: ObservedKind::Application(ApplicationKind::Kustomization),
        group: "kustomize.toolkit.fluxcd.io",
        versions: &["v1"],
        kind: "Kustomization",
        plural: "kustomizations",
    },
    WatchedKind {
        observed: ObservedKind::Application(ApplicationKind::HelmRelease),
        group: "helm.toolkit.fluxcd.io",
        versions: &["v2", "v2beta2", "v2beta1"],
        kind: "HelmRelease",
        plural: "helmreleases",
    },
    flux_source("GitRepository", "gitrepositories", &["v1"]),
    flux_source("OCIRepository", "ocirepositories", &["v1", "v1beta2"]),
    flux_source("HelmRepository", "helmrepositories", &["v1", "v1beta2"]),
    flux_source("HelmChart", "helmcharts", &["v1", "v1beta2"]),
    flux_source("Bucket", "buckets", &["v1", "v1beta2"]),
];
