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

/// Returns when the kubeconfig has another text than when this was called: what renews its credentials writes it anew. Never
/// returns without one.
pub(super) async fn kubeconfig_changed(kubeconfig: Option<&Path>) {
    let Some(file) = kubeconfig else { return std::future::pending().await };
    let before = tokio::fs::read(file).await.ok();
    loop {
        tokio::time::sleep(READ_AGAIN).await;
        let now = tokio::fs::read(file).await.ok();
        // One that is being replaced is missing for a moment; the old credentials may serve until then.
        if now.is_some() && now != before {
            tracing::info!(file = %file.display(), "Kubeconfig of Argo CD's cluster read anew");
            return;
        }
    }
}
