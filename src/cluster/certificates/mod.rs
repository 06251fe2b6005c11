//! driftwall's own certificate, in a Secret that all its replicas serve from.
//!
//! Every replica watches the Secret and reports, by a `Lease` of its own, under which
//! CA it serves. The leader decides what comes next (see `rotation`) and writes it.

mod contents;
mod leader;
mod renderer;
mod rotation;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::context::ClusterContext;
use super::replica_reports::ReplicaReports;
use super::secret_store::SecretStore;
use super::webhook_config::RegisteredCa;
use crate::certs::{Certificate, ServingCertificate};

use contents::CertificateContents;
use renderer::RendererSecrets;
pub use rotation::RotationTiming;

/// What certificates are to be like.
#[derive(Clone, Debug)]
pub struct CertificateSpec {
    /// The name of the installation: the Secret is named after it.
    pub service: String,
    /// The names by which API servers call the webhook.
    pub names: Vec<String>,
    /// How long a CA is valid.
    pub ca_validity: Duration,
    /// How long a serving certificate is valid.
    pub certificate_validity: Duration,
    /// The name by which driftwall reaches its renderer, if that has certificates of this CA.
    pub renderer: Option<String>,
}

/// Manages the certificates of an installation, as one of its replicas.
pub struct CertificateManager {
    spec: CertificateSpec,
    timing: RotationTiming,
    store: SecretStore<CertificateContents>,
    reports: Arc<ReplicaReports>,
    renderer: Option<RendererSecrets>,
    serving: watch::Sender<Option<Arc<ServingCertificate>>>,
    ca_bundle: watch::Sender<Option<String>>,
    /// What is missing while there is nothing to serve with.
    waiting_reason: watch::Sender<String>,
}

impl CertificateManager {
    /// Certificates in driftwall's namespace; nothing happens before [`CertificateManager::run`].
    pub fn new(
        context: &ClusterContext,
        spec: CertificateSpec,
        timing: RotationTiming,
        reports: Arc<ReplicaReports>,
    ) -> Self {
        Self {
            timing,
            store: SecretStore::new(context, format!("{}-certificates", spec.service)),
            reports,
            renderer: RendererSecrets::new(context, &spec),
            spec,
            serving: watch::Sender::new(None),
            ca_bundle: watch::Sender::new(None),
            waiting_reason: watch::Sender::new("the API server has not answered yet".to_owned()),
        }
    }

    /// The certificate to serve with; `None` until there is one.
    pub fn serving_certificate(&self) -> watch::Receiver<Option<Arc<ServingCertificate>>> {
        self.serving.subscribe()
    }

    /// The `caBundle` to register, PEM; `None` until there is a CA.
    pub fn ca_bundle(&self) -> watch::Receiver<Option<String>> {
        self.ca_bundle.subscribe()
    }

    /// Why there is no certificate to serve with yet.
    pub fn waiting_reason(&self) -> String {
        self.waiting_reason.borrow().clone()
    }

    /// The name of the Secret.
    pub fn secret_name(&self) -> &str {
        &self.store.name
    }

    /// Watches the Secret, reports, and renews the certificates while this replica leads;
    /// never returns. `registered` is the `caBundle` that API servers have.
    pub async fn run(&self, is_leader: watch::Receiver<bool>, registered: watch::Receiver<RegisteredCa>) -> Infallible {
        tokio::select! {
            never = self.store.watch(&self.waiting_reason) => never,
            never = self.publish() => never,
            never = self.keep_renderer_secrets(is_leader.clone()) => never,
            never = self.run_as_leader(is_leader, registered) => never,
        }
    }

    /// Publishes what the Secret holds; never returns. A Secret without a usable
    /// certificate changes nothing for a replica that serves already.
    async fn publish(&self) -> Infallible {
        let mut state = self.store.state();
        loop {
            let contents = state.borrow_and_update().contents();
            if let Some(contents) = contents {
                match contents.serving_certificate() {
                    Some(new) => {
                        let ca = ca_fingerprint(&new);
                        self.serving.send_if_modified(|current| {
                            let is_new = current.as_ref().is_none_or(|current| current.cert != new.cert);
                            if is_new {
                                *current = Some(new);
                            }
                            is_new
                        });
                        self.reports.set(|report| report.ca = ca);
                    }
                    None => {
                        self.waiting_reason.send_replace("the leader has not created it yet".to_owned());
                    }
                }
                if let Some(bundle) = contents.ca_bundle() {
                    self.ca_bundle.send_if_modified(|current| {
                        let is_new = current.as_ref() != Some(&bundle);
                        *current = Some(bundle);
                        is_new
                    });
                }
            }
            if state.changed().await.is_err() {
                // Cannot happen: the sender is a part of this object.
                std::future::pending::<()>().await;
            }
        }
    }
}

fn ca_fingerprint(serving: &ServingCertificate) -> Option<String> {
    Certificate::parse_pem(&serving.ca).ok()?.into_iter().next().map(|ca| ca.fingerprint)
}

#[cfg(test)]
mod tests;
