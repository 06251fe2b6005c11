//! The cluster that Argo CD runs in, where that is another one: reached by a kubeconfig.

use std::path::Path;
use std::time::Duration;

use kube::Client;

use super::kinds::APPLICATIONS;
use super::status::WatchStatus;
use crate::cluster::client_of_kubeconfig;
use crate::telemetry::LogChanges;

/// How long to wait before the kubeconfig is read again.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// A client of that cluster. Its kubeconfig may be there later than driftwall is.
pub(super) async fn connect(kubeconfig: &Path, states: &WatchStatus) -> Client {
    let mut problem = LogChanges::default();
    loop {
        match client_of_kubeconfig(kubeconfig).await {
            Ok(client) => return client,
            Err(error) => {
                let message = error.to_string();
                if problem.is_new(&message) {
                    tracing::error!(reason = %message, "Applications of Argo CD not found");
                }
                states.failed(APPLICATIONS.plural, message, false);
                tokio::time::sleep(READ_AGAIN).await;
            }
        }
    }
}
