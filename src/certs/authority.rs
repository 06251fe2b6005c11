//! A certificate authority that keeps its key.

use std::fmt;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::ServerName;
use time::OffsetDateTime;

use super::{BACKDATED, Certificate, CertsError, ServingCertificate};

/// A certificate authority, as PEM texts.
#[derive(Clone)]
pub struct CertificateAuthority {
    /// The CA's certificate.
    pub cert: String,
    /// The CA's key.
    pub key: String,
}

/// Keeps the key out of logs and of failed assertions.
impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("cert", &self.cert).finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// Creates a CA (ECDSA P-256) that is valid from now on.
    pub fn generate(validity: Duration) -> Result<Self, CertsError> {
        let mut params = CertificateParams::default();
        Validity::from_now(validity)?.set(&mut params);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "driftwall CA");
        // It signs serving certificates only, never another CA.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let cert = params.self_signed(&key)?;
        Ok(Self { cert: cert.pem(), key: key.serialize_pem() })
    }

    /// Issues a serving certificate (ECDSA P-256) for `names` that is valid from now on. It
    /// expires with the CA where that is earlier.
    ///
    /// A name that reads as an IP address becomes an IP entry.
    pub fn issue(&self, names: &[String], validity: Duration) -> Result<ServingCertificate, CertsError> {
        self.issue_for(ExtendedKeyUsagePurpose::ServerAuth, names, validity)
    }

    /// Issues a certificate by which a client shows who it is.
    pub fn issue_client(&self, name: &str, validity: Duration) -> Result<ServingCertificate, CertsError> {
        self.issue_for(ExtendedKeyUsagePurpose::ClientAuth, &[name.to_owned()], validity)
    }

    fn issue_for(
        &self,
        usage: ExtendedKeyUsagePurpose,
        names: &[String],
        validity: Duration,
    ) -> Result<ServingCertificate, CertsError> {
        let first = names.first().ok_or(CertsError::NoName)?;
        if let Some(bad) = names.iter().find(|name| !is_dns_name_or_ip(name)) {
            return Err(CertsError::InvalidName(bad.clone()));
        }
        let issuer = Issuer::from_ca_cert_pem(&self.cert, KeyPair::from_pem(&self.key)?)?;
        let mut validity = Validity::from_now(validity)?;
        let ends = Certificate::parse_pem(&self.cert).ok().and_then(|certs| certs.first().map(|ca| ca.expires_at));
        if let Some(ends) = ends.and_then(|ends| OffsetDateTime::from_unix_timestamp(ends).ok()) {
            validity.until = validity.until.min(ends);
        }

        let mut params = CertificateParams::new(names)?;
        validity.set(&mut params);
        params.distinguished_name = rcgen::DistinguishedName::new();
        // A common name is limited to 64 characters; clients only check the names above.
        if first.len() <= 64 {
            params.distinguished_name.push(DnType::CommonName, first);
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.extended_key_usages.push(usage);
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &issuer)?;
        Ok(ServingCertificate { ca: self.cert.clone(), cert: cert.pem(), key: key.serialize_pem() })
    }

    /// Whether the key belongs to the certificate.
    pub fn is_paired(&self) -> bool {
        Certificate::parse_pem(&self.cert)
            .is_ok_and(|certs| certs.first().is_some_and(|cert| cert.is_of_key(&self.key)))
    }
}

struct Validity {
    from: OffsetDateTime,
    until: OffsetDateTime,
}

impl Validity {
    fn from_now(validity: Duration) -> Result<Self, CertsError> {
        let now = OffsetDateTime::now_utc();
        // X.509 cannot express a date after the year 9999, and neither can `time`.
        let until = time::Duration::try_from(validity)
            .ok()
            .filter(|validity| validity.is_positive())
            .and_then(|validity| now.checked_add(validity))
            .ok_or(CertsError::InvalidValidity(validity))?;
        Ok(Self { from: now - BACKDATED, until })
    }

    fn set(&self, params: &mut CertificateParams) {
        params.not_before = self.from;
        params.not_after = self.until;
    }
}

fn is_dns_name_or_ip(name: &str) -> bool {
    let bare = name.strip_prefix("*.").unwrap_or(name);
    ServerName::try_from(bare).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_ca_signs_again_from_its_pem_texts() {
        let made = CertificateAuthority::generate(DAY).unwrap();
        assert!(made.is_paired());
        let again = CertificateAuthority { cert: made.cert.clone(), key: made.key.clone() };
        let [ca, other] =
            [&made, &CertificateAuthority::generate(DAY).unwrap()].map(|ca| Certificate::parse_pem(&ca.cert).unwrap());
        for _ in 0..2 {
            let pair = again.issue(&["a.b.svc".into()], DAY / 2).unwrap();
            let leaf = &Certificate::parse_pem(&pair.cert).unwrap()[0];
            assert!(leaf.is_signed_by(&ca[0]) && !leaf.is_signed_by(&other[0]), "the subjects are the same");
            assert!(leaf.is_of_key(&pair.key) && !leaf.is_of_key(&made.key));
            assert!((leaf.expires_at - leaf.issued_at - 12 * 3600).abs() <= 1);
        }
        let other_key = CertificateAuthority { key: CertificateAuthority::generate(DAY).unwrap().key, ..made };
        assert!(!other_key.is_paired());
    }

    #[test]
    fn no_certificate_outlives_its_ca() {
        let authority = CertificateAuthority::generate(DAY / 24).unwrap();
        let ca = Certificate::parse_pem(&authority.cert).unwrap().remove(0);
        let pair = authority.issue(&["a".into()], DAY).unwrap();
        assert_eq!(Certificate::parse_pem(&pair.cert).unwrap()[0].expires_at, ca.expires_at);
    }

    #[test]
    fn debug_shows_no_key() {
        let authority = CertificateAuthority::generate(DAY).unwrap();
        assert!(!format!("{authority:?}").contains("PRIVATE"));
    }
}
