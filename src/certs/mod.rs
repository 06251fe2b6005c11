//! Certificate authorities and serving certificates, made on the spot.
//!
//! For the first steps, the demo and the tests, [`generate`] throws the authority's
//! key away as soon as it has signed, so nothing else can ever be signed by it.
//! An [`CertificateAuthority`] keeps its key, to sign again.

mod authority;
mod client;
mod inspect;

use std::fmt;
use std::time::Duration;

pub use authority::CertificateAuthority;
pub use client::{TrustError, client_config};
pub use inspect::{Certificate, InspectError};

/// What is made is valid from this long ago: the clocks of a cluster's nodes differ.
const BACKDATED: Duration = Duration::from_hours(1);

/// What [`generate`] makes, as PEM texts.
#[derive(Clone)]
pub struct ServingCertificate {
    /// The authority's certificate: what a client must trust.
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

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// No name was given: no client would accept such a certificate.
    #[error("failed to make a certificate: it needs at least one DNS name or IP address")]
    NoName,
    /// A name is neither a DNS name nor an IP address.
    #[error("failed to make a certificate: {0:?} is neither a DNS name nor an IP address")]
    Name(String),
    /// The certificate would end before it begins, or after the calendar.
    #[error("failed to make a certificate that is valid for {0} days")]
    Days(u32),
    /// The certificate would end before it begins, after the calendar, or after its authority.
    #[error("failed to make a certificate that is valid for {0:?}")]
    Life(Duration),
    /// An authority whose key is not there.
    #[error("failed to make a certificate: the authority's key is missing")]
    NoKey,
    /// The cryptography refused.
    #[error("failed to make a certificate")]
    Sign(#[from] rcgen::Error),
}

/// Makes an authority and a serving certificate (ECDSA P-256) for `names`.
///
/// A name that reads as an IP address becomes an IP entry. Both certificates
/// end together, so that one expiry date says all.
pub fn generate(names: &[String], valid_days: u32) -> Result<ServingCertificate, CertsError> {
    let life = Duration::from_hours(24) * valid_days;
    let of_days = |error| match error {
        CertsError::Life(_) => CertsError::Days(valid_days),
        other => other,
    };
    let authority = CertificateAuthority::generate(life).map_err(of_days)?;
    authority.sign(names, life).map_err(of_days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_made_carries_its_names_and_uses() {
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
        let uses = cert.extended_key_usage().unwrap().unwrap().value;
        assert!(uses.server_auth && !uses.client_auth);

        let pem = x509_parser::pem::parse_x509_pem(pair.ca.as_bytes()).unwrap().1;
        let ca = pem.parse_x509().unwrap();
        assert!(ca.is_ca());
        assert_eq!(ca.subject(), cert.issuer());
        assert_eq!(ca.validity().not_after, cert.validity().not_after);
    }

    #[test]
    fn names_and_days_that_cannot_work_are_refused() {
        assert!(matches!(generate(&[], 30), Err(CertsError::NoName)));
        for bad in ["", "a b", "-x", "a..b", "http://a"] {
            let made = generate(&names(&[bad]), 30);
            assert!(matches!(made, Err(CertsError::Name(_))), "{bad:?}");
        }
        for days in [0, u32::MAX] {
            let made = generate(&names(&["a"]), days);
            assert!(matches!(made, Err(CertsError::Days(_))), "{days}");
        }
        assert!(generate(&names(&["*.ops.svc"]), 1).is_ok());
    }

    #[test]
    fn debug_shows_no_key() {
        let pair = generate(&names(&["a"]), 1).unwrap();
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }
}
