//! The TLS settings of a client that trusts given CAs.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

/// Why CAs cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The text is not PEM.
    #[error("failed to parse the CAs as PEM")]
    Pem(#[from] pem::Error),
    /// A certificate is not usable as a trust anchor, or the client's own does not fit its key.
    #[error("failed to trust the CAs")]
    Rejected(#[from] rustls::Error),
}

/// The TLS settings of a client that trusts exactly these CAs (PEM).
pub fn client_config(ca_pem: &str) -> Result<ClientConfig, TrustError> {
    Ok(trusting(ca_pem)?.with_no_client_auth())
}

/// The same for a client that has a certificate itself: its chain and its key, both PEM.
pub fn mutual_client_config(ca_pem: &str, cert_pem: &str, key_pem: &str) -> Result<ClientConfig, TrustError> {
    let chain = CertificateDer::pem_slice_iter(cert_pem.as_bytes()).collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())?;
    Ok(trusting(ca_pem)?.with_client_auth_cert(chain, key)?)
}

fn trusting(ca_pem: &str) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TrustError> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(ca?)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots))
}
