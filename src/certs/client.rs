//! The TLS settings of a client that trusts given CAs.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};

/// Why CAs cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The text is not PEM.
    #[error("failed to parse the CAs as PEM")]
    Pem(#[from] pem::Error),
    /// A certificate is not usable as a trust anchor.
    #[error("failed to trust the CAs")]
    Rejected(#[from] rustls::Error),
}

/// The TLS settings of a client that trusts exactly these CAs (PEM).
pub fn client_config(ca_pem: &str) -> Result<ClientConfig, TrustError> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(ca?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
