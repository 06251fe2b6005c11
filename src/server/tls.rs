//! Makes the TLS configuration from PEM files.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use tokio::sync::watch;

use crate::certs::ServingCertificate;

/// Where the serving certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// Two PEM files, reloaded when they change.
    Files {
        /// The certificate, followed by its intermediate CAs.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Managed by the program, which sends a new pair before the current one expires.
    Managed(watch::Receiver<Arc<ServingCertificate>>),
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("failed to read {name}")]
    Read {
        /// The file.
        name: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The file is not PEM.
    #[error("failed to parse {name} as PEM")]
    Pem {
        /// The file.
        name: String,
        /// The reason.
        source: pem::Error,
    },
    /// The PEM holds no certificate.
    #[error("failed to find a certificate in {0}")]
    NoCertificate(String),
    /// The PEM holds no private key.
    #[error("failed to find a private key in {0}")]
    NoKey(String),
    /// Each is valid, but they do not belong together.
    #[error("failed to pair {cert} with {key}: the key does not match the certificate")]
    Mismatch {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
    },
    /// The TLS library rejects the certificate or the key.
    #[error("failed to serve with {cert} and {key}")]
    Rejected {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
        /// The reason.
        source: rustls::Error,
    },
    /// A client CA is not usable as a trust anchor.
    #[error("failed to trust a certificate in {name}")]
    ClientCa {
        /// The file.
        name: String,
        /// The reason.
        source: rustls::Error,
    },
    /// The TLS library cannot verify clients by these CAs.
    #[error("failed to verify clients by the CAs in {name}")]
    ClientVerifier {
        /// The file.
        name: String,
        /// The reason.
        source: VerifierBuilderError,
    },
}

/// Where the certificate and the client CAs come from.
#[derive(Clone, Debug)]
pub(super) struct TlsSource {
    pub(super) certificate: CertificateSource,
    pub(super) client_ca: Option<PathBuf>,
}

/// A PEM file's content, and its name in errors.
struct PemFile {
    name: String,
    content: Vec<u8>,
}

/// The files as they were read, not yet validated.
pub(super) struct PemFiles {
    cert: PemFile,
    key: PemFile,
    client_ca: Option<PemFile>,
}

/// A validated certificate and key, ready to serve with.
pub(super) struct TlsIdentity {
    pub(super) config: Arc<ServerConfig>,
    /// When the first certificate of the chain expires, in Unix time.
    pub(super) expiry: Option<i64>,
}

impl TlsSource {
    pub(super) async fn read(&mut self) -> Result<PemFiles, TlsError> {
        let (cert, key) = match &mut self.certificate {
            CertificateSource::Files { cert, key } => (read_file(cert).await?, read_file(key).await?),
            CertificateSource::Managed(pair) => {
                let pair = pair.borrow_and_update().clone();
                let managed = |name: &str, pem: &str| PemFile { name: name.into(), content: pem.into() };
                (managed("the managed certificate", &pair.cert), managed("the managed key", &pair.key))
            }
        };
        let client_ca = match &self.client_ca {
            Some(path) => Some(read_file(path).await?),
            None => None,
        };
        Ok(PemFiles { cert, key, client_ca })
    }

    /// Completes when a managed pair is replaced. For files it never does: they are polled.
    pub(super) async fn changed(&mut self) {
        if let CertificateSource::Managed(pair) = &mut self.certificate
            && pair.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

async fn read_file(path: &PathBuf) -> Result<PemFile, TlsError> {
    let name = path.display().to_string();
    match tokio::fs::read(path).await {
        Ok(content) => Ok(PemFile { name, content }),
        Err(source) => Err(TlsError::Read { name, source }),
    }
}

impl PemFiles {
    /// Differs whenever the contents differ.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.cert.content.hash(&mut hasher);
        self.key.content.hash(&mut hasher);
        self.client_ca.as_ref().map(|ca| &ca.content).hash(&mut hasher);
        hasher.finish()
    }

    /// Validates the files and makes the TLS configuration.
    pub(super) fn identity(&self) -> Result<TlsIdentity, TlsError> {
        let Self { cert, key, client_ca } = self;
        let chain = cert.certificates()?;
        let expiry = chain.iter().filter_map(not_after).min();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|source| self.rejected(source))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => builder.with_client_cert_verifier(ca.verifier(provider)?),
        };
        let mut config = builder.with_single_cert(chain, key.private_key()?).map_err(|source| self.rejected(source))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsIdentity { config: Arc::new(config), expiry })
    }

    fn rejected(&self, source: rustls::Error) -> TlsError {
        let (cert, key) = (self.cert.name.clone(), self.key.name.clone());
        if source == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            return TlsError::Mismatch { cert, key };
        }
        TlsError::Rejected { cert, key, source }
    }
}

impl PemFile {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| self.invalid_pem(source))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.name.clone()));
        }
        Ok(chain)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.content).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey(self.name.clone()),
            source => self.invalid_pem(source),
        })
    }

    fn verifier(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for ca in self.certificates()? {
            roots.add(ca).map_err(|source| TlsError::ClientCa { name: self.name.clone(), source })?;
        }
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|source| TlsError::ClientVerifier { name: self.name.clone(), source })
    }

    fn invalid_pem(&self, source: pem::Error) -> TlsError {
        TlsError::Pem { name: self.name.clone(), source }
    }
}

fn not_after(der: &CertificateDer<'_>) -> Option<i64> {
    let (_, cert) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(cert.validity().not_after.timestamp())
}
