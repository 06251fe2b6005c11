//! Dials the webhook as an API server does, to find out whether its certificate is trusted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::certs::{TrustError, client_config};

/// Why an API server could not call the webhook.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The registered `caBundle` cannot be used.
    #[error("failed to use the registered caBundle")]
    CaBundle(#[from] TrustError),
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
    let config = client_config(ca_pem)?;
    let name = || server_name.to_owned();
    let tls_name = ServerName::try_from(name()).map_err(|source| ProbeError::Name { name: name(), source })?;
    let handshake = async {
        let stream = TcpStream::connect(address).await.map_err(|source| ProbeError::Connect { address, source })?;
        match TlsConnector::from(Arc::new(config)).connect(tls_name, stream).await {
            Ok(_) => Ok(()),
            Err(source) => Err(ProbeError::Handshake { name: name(), source }),
        }
    };
    timeout(PROBE_TIMEOUT, handshake).await.unwrap_or(Err(ProbeError::TimedOut(PROBE_TIMEOUT)))
}
