//! Creates certificate authorities and serving certificates.
//!
//! For first steps, the demo and tests, [`generate`] drops the CA's key as soon as it
//! has signed, so that nothing else can ever be signed with it. A
//! [`CertificateAuthority`] keeps its key, to sign again.

mod authority;
mod client;
mod handshake;
mod inspect;

use std::fmt;
use std::time::Duration;

pub use authority::CertificateAuthority;
pub use client::{TrustError, client_config, mutual_client_config};
pub(crate) use handshake::{certificate_failure, handshake_failure};
pub use inspect::{Certificate, InspectError};

/// Certificates are valid from this long before they are issued: the clocks of a cluster's nodes differ.
const BACKDATED: Duration = Duration::from_hours(1);

/// A serving certificate with its key and its CA, each PEM.
#[derive(Clone)]
pub struct ServingCertificate {
    /// The CA's certificate, which clients must trust.
    pub ca: String,
    /// The serving certificate.
    pub cert: String,
    /// The key of the serving certificate.
    pub key: String,
}

/// Keeps the key out of logs and of failed assertions.
impl fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate").field("ca", &self.ca).field("cert", &self.cert).finish_non_exhaustive()
    }
}

/// A certificate could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// There is no name: no client would accept such a certificate.
    #[error("failed to create a certificate: it needs at least one DNS name or IP address")]
    NoName,
    /// A name is neither a DNS name nor an IP address.
    #[error(
        "failed to create a certificate: `{name}` is neither a DNS name nor an IP address; write one such as \
         driftwall.driftwall.svc",
        name = .0.escape_debug()
    )]
    InvalidName(String),
    /// The number of days is zero, or leads to a date that X.509 cannot express.
    #[error("failed to create a certificate that is valid for {0} days")]
    InvalidDays(u32),
    /// The validity is zero, or leads to a date that X.509 cannot express.
    #[error("failed to create a certificate that is valid for {0:?}")]
    InvalidValidity(Duration),
    /// The CA's key is not there.
    #[error("failed to create a certificate: the CA's key is missing")]
    NoKey,
    /// The cryptography library reports an error.
    #[error("failed to create a certificate")]
    Crypto(#[from] rcgen::Error),
}

/// Creates a CA and a serving certificate (ECDSA P-256) for `names`.
///
/// A name that reads as an IP address becomes an IP entry. Both certificates expire at
/// the same time, so that one date says it all.
pub fn generate(names: &[String], valid_days: u32) -> Result<ServingCertificate, CertsError> {
    with_new_ca(valid_days, |ca, validity| ca.issue(names, validity))
}

/// The same, and a client certificate of the same CA.
pub fn generate_with_client(
    names: &[String],
    valid_days: u32,
) -> Result<(ServingCertificate, ServingCertificate), CertsError> {
    with_new_ca(valid_days, |ca, validity| Ok((ca.issue(names, validity)?, ca.issue_client("driftwall", validity)?)))
}

fn with_new_ca<T>(
    valid_days: u32,
    issue: impl FnOnce(&CertificateAuthority, Duration) -> Result<T, CertsError>,
) -> Result<T, CertsError> {
    let validity = Duration::from_hours(24) * valid_days;
    let in_days = |error| match error {
        CertsError::InvalidValidity(_) => CertsError::InvalidDays(valid_days),
        other => other,
    };
    let ca = CertificateAuthority::generate(validity).map_err(in_days)?;
    issue(&ca, validity).map_err(in_days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_generated_certificate_has_its_names_and_usages() {
        let pair = generate(&names(&["driftwall.ops.svc", "127.0.0.1", "::1"]), 30).unwrap();
        let pem = x509_parser::pem::parse_x509_pem(pair.cert.as_bytes()).unwrap().1;
        let cert = pem.parse_x509().unwrap();
        let sans: Vec<String> = cert
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(sans.len(), 3, "{sans:?}");
        assert!(sans[0].contains("driftwall.ops.svc"), "{sans:?}");
        assert!(sans[1].contains("IPAddress"), "{sans:?}");
        assert!(sans[2].contains("IPAddress"), "{sans:?}");
        assert!(!cert.is_ca());
        let usages = cert.extended_key_usage().unwrap().unwrap().value;
        assert!(usages.server_auth && !usages.client_auth);

        let pem = x509_parser::pem::parse_x509_pem(pair.ca.as_bytes()).unwrap().1;
        let ca = pem.parse_x509().unwrap();
        assert!(ca.is_ca());
        assert_eq!(ca.subject(), cert.issuer());
        assert_eq!(ca.validity().not_after, cert.validity().not_after);
    }

    #[test]
    fn invalid_names_and_days_are_refused() {
        assert!(matches!(generate(&[], 30), Err(CertsError::NoName)));
        for bad in ["", "a b", "-x", "a..b", "http://a"] {
            let result = generate(&names(&[bad]), 30);
            assert!(matches!(result, Err(CertsError::InvalidName(_))), "{bad:?}");
        }
        for days in [0, u32::MAX] {
            let result = generate(&names(&["a"]), days);
            assert!(matches!(result, Err(CertsError::InvalidDays(_))), "{days}");
        }
        assert!(generate(&names(&["*.ops.svc"]), 1).is_ok());
    }

    #[test]
    fn debug_shows_no_key() {
        let pair = generate(&names(&["a"]), 1).unwrap();
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }
}
