//! driftwall's own certificate, in a Secret that all its replicas serve from.
//!
//! Every replica follows the Secret, and reports by a `Lease` of its own under
//! which CA it serves. The one that leads looks what comes next (see `plan`) and
//! writes it.

mod contents;
mod leader;
mod plan;
mod replicas;
mod secret;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::context::ClusterContext;
use super::webhook_config::RegisteredCa;
use crate::certs::ServingCertificate;

pub use plan::RotationTiming;
use replicas::ReplicaReports;
use secret::SecretStore;

/// What certificates are to be.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// What the installation is called: the Secret is called after it.
    pub service: String,
    /// What the webhook is called by.
    pub names: Vec<String>,
    /// How long a CA is valid.
    pub ca_validity: Duration,
    /// How long a serving certificate is valid.
    pub certificate_validity: Duration,
}

/// The certificates of an installation, and this replica's part in them.
pub struct CertificateManager {
    wanted: CertificateSpec,
    timing: RotationTiming,
    kept: SecretStore,
    replicas: ReplicaReports,
    pair: watch::Sender<Option<Arc<ServingCertificate>>>,
    bundle: watch::Sender<Option<String>>,
    /// What is missing until there is a pair.
    waiting_reason: watch::Sender<String>,
}

impl CertificateManager {
    /// Those of driftwall's namespace; nothing happens before [`CertificateManager::run`].
    pub fn new(home: &ClusterContext, wanted: CertificateSpec, timing: RotationTiming) -> Self {
        Self {
            timing,
            kept: SecretStore::new(home, format!("{}-certificates", wanted.service)),
            replicas: ReplicaReports::new(home, &wanted.service, timing),
            wanted,
            pair: watch::Sender::new(None),
            bundle: watch::Sender::new(None),
            waiting_reason: watch::Sender::new("the API server has not answered yet".to_owned()),
        }
    }

    /// What is to be served; none until there is something.
    pub fn pair(&self) -> watch::Receiver<Option<Arc<ServingCertificate>>> {
        self.pair.subscribe()
    }

    /// What is to be registered as `caBundle`, as PEM.
    pub fn bundle(&self) -> watch::Receiver<Option<String>> {
        self.bundle.subscribe()
    }

    /// What a replica waits for that has nothing to serve.
    pub fn waiting_reason(&self) -> String {
        self.waiting_reason.borrow().clone()
    }

    /// The Secret's name.
    pub fn secret(&self) -> &str {
        &self.kept.name
    }

    /// Follows the Secret, reports, and renews while this replica `leads`, for
    /// ever. `registered` is the `caBundle` that API servers have.
    pub async fn run(&self, leads: watch::Receiver<bool>, registered: watch::Receiver<RegisteredCa>) -> Infallible {
        tokio::select! {
            never = self.kept.follow(&self.waiting_reason) => never,
            never = self.publish() => never,
            never = self.replicas.report(self.pair()) => never,
            never = self.lead(leads, registered) => never,
        }
    }

    /// Takes this replica's report away: it serves no more.
    pub async fn withdraw_report(&self) {
        self.replicas.withdraw().await;
    }

    /// Serves and tells what the Secret holds. A Secret that holds nothing to
    /// serve changes nothing for who serves already.
    async fn publish(&self) -> Infallible {
        let mut found = self.kept.found();
        loop {
            let contents = found.borrow_and_update().contents();
            if let Some(contents) = contents {
                match contents.pair() {
                    Some(pair) => {
                        let is_other = |now: &mut Option<Arc<ServingCertificate>>| {
                            let is_other = now.as_ref().is_none_or(|now| now.cert != pair.cert);
                            if is_other {
                                *now = Some(Arc::clone(&pair));
                            }
                            is_other
                        };
                        self.pair.send_if_modified(is_other);
                    }
                    None => {
                        self.waiting_reason.send_replace("the replica that leads has not made it yet".to_owned());
                    }
                }
                let bundle = contents.bundle();
                if bundle.is_some() {
                    self.bundle.send_if_modified(|now| std::mem::replace(now, bundle.clone()) != bundle);
                }
            }
            if found.changed().await.is_err() {
                // The sender lives in this very object.
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
