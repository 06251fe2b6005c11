//! The GitOps tools that driftwall knows, and what is theirs: the kinds that they
//! are told by what to deploy, and the service accounts of their own controllers.

use super::{ActorRules, Class};
use crate::admission::User;

/// A GitOps tool that driftwall knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitopsTool {
    /// Argo CD.
    ArgoCd,
    /// Flux.
    Flux,
}

/// The group of Argo CD's kinds; other tools of the Argo project share it.
const ARGO_GROUP: &str = "argoproj.io";
/// The kinds of Argo CD itself, and their plurals.
const ARGOCD_KINDS: [(&str, &str); 3] =
    [("Application", "applications"), ("ApplicationSet", "applicationsets"), ("AppProject", "appprojects")];
/// What the groups of Flux's kinds end with: `kustomize.toolkit.fluxcd.io`, …
const FLUX_GROUP_SUFFIX: &str = ".toolkit.fluxcd.io";

/// Flux's controllers, each with a service account of its own name
/// (`fluxcd/flux2`, `manifests/bases`).
const FLUX_CONTROLLERS: [&str; 7] = [
    "helm-controller",
    "image-automation-controller",
    "image-reflector-controller",
    "kustomize-controller",
    "notification-controller",
    "source-controller",
    "source-watcher",
];
/// Those that write what Git says.
const FLUX_SYNCING_CONTROLLERS: [&str; 2] = ["helm-controller", "kustomize-controller"];

/// What the names of Argo CD's service accounts end with; before it stands `argocd`, or
/// the name of a Helm release or of an instance (`argoproj/argo-cd`, `manifests/base`).
const ARGOCD_COMPONENTS: [&str; 4] =
    ["-application-controller", "-applicationset-controller", "-notifications-controller", "-server"];
/// The component that writes what Git says.
const ARGOCD_SYNCING_COMPONENT: &str = "-application-controller";

impl GitopsTool {
    /// The tool's name, as its makers write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ArgoCd => "Argo CD",
            Self::Flux => "Flux",
        }
    }

    /// The tool that is told by objects of this kind what to deploy.
    pub fn of_kind(group: &str, kind: &str) -> Option<Self> {
        if group == ARGO_GROUP && ARGOCD_KINDS.iter().any(|(own, _)| *own == kind) {
            Some(Self::ArgoCd)
        } else {
            group.ends_with(FLUX_GROUP_SUFFIX).then_some(Self::Flux)
        }
    }

    /// The controllers of a default installation that write the tool's own objects all
    /// the time: namespace and name.
    pub(crate) fn default_controllers(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::ArgoCd => vec![
                ("argocd", "argocd-application-controller"),
                ("argocd", "argocd-applicationset-controller"),
                ("argocd", "argocd-notifications-controller"),
                ("openshift-gitops", "openshift-gitops-applicationset-controller"),
                ("openshift-gitops", "openshift-gitops-argocd-application-controller"),
            ],
            Self::Flux => FLUX_CONTROLLERS.map(|name| ("flux-system", name)).to_vec(),
        }
    }

    /// Whether the user is a controller of the tool itself, wherever it is installed:
    /// beside one that is configured, or known by a preset, as exempt.
    pub(crate) fn has_controller(self, user: &User<'_>, actors: &ActorRules) -> bool {
        let Some((namespace, name)) = user.service_account() else { return false };
        let is_gitops = |name: &str| actors.classify_account(namespace, name).class == Class::Gitops;
        if is_gitops(name) {
            return true;
        }
        match self {
            Self::ArgoCd => ARGOCD_COMPONENTS.iter().any(|component| {
                let instance = name.strip_suffix(component);
                instance.is_some_and(|instance| is_gitops(&format!("{instance}{ARGOCD_SYNCING_COMPONENT}")))
            }),
            Self::Flux => {
                FLUX_CONTROLLERS.contains(&name) && FLUX_SYNCING_CONTROLLERS.iter().any(|name| is_gitops(name))
            }
        }
    }
}

/// Whether the account is that of a controller that writes what Git says.
pub(super) fn is_syncing_controller(name: &str) -> bool {
    name.ends_with(ARGOCD_SYNCING_COMPONENT) || FLUX_SYNCING_CONTROLLERS.contains(&name)
}

/// Whether the account is that of Argo CD's API server, which writes for whoever
/// uses its web page or the `argocd` command.
pub(super) fn is_argocd_server(name: &str) -> bool {
    name.ends_with("argocd-server")
}

/// Whether a resource is one of those by which people tell Argo CD what to deploy.
pub(super) fn is_argocd_resource(group: &str, plural: &str) -> bool {
    group == ARGO_GROUP && ARGOCD_KINDS.iter().any(|(_, own)| *own == plural)
}
