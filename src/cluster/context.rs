//! How to reach the API server, and driftwall's own place in the cluster.

use std::env;
use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A cluster should be reached and cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig is not usable: the file that `KUBECONFIG` names, or the one in the home folder.
    #[error("failed to use the kubeconfig (KUBECONFIG names another): {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The pod has no service account.
    #[error("failed to use the pod's service account: {0}")]
    ServiceAccount(#[from] kube::config::InClusterError),
    /// No client can be built from the settings.
    #[error("failed to make a client of the cluster: {0}")]
    Client(#[from] Box<kube::Error>),
}

/// Ends connections to an API server that is gone. Longer than any look-up takes.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A cluster, and driftwall's place in it.
#[derive(Clone)]
pub struct ClusterContext {
    /// For look-ups that a review waits for: does not retry.
    pub(super) lookup_client: Client,
    /// For background work and watches.
    pub(super) client: Client,
    /// The namespace of driftwall's own objects.
    pub(super) namespace: String,
    /// Tells this replica from the others and from earlier ones.
    pub(super) identity: String,
}

impl ClusterContext {
    /// The cluster that the environment names: by `KUBECONFIG`, or because the
    /// program runs in one of its pods. `None` where the environment names none.
    /// Must be called on a Tokio runtime.
    pub async fn from_env() -> Result<Option<Self>, ConnectError> {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let config = if is_set("KUBECONFIG") {
            Config::from_kubeconfig(&KubeConfigOptions::default()).await?
        } else if is_set("KUBERNETES_SERVICE_HOST") {
            Config::incluster_env()?
        } else {
            return Ok(None);
        };
        let client = Client::try_from(config.clone()).map_err(Box::new)?;
        let namespace = config.default_namespace.clone();
        let mut lookup_config = config;
        lookup_config.read_timeout = Some(READ_TIMEOUT);
        lookup_config.reset_reader_on_write = true;
        // A review cannot wait for a second attempt.
        lookup_config.default_retry = false;
        let lookup_client = Client::try_from(lookup_config).map_err(Box::new)?;
        let pod = env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        let identity = format!("{}-{:08x}", pod.as_deref().unwrap_or("driftwall"), random_suffix());
        Ok(Some(Self { lookup_client, client, namespace, identity }))
    }

    /// The client for watches.
    pub(crate) fn watch_client(&self) -> Client {
        self.client.clone()
    }

    /// The namespace of driftwall's own objects.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// A client of the cluster that a kubeconfig names by its current context.
pub(crate) async fn client_of_kubeconfig(file: &Path) -> Result<Client, ConnectError> {
    let kubeconfig = Kubeconfig::read_from(file)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config).map_err(Box::new)?)
}

/// A number that another process of the same name does not have.
fn random_suffix() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    let [a, b, c, d, ..] = RandomState::new().hash_one(std::process::id()).to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}
