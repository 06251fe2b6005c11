//! From PEM texts to what TLS serves with.

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
    /// Two PEM files, read again when they change.
    Files {
        /// The certificate, then what leads to its authority.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Held by the owner, who sends the next before this one ends.
    Held(watch::Receiver<Arc<ServingCertificate>>),
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file is missing or closed to us.
    #[error("failed to read {name}")]
    Read {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The text is not PEM.
    #[error("failed to parse {name} as PEM")]
    Pem {
        /// The file.
        name: String,
        /// What is wrong.
        source: pem::Error,
    },
    /// There is PEM, but no certificate in it.
    #[error("failed to find a certificate in {0}")]
    NoCertificate(String),
    /// There is PEM, but no private key in it.
    #[error("failed to find a private key in {0}")]
    NoKey(String),
    /// Each is well, but they are not of one pair.
    #[error("failed to pair {cert} with {key}: the key does not match the certificate")]
    Mismatch {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
    },
    /// TLS does not take the certificate or the key.
    #[error("failed to serve with {cert} and {key}")]
    Unusable {
        /// The certificate's file.
        cert: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        source: rustls::Error,
    },
    /// A client CA is no certificate that could be trusted.
    #[error("failed to trust a certificate of {name}")]
    ClientCa {
        /// The file.
        name: String,
        /// What is wrong.
        source: rustls::Error,
    },
    /// No verifier can be made of the client CAs.
    #[error("failed to verify clients by {name}")]
    ClientVerifier {
        /// The file.
        name: String,
        /// What is wrong.
        source: VerifierBuilderError,
    },
}

/// Where everything is that TLS serves with.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) certificate: CertificateSource,
    pub(super) client_ca: Option<PathBuf>,
}

/// A text and how errors call it.
struct Named {
    name: String,
    text: Vec<u8>,
}

/// What was read, before it is believed.
pub(super) struct Texts {
    cert: Named,
    key: Named,
    client_ca: Option<Named>,
}

/// What TLS serves with.
pub(super) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    /// Unix time at which the first certificate of the chain to end ends.
    pub(super) until: Option<i64>,
}

impl Origin {
    pub(super) async fn read(&mut self) -> Result<Texts, TlsError> {
        let (cert, key) = match &mut self.certificate {
            CertificateSource::Files { cert, key } => (file(cert).await?, file(key).await?),
            CertificateSource::Held(pair) => {
                let pair = pair.borrow_and_update().clone();
                let named = |name: &str, text: &str| Named { name: name.into(), text: text.into() };
                (named("the held certificate", &pair.cert), named("the held key", &pair.key))
            }
        };
        let client_ca = match &self.client_ca {
            Some(path) => Some(file(path).await?),
            None => None,
        };
        Ok(Texts { cert, key, client_ca })
    }

    /// Returns when the owner sends another pair; files say nothing.
    pub(super) async fn changed(&mut self) {
        if let CertificateSource::Held(pair) = &mut self.certificate
            && pair.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

async fn file(path: &PathBuf) -> Result<Named, TlsError> {
    let name = path.display().to_string();
    match tokio::fs::read(path).await {
        Ok(text) => Ok(Named { name, text }),
        Err(source) => Err(TlsError::Read { name, source }),
    }
}

impl Texts {
    /// Tells one content from another.
    pub(super) fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.cert.text.hash(&mut hasher);
        self.key.text.hash(&mut hasher);
        self.client_ca.as_ref().map(|ca| &ca.text).hash(&mut hasher);
        hasher.finish()
    }

    /// Believes the texts, or tells what is wrong with which.
    pub(super) fn identity(&self) -> Result<Identity, TlsError> {
        let Self { cert, key, client_ca } = self;
        let chain = cert.certificates()?;
        let until = chain.iter().filter_map(ends).min();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|source| self.unusable(source))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => builder.with_client_cert_verifier(ca.verifier(provider)?),
        };
        let mut config = builder.with_single_cert(chain, key.private_key()?).map_err(|source| self.unusable(source))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Identity { config: Arc::new(config), until })
    }

    fn unusable(&self, source: rustls::Error) -> TlsError {
        let (cert, key) = (self.cert.name.clone(), self.key.name.clone());
        if source == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            return TlsError::Mismatch { cert, key };
        }
        TlsError::Unusable { cert, key, source }
    }
}

impl Named {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| self.no_pem(source))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.name.clone()));
        }
        Ok(chain)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|source| match source {
            pem::Error::NoItemsFound => TlsError::NoKey(self.name.clone()),
            source => self.no_pem(source),
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

    fn no_pem(&self, source: pem::Error) -> TlsError {
        TlsError::Pem { name: self.name.clone(), source }
    }
}

fn ends(der: &CertificateDer<'_>) -> Option<i64> {
    let (_, cert) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(cert.validity().not_after.timestamp())
}
