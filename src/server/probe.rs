//! Dialing a webhook as the API server does, to see whether it would be trusted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Why the API server would not trust what is served.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The CAs are no PEM.
    #[error("failed to parse the registered caBundle as PEM: {0}")]
    Pem(#[from] pem::Error),
    /// The registered `caBundle` has no certificate, or one that cannot be trusted.
    #[error("failed to trust the registered caBundle: {0}")]
    Trust(rustls::Error),
    /// The name cannot be in a certificate.
    #[error("failed to dial {name}: {source}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        source: InvalidDnsNameError,
    },
    /// Nobody listens.
    #[error("failed to dial the webhook at {address}: {source}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate is not trusted, most often.
    #[error("failed to make a TLS connection to the webhook by the name {name}: {source}")]
    Handshake {
        /// The name.
        name: String,
        /// What is wrong.
        source: io::Error,
    },
    /// No answer.
    #[error("failed to make a TLS connection to the webhook within {0:?}")]
    Slow(Duration),
}

/// Longer than any API server waits.
const LONGEST: Duration = Duration::from_secs(10);

/// Makes a TLS connection to a webhook by a name, trusting exactly these CAs (PEM).
pub async fn probe(address: SocketAddr, server_name: &str, ca_pem: &str) -> Result<(), ProbeError> {
    let mut roots = RootCertStore::empty();
    for ca in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(ca?).map_err(ProbeError::Trust)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(ProbeError::Trust)?.with_root_certificates(roots).with_no_client_auth();
    let name = || server_name.to_owned();
    let dialed = ServerName::try_from(name()).map_err(|source| ProbeError::Name { name: name(), source })?;
    let handshake = async {
        let stream = TcpStream::connect(address).await.map_err(|source| ProbeError::Connect { address, source })?;
        let made = TlsConnector::from(Arc::new(config)).connect(dialed, stream).await;
        made.map(drop).map_err(|source| ProbeError::Handshake { name: name(), source })
    };
    timeout(LONGEST, handshake).await.unwrap_or(Err(ProbeError::Slow(LONGEST)))
}
