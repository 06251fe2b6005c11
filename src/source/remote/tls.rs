//! Whose certificates are believed: the system's authorities, and those of a
//! source's own `caFile`, for that source alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::error::FetchError;

/// The TLS of a connection whose server is believed by the system's authorities or those of `own`.
pub(super) fn client(own: Option<(PathBuf, Vec<u8>)>) -> Result<Arc<ClientConfig>, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system());
    let mut pinned = Vec::new();
    if let Some((file, pem)) = own {
        let bad = |reason: &str| FetchError::File { key: "caFile", file: file.clone(), reason: reason.to_owned() };
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| bad("it is no PEM of certificates"))?;
            roots.add_parsable_certificates([certificate.clone()]);
            pinned.push(certificate);
        }
        if pinned.is_empty() {
            return Err(bad("it has no certificate in PEM"));
        }
    }
    if roots.is_empty() {
        return Err(FetchError::File {
            key: "the system's authorities",
            file: FILES[0].into(),
            reason: "none are there; install ca-certificates, or give caFile or SSL_CERT_FILE".to_owned(),
        });
    }
    let failed = |reason: String| FetchError::Server { reason: format!("nothing yet: TLS cannot be set up: {reason}") };
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { chain, pinned }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The system's authorities; those that cannot be read are left out.
fn system() -> Vec<CertificateDer<'static>> {
    let read = |file: &Path| -> Option<Vec<_>> { Some(CertificateDer::pem_file_iter(file).ok()?.flatten().collect()) };
    match std::env::var_os("SSL_CERT_FILE").filter(|file| !file.is_empty()) {
        Some(file) => read(Path::new(&file)).unwrap_or_default(),
        None => FILES.iter().find_map(|file| read(Path::new(file))).unwrap_or_default(),
    }
}

/// Where systems keep all their authorities in one file.
const FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The usual checks, but for a certificate that stands in `caFile` itself: a
/// server in a small network often signs its own, and the usual checks take
/// such a one for an authority's, which may not serve.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let usual = self.chain.verify_server_cert(certificate, intermediates, name, ocsp, now);
        if usual.is_ok() || !self.pinned.iter().any(|pinned| pinned == certificate) {
            return usual;
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        let bad = |reason| rustls::Error::InvalidCertificate(reason);
        let (_, parsed) =
            x509_parser::parse_x509_certificate(certificate).map_err(|_| bad(rustls::CertificateError::BadEncoding))?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed.validity();
        match () {
            () if now < validity.not_before.timestamp() => Err(bad(rustls::CertificateError::NotValidYet)),
            () if now > validity.not_after.timestamp() => Err(bad(rustls::CertificateError::Expired)),
            () => Ok(ServerCertVerified::assertion()),
        }
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
