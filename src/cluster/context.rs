//! How to reach the API server, and driftwall's own place in the cluster.

use std::env;
use std::path::Path;
use std::time::Duration;

use kube::Client;

use super::kubeconfig::{ConnectError, ReadKubeconfig, client_in_cluster, config_in_cluster};

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
        let kubeconfig = if is_set("KUBECONFIG") { Some(ReadKubeconfig::from_env(None).await?) } else { None };
        let config = match &kubeconfig {
            Some(kubeconfig) => kubeconfig.config.clone(),
            None if is_set("KUBERNETES_SERVICE_HOST") => config_in_cluster()?,
            None => return Ok(None),
        };
        let client_of = |config| match &kubeconfig {
            Some(kubeconfig) => kubeconfig.client(config),
            None => client_in_cluster(config),
        };
        let client = client_of(config.clone())?;
        let namespace = config.default_namespace.clone();
        let mut lookup_config = config;
        lookup_config.read_timeout = Some(READ_TIMEOUT);
        lookup_config.reset_reader_on_write = true;
        // A review cannot wait for a second attempt.
        lookup_config.default_retry = false;
        let lookup_client = client_of(lookup_config)?;
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
    let kubeconfig = ReadKubeconfig::from_file(file).await?;
    kubeconfig.client(kubeconfig.config.clone())
}

/// A number that another process of the same name does not have.
fn random_suffix() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    let [a, b, c, d, ..] = RandomState::new().hash_one(std::process::id()).to_ne_bytes();
    u32::from_ne_bytes([a, b, c, d])
}
