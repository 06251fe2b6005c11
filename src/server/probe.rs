//! Dials the webhook as an API server does, to find out whether its certificate is trusted.

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

/// Why an API server could not call the webhook.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The registered `caBundle` is not PEM.
    #[error("failed to parse the registered caBundle as PEM")]
    Pem(#[from] pem::Error),
    /// A certificate of the registered `caBundle` is not usable as a trust anchor.
    #[error("failed to trust the registered caBundle")]
    Trust(#[source] rustls::Error),
    /// The name is neither a DNS name nor an IP address.
    #[error("failed to dial {name}")]
    Name {
        /// The name.
        name: String,
        /// The reason.
        source: InvalidDnsNameError,
    },
    /// No TCP connection.
    #[error("failed to connect to the webhook at {address}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// No TLS connection, most often because the certificate is not trusted.
    #[error("failed to make a TLS connection to the webhook by the name {name}")]
    Handshake {
        /// The name.
        name: String,
        /// The reason.
        source: io::Error,
    },
    /// No TLS connection in time.
    #[error("failed to make a TLS connection to the webhook within {0:?}")]
    TimedOut(Duration),
}

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

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
    let tls_name = ServerName::try_from(name()).map_err(|source| ProbeError::Name { name: name(), source })?;
    let handshake = async {
        let stream = TcpStream::connect(address).await.map_err(|source| ProbeError::Connect { address, source })?;
        let connected = TlsConnector::from(Arc::new(config)).connect(tls_name, stream).await;
        connected.map(drop).map_err(|source| ProbeError::Handshake { name: name(), source })
    };
    timeout(PROBE_TIMEOUT, handshake).await.unwrap_or(Err(ProbeError::TimedOut(PROBE_TIMEOUT)))
}
