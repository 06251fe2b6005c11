//! Reads what a certificate contains.

use std::fmt::Write as _;
use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Error;

use super::BACKDATED;

/// A text could not be read as certificates.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The text is not PEM.
    #[error("failed to parse as PEM: {0}")]
    Pem(#[from] pem::Error),
    /// The PEM contains something other than a certificate.
    #[error("failed to parse as a certificate: {0}")]
    Certificate(#[from] X509Error),
}

/// A certificate that driftwall has created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Unix time at which it was issued; it is valid since a little before.
    pub issued_at: i64,
    /// Unix time at which it expires.
    pub expires_at: i64,
    /// The DNS names and IP addresses that it is for.
    pub names: Vec<String>,
    /// Whether it is a CA's.
    pub is_ca: bool,
    /// Its SHA-256, in hexadecimal.
    pub fingerprint: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Every certificate of a PEM text; none where the text is empty.
    pub fn parse_pem(text: &str) -> Result<Vec<Self>, InspectError> {
        CertificateDer::pem_slice_iter(text.as_bytes()).map(|der| Self::of(&der?)).collect()
    }

    fn of(der: &CertificateDer<'static>) -> Result<Self, InspectError> {
        let (_, cert) = x509_parser::parse_x509_certificate(der).map_err(|error| match error {
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error,
            x509_parser::nom::Err::Incomplete(_) => X509Error::InvalidCertificate,
        })?;
        let names = cert.subject_alternative_name()?.map(|names| &names.value.general_names);
        let names = names.into_iter().flatten().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match **bytes {
                [a, b, c, d] => Some(IpAddr::from([a, b, c, d]).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            },
            _ => None,
        });
        let validity = cert.validity();
        let mut fingerprint = String::new();
        for byte in digest(&SHA256, der).as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(fingerprint, "{byte:02x}");
        }
        Ok(Self {
            issued_at: validity.not_before.timestamp() + BACKDATED.as_secs().cast_signed(),
            expires_at: validity.not_after.timestamp(),
            names: names.collect(),
            is_ca: cert.is_ca(),
            fingerprint,
            der: der.clone(),
        })
    }

    /// Whether a key (PEM) belongs to it.
    pub fn is_of_key(&self, key: &str) -> bool {
        let (Ok(key), Ok((_, cert))) = (KeyPair::from_pem(key), x509_parser::parse_x509_certificate(&self.der)) else {
            return false;
        };
        cert.public_key().raw == key.subject_public_key_info()
    }

    /// Whether a CA's key has signed it. The names alone prove nothing, since all CAs of
    /// driftwall have the same one.
    pub fn is_signed_by(&self, ca: &Self) -> bool {
        let parsed = [self, ca].map(|it| x509_parser::parse_x509_certificate(&it.der));
        let [Ok((_, cert)), Ok((_, ca_cert))] = parsed else { return false };
        ca.is_ca && cert.issuer() == ca_cert.subject() && cert.verify_signature(Some(ca_cert.public_key())).is_ok()
    }

    /// The certificate as PEM.
    pub fn to_pem(&self) -> String {
        let base64 = BASE64_STANDARD.encode(&self.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for (index, character) in base64.chars().enumerate() {
            if index > 0 && index % 64 == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END CERTIFICATE-----\n");
        pem
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate;
    use super::*;

    #[test]
    fn a_certificate_contains_what_it_was_created_with() {
        let names = ["driftwall.ops.svc", "127.0.0.1", "::1"].map(String::from);
        let pair = generate(&names, 30).unwrap();
        let [leaf, ca] = [&pair.cert, &pair.ca].map(|text| Certificate::parse_pem(text).unwrap().remove(0));
        assert_eq!(leaf.names, names);
        assert_eq!(leaf.expires_at - leaf.issued_at, 30 * 24 * 3600);
        assert!(ca.is_ca && !leaf.is_ca && leaf.is_signed_by(&ca) && !ca.is_signed_by(&leaf));
        assert_eq!(leaf.fingerprint.len(), 64);
        assert_eq!(Certificate::parse_pem(&leaf.to_pem()).unwrap(), [leaf]);
    }

    #[test]
    fn text_that_is_no_certificate_is_an_error_and_empty_text_is_not() {
        let pair = generate(&["a".to_owned()], 1).unwrap();
        assert_eq!(Certificate::parse_pem("").unwrap(), []);
        assert_eq!(Certificate::parse_pem(&format!("{}{}", pair.ca, pair.cert)).unwrap().len(), 2);
        let cut = &pair.cert[..pair.cert.len() / 2];
        let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bad in [cut, other] {
            assert!(Certificate::parse_pem(bad).is_err(), "{bad}");
        }
        let key = Certificate::parse_pem(&pair.ca).unwrap().remove(0);
        for bad in ["", cut, "key"] {
            assert!(!key.is_of_key(bad));
        }
    }
}
