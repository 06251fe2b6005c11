//! Which HTTPS servers are trusted: those under the system's CAs, and under
//! those of a source's own `caFile`, for that source alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::error::FetchError;

/// A client that trusts the system's CAs, and the certificates of `ca_file` (its path and content).
pub(super) fn client_config(ca_file: Option<(PathBuf, Vec<u8>)>) -> Result<Arc<ClientConfig>, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_roots());
    let mut pinned = Vec::new();
    if let Some((file, pem)) = ca_file {
        let invalid = |reason: &str| FetchError::File { key: "caFile", file: file.clone(), reason: reason.to_owned() };
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| invalid("it is not PEM"))?;
            roots.add_parsable_certificates([certificate.clone()]);
            pinned.push(certificate);
        }
        if pinned.is_empty() {
            return Err(invalid("it has no certificate in PEM"));
        }
    }
    if roots.is_empty() {
        return Err(FetchError::File {
            key: "the system's CA certificates",
            file: SYSTEM_BUNDLES[0].into(),
            reason: "there are none; install ca-certificates, or set caFile or SSL_CERT_FILE".to_owned(),
        });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| FetchError::Tls(error.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinningVerifier { chain, pinned }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The system's CA certificates; those that cannot be read are skipped.
fn system_roots() -> Vec<CertificateDer<'static>> {
    let read = |file: &Path| -> Option<Vec<_>> { Some(CertificateDer::pem_file_iter(file).ok()?.flatten().collect()) };
    match std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        Some(file) => read(Path::new(&file)).unwrap_or_default(),
        None => SYSTEM_BUNDLES.iter().find_map(|file| read(Path::new(file))).unwrap_or_default(),
    }
}

/// Where systems keep all their CA certificates in one file.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The usual checks, except for a certificate that is itself in `caFile`: a
/// server in a small network often has a self-signed one, and the usual checks
/// take such a one for a CA's, which may not be a server's.
#[derive(Debug)]
struct PinningVerifier {
    chain: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for PinningVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.chain.verify_server_cert(certificate, intermediates, name, ocsp, now);
        if verified.is_ok() || !self.pinned.iter().any(|pinned| pinned == certificate) {
            return verified;
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed.validity();
        if now < validity.not_before.timestamp() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > validity.not_after.timestamp() {
            return Err(rustls::Error::InvalidCertificate(CertificateError::Expired));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
