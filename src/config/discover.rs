//! The GitOps tools whose applications are found, and what follows for who is who.

use std::path::Path;

use super::values::KeyProblem;
use super::{file_format, is_label};
use crate::discovery::{ArgocdDiscovery, DiscoverySettings};
use driftwall_core::actor::{ActorRule, Class};

/// What is discovered.
pub(super) fn settings(written: file_format::Discover, folder: &Path) -> Result<DiscoverySettings, KeyProblem> {
    let file_format::Discover { argocd, flux } = written;
    let argocd = match argocd {
        Some(file_format::DiscoverArgocd { namespace, kubeconfig_file, cluster_names }) => {
            if kubeconfig_file.is_some() && cluster_names.is_empty() {
                let message = "it is missing; name this cluster as the Argo CD of kubeconfigFile does \
                     (`argocd cluster list`), by name or address";
                return Err(KeyProblem::new("discover.argocd.clusterNames", message));
            }
            if !is_label(&namespace) {
                let message = format!("`{namespace}` is no name of a namespace; write one such as argocd");
                return Err(KeyProblem::new("discover.argocd.namespace", message));
            }
            let kubeconfig = kubeconfig_file.map(|file| folder.join(file));
            Some(ArgocdDiscovery { namespace, kubeconfig, cluster_names })
        }
        None => None,
    };
    Ok(DiscoverySettings { argocd, flux: flux.is_some() })
}

/// The presets of a configuration, with those of the tools that are discovered.
pub(super) fn presets(mut presets: Vec<String>, settings: &DiscoverySettings) -> Vec<String> {
    let mut add = |name: &str, is_discovered: bool| {
        if is_discovered && !presets.iter().any(|preset| preset == name) {
            presets.push(name.to_owned());
        }
    };
    add("argocd", settings.argocd.is_some());
    add("flux", settings.flux);
    presets
}

/// The controllers of an Argo CD in a namespace of its own, which no preset knows. Of one in another cluster they
/// write here as other accounts.
pub(super) fn controllers(settings: &DiscoverySettings) -> Option<ActorRule> {
    let ArgocdDiscovery { namespace, kubeconfig: None, .. } = settings.argocd.as_ref()? else { return None };
    let components = ["application-controller", "applicationset-controller"];
    let users = components.map(|component| format!("system:serviceaccount:{namespace}:argocd-{component}"));
    let groups: [&str; 0] = [];
    ActorRule::new(Class::Gitops, &users, &groups, Vec::new()).ok()
}
