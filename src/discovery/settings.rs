//! What is discovered.

use std::path::{Path, PathBuf};

use driftwall_core::applications::{ApplicationKind, ObservedTools};

/// What is discovered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// Argo CD, if it is.
    pub argocd: Option<ArgocdDiscovery>,
    /// Whether Flux is.
    pub flux: bool,
}

/// Where Argo CD is, and what it calls this cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgocdDiscovery {
    /// The namespace that it is installed in.
    pub namespace: String,
    /// The kubeconfig of the cluster that it runs in, where that is another one.
    pub kubeconfig: Option<PathBuf>,
    /// Names and addresses by which it knows this cluster, beside its own for the one that it runs in.
    pub cluster_names: Vec<String>,
}

impl DiscoverySettings {
    /// Whether no application is found.
    pub fn is_off(&self) -> bool {
        self.argocd.is_none() && !self.flux
    }

    /// Whether applications of this kind are discovered.
    pub(super) fn discovers(&self, kind: ApplicationKind) -> bool {
        match kind {
            ApplicationKind::Application => self.argocd.is_some(),
            ApplicationKind::HelmRelease | ApplicationKind::Kustomization => self.flux,
        }
    }

    /// The kubeconfig of the cluster that Argo CD runs in, where that is another one.
    pub(super) fn hub_kubeconfig(&self) -> Option<&Path> {
        self.argocd.as_ref()?.kubeconfig.as_deref()
    }

    /// Nothing observed yet, by these settings.
    pub(super) fn observed_tools(&self) -> ObservedTools {
        match &self.argocd {
            Some(ArgocdDiscovery { namespace, kubeconfig, cluster_names }) => {
                ObservedTools::new(namespace, cluster_names, kubeconfig.is_some())
            }
            None => ObservedTools::new("", &[], false),
        }
    }
}
