//! The certificates of the renderer: the one that it serves with, and the one by which
//! driftwall shows it who it is. The leader keeps each in a Secret of its own, signed by
//! driftwall's CA, whose key the renderer never has.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::contents::CertificateContents;
use super::{CertificateManager, CertificateSpec};
use crate::certs::{Certificate, CertsError, ServingCertificate};
use crate::cluster::FIELD_MANAGER;
use crate::cluster::api_error::{ApiError, none_if_not_found, with_timeout};
use crate::cluster::context::ClusterContext;
use crate::telemetry::LogChanges;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it takes at most until every pod has read a changed Secret from its volume: the
/// kubelet looks every minute, at what it may have kept for another. Until then nothing is
/// signed by a new CA, and for as long again the one before it stays trusted.
const SETTLING_SECONDS: i64 = 300;
/// By this name driftwall's own certificate shows who it is.
const CLIENT_NAME: &str = "driftwall";

/// The Secrets of the renderer and of its client.
pub(super) struct RendererSecrets {
    api: Api<Secret>,
    parts: [Part; 2],
    validity: Duration,
}

/// One of both certificates.
struct Part {
    /// The name of its Secret.
    secret: String,
    /// The name in the certificate.
    name: String,
    is_client: bool,
}

#[derive(Debug, thiserror::Error)]
enum RendererSecretError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Certs(#[from] CertsError),
}

impl RendererSecrets {
    /// `None` where there is no renderer.
    pub(super) fn new(context: &ClusterContext, spec: &CertificateSpec) -> Option<Self> {
        let part = |suffix, name: &str, is_client| Part {
            secret: format!("{}-{suffix}", spec.service),
            name: name.to_owned(),
            is_client,
        };
        Some(Self {
            api: Api::namespaced(context.client.clone(), &context.namespace),
            parts: [part("renderer", spec.renderer.as_ref()?, false), part("renderer-client", CLIENT_NAME, true)],
            validity: spec.certificate_validity,
        })
    }

    async fn keep(&self, contents: &CertificateContents, now: i64) -> Result<(), RendererSecretError> {
        for part in &self.parts {
            let get = with_timeout(REQUEST_TIMEOUT, self.api.get(&part.secret));
            let secret = none_if_not_found(get.await)?;
            let current = secret.as_ref().map(read).unwrap_or_default();
            if let Some(wanted) = self.wanted(part, &current, contents, now)? {
                let is_issued = wanted.cert != current.cert;
                self.write(part, secret.as_ref(), wanted).await?;
                if is_issued {
                    tracing::info!(secret = %part.secret, "Certificate of the renderer issued");
                }
            }
        }
        Ok(())
    }

    /// What a Secret should hold; `None` where it does, or there is no CA yet.
    fn wanted(
        &self,
        part: &Part,
        current: &Pair,
        contents: &CertificateContents,
        now: i64,
    ) -> Result<Option<Pair>, CertsError> {
        let (Some(newest), Some(signing)) = (contents.cas().first(), contents.signing_ca(0)) else { return Ok(None) };
        let newest_age = now - newest.issued_at;
        let known = Certificate::parse_pem(&current.ca).unwrap_or_default();
        let mut trusted = contents.cas().to_vec();
        if newest_age < 2 * SETTLING_SECONDS {
            let is_other = |ca: &&Certificate| ca.is_ca && ca.expires_at > now && !contents.cas().contains(ca);
            trusted.extend(known.iter().filter(is_other).cloned());
        }
        let ca: String = trusted.iter().map(Certificate::to_pem).collect();

        let leaf = Certificate::parse_pem(&current.cert).unwrap_or_default().into_iter().next();
        let leaf = leaf
            .filter(|leaf| leaf.expires_at > now && leaf.names.contains(&part.name) && leaf.is_of_key(&current.key));
        let stays = match leaf {
            Some(leaf) if leaf.is_signed_by(newest) => (leaf.expires_at - now) * 3 >= leaf.expires_at - leaf.issued_at,
            Some(leaf) => newest_age < SETTLING_SECONDS && trusted.iter().any(|ca| leaf.is_signed_by(ca)),
            None => false,
        };
        if stays {
            let is_same = ca == current.ca;
            return Ok((!is_same).then(|| Pair { ca, ..current.clone() }));
        }
        let issued = if part.is_client {
            signing.issue_client(&part.name, self.validity)?
        } else {
            signing.issue(std::slice::from_ref(&part.name), self.validity)?
        };
        let ServingCertificate { cert, key, .. } = issued;
        Ok(Some(Pair { ca, cert, key }))
    }

    /// By a patch, since a patch names the object, and so the right to it can be limited to that name.
    async fn write(&self, part: &Part, existing: Option<&Secret>, wanted: Pair) -> Result<(), ApiError> {
        let Pair { ca, cert, key } = wanted;
        let bytes = |text: String| ByteString(text.into_bytes());
        // The type of a Secret cannot be changed.
        let kind = existing.and_then(|secret| secret.type_.as_deref()).unwrap_or("kubernetes.io/tls");
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": part.secret, "labels": {"app.kubernetes.io/name": "driftwall"}},
            "data": {CA: bytes(ca), CERT: bytes(cert), KEY: bytes(key)},
        });
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(secret);
        with_timeout(REQUEST_TIMEOUT, self.api.patch(&part.secret, &parameters, &patch)).await?;
        Ok(())
    }
}

impl CertificateManager {
    /// Keeps the certificates of the renderer, if there is one, while this replica leads; never returns.
    pub(super) async fn keep_renderer_secrets(&self, mut is_leader: watch::Receiver<bool>) -> Infallible {
        let Some(renderer) = &self.renderer else { return std::future::pending().await };
        let mut secret = self.store.state();
        let mut problem = LogChanges::default();
        loop {
            let contents = secret.borrow_and_update().contents();
            if *is_leader.borrow_and_update()
                && let Some(contents) = contents
            {
                match renderer.keep(&contents, Timestamp::now().as_second()).await {
                    Ok(()) => {
                        problem.recovered();
                    }
                    Err(error) => {
                        if problem.is_new(&error.to_string()) {
                            tracing::error!(%error, "Failed to renew the certificates of the renderer");
                        }
                    }
                }
            }
            let changed = async {
                // A channel whose sender is gone does not change any more; the timeout ends the wait.
                tokio::select! {
                    Ok(()) = is_leader.changed() => {}
                    Ok(()) = secret.changed() => {}
                    else => std::future::pending().await,
                }
            };
            let _ = timeout(self.timing.report_interval, changed).await;
        }
    }
}

const CA: &str = "ca.crt";
const CERT: &str = "tls.crt";
const KEY: &str = "tls.key";

/// What a Secret holds, PEM; empty where it is missing. No `Debug`: it has a key.
#[derive(Clone, Default)]
struct Pair {
    ca: String,
    cert: String,
    key: String,
}

fn read(secret: &Secret) -> Pair {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).unwrap_or_default()
    };
    Pair { ca: text(CA), cert: text(CERT), key: text(KEY) }
}

#[cfg(test)]
mod tests;
