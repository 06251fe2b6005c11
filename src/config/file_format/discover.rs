//! What is written of the GitOps tools whose applications are to be found.

use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Discover {
    /// Finds the Applications of Argo CD: what they deploy is compared with what Argo CD last applied. The preset
    /// `argocd` is in use then. `{}` is enough for a default installation.
    pub(crate) argocd: Option<DiscoverArgocd>,
    /// Finds the Kustomizations and `HelmReleases` of Flux, likewise. The preset `flux` is in use then. Write `{}`.
    pub(crate) flux: Option<DiscoverFlux>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DiscoverArgocd {
    /// The namespace that Argo CD is installed in: its settings and projects are there.
    #[schemars(length(min = 1), example = &"argocd")]
    pub(crate) namespace: String,
    /// A kubeconfig of the cluster in which Argo CD runs, where that is another one (hub and spoke). Without it, it
    /// runs in this one.
    #[schemars(length(min = 1), example = &"/hub/kubeconfig")]
    pub(crate) kubeconfig_file: Option<String>,
    /// Names and addresses by which Argo CD knows this cluster, beside `in-cluster` and
    /// `https://kubernetes.default.svc`; with `kubeconfigFile`, in their place.
    #[schemars(example = ["prod-eu", "https://10.0.0.1:6443"])]
    pub(crate) cluster_names: Vec<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DiscoverFlux {}

impl Default for DiscoverArgocd {
    fn default() -> Self {
        Self { namespace: "argocd".into(), kubeconfig_file: None, cluster_names: Vec::new() }
    }
}
