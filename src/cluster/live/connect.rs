//! The way to the API server.

use std::env;
use std::time::Duration;

use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use tokio::runtime::Handle;

use super::Live;

/// A cluster that should be reached, and cannot.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file that `KUBECONFIG` names is not usable.
    #[error("failed to use the file that KUBECONFIG names: {0}")]
    File(#[from] kube::config::KubeconfigError),
    /// There is no service account to be.
    #[error("failed to use the pod's service account: {0}")]
    Pod(#[from] kube::config::InClusterError),
    /// The settings do not make a client.
    #[error("failed to make a client of the cluster: {0}")]
    Client(#[from] Box<kube::Error>),
}

/// Longer than any look-up: it ends connections to an API server that is gone.
const SILENCE: Duration = Duration::from_secs(30);

impl Live {
    /// The cluster that the environment names, by `KUBECONFIG` or by being a pod
    /// in it; `None` where it names none. Must be called on a runtime.
    pub async fn find() -> Result<Option<Self>, ConnectError> {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let mut config = if is_set("KUBECONFIG") {
            Config::from_kubeconfig(&KubeConfigOptions::default()).await?
        } else if is_set("KUBERNETES_SERVICE_HOST") {
            Config::incluster_env()?
        } else {
            return Ok(None);
        };
        config.read_timeout = Some(SILENCE);
        config.reset_reader_on_write = true;
        // A review cannot wait for a second try.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(Box::new)?;
        Ok(Some(Self::new(client, Handle::current())))
    }
}
