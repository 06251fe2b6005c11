//! What the Secret of certificates holds. Every part is validated when read; it is written as a whole.
//!
//! | key | value |
//! | --- | --- |
//! | `tls.crt`, `tls.key` | the serving certificate and its key |
//! | `ca.crt` | the CAs to be trusted, the newest first |
//! | `ca.key` | the newest CA's key |
//! | `ca-former.key` | the key of the CA before it, while that CA has signed the serving certificate |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::rotation::{CaInfo, LeafInfo, ObservedState};
use crate::certs::{Certificate, CertificateAuthority, ServingCertificate};
use crate::cluster::secret_store::SecretContents;

const TLS_CERT: &str = "tls.crt";
const TLS_KEY: &str = "tls.key";
const CA_BUNDLE: &str = "ca.crt";
const NEWEST_CA_KEY: &str = "ca.key";
const FORMER_CA_KEY: &str = "ca-former.key";

/// The usable contents of a Secret.
#[derive(Clone, Debug, Default)]
pub(super) struct CertificateContents {
    /// The newest first.
    cas: Vec<Certificate>,
    newest_ca_key: Option<Key>,
    former_ca_key: Option<Key>,
    leaf: Option<Leaf>,
    /// What is in the Secret and cannot be used, in words.
    problems: Vec<String>,
}

/// A serving certificate with its key and CA.
#[derive(Clone, Debug)]
struct Leaf {
    certificate: Certificate,
    /// The index of the CA that has signed it.
    signed_by: usize,
    serving: Arc<ServingCertificate>,
}

/// A private key, PEM; `Debug` does not show it.
#[derive(Clone)]
struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl CertificateContents {
    /// What is to be served.
    pub(super) fn serving_certificate(&self) -> Option<Arc<ServingCertificate>> {
        self.leaf.as_ref().map(|leaf| Arc::clone(&leaf.serving))
    }

    /// Unix time at which the serving certificate expires.
    pub(super) fn serving_until(&self) -> Option<i64> {
        self.leaf.as_ref().map(|leaf| leaf.certificate.expires_at)
    }

    /// The CAs to be trusted, the newest first.
    pub(super) fn cas(&self) -> &[Certificate] {
        &self.cas
    }

    /// The fingerprint of the newest CA.
    pub(super) fn newest_ca(&self) -> Option<&str> {
        self.cas.first().map(|newest| newest.fingerprint.as_str())
    }

    /// The CAs to be trusted, PEM.
    pub(super) fn ca_bundle(&self) -> Option<String> {
        (!self.cas.is_empty()).then(|| self.cas.iter().map(Certificate::to_pem).collect())
    }

    /// What the rotation needs to know. `names` are those that the certificate should have.
    pub(super) fn observed(&self, names: &[String]) -> ObservedState {
        let ca_info = |certificate: &Certificate| CaInfo {
            fingerprint: certificate.fingerprint.clone(),
            issued_at: certificate.issued_at,
            expires_at: certificate.expires_at,
        };
        ObservedState {
            cas: self.cas.iter().map(ca_info).collect(),
            can_newest_sign: self.newest_ca_key.is_some(),
            can_former_sign: self.former_ca_key.is_some(),
            leaf: self.leaf.as_ref().map(|leaf| LeafInfo {
                issued_at: leaf.certificate.issued_at,
                expires_at: leaf.certificate.expires_at,
                signed_by: leaf.signed_by,
                has_all_names: names.iter().all(|name| leaf.certificate.names.contains(name)),
            }),
        }
    }

    /// A CA that can sign: the newest (0), or the one before it (1).
    pub(super) fn signing_ca(&self, index: usize) -> Option<CertificateAuthority> {
        let key = match index {
            0 => self.newest_ca_key.as_ref()?,
            1 => self.former_ca_key.as_ref()?,
            _ => return None,
        };
        Some(CertificateAuthority { cert: self.cas.get(index)?.to_pem(), key: key.0.clone() })
    }

    /// With a new CA, which is trusted beside those that have not expired: those of the
    /// Secret, and those that API servers trust besides.
    pub(super) fn with_new_ca(&self, new: CertificateAuthority, registered: &[Certificate], now: i64) -> Self {
        let mut cas = Certificate::parse_pem(&new.cert).unwrap_or_default();
        for old in self.cas.iter().chain(registered) {
            let is_included = cas.iter().any(|ca| ca.fingerprint == old.fingerprint);
            if old.expires_at > now && old.is_ca && !is_included {
                cas.push(old.clone());
            }
        }
        // The key that was the newest one's, where its CA is now the second.
        let former_ca_key = match (self.cas.first(), cas.get(1)) {
            (Some(newest_before), Some(second)) if newest_before == second => self.newest_ca_key.clone(),
            _ => None,
        };
        self.with_cas(cas, Some(Key(new.key)), former_ca_key)
    }

    /// With another serving certificate, signed by the CA of this index.
    pub(super) fn with_serving_certificate(&self, new: ServingCertificate, signed_by: usize) -> Self {
        let certificate = Certificate::parse_pem(&new.cert).ok().and_then(|certs| certs.into_iter().next());
        let leaf = certificate.map(|certificate| Leaf { certificate, signed_by, serving: Arc::new(new) });
        // A key that is not needed to sign any more is not kept.
        let former_ca_key = if signed_by == 0 { None } else { self.former_ca_key.clone() };
        Self { former_ca_key, leaf, ..self.clone() }
    }

    /// With the newest CA only.
    pub(super) fn with_newest_ca_only(&self) -> Self {
        let cas = self.cas.iter().take(1).cloned().collect();
        self.with_cas(cas, self.newest_ca_key.clone(), None)
    }

    /// With other CAs, and the serving certificate where one of them has signed it.
    fn with_cas(&self, cas: Vec<Certificate>, newest_ca_key: Option<Key>, former_ca_key: Option<Key>) -> Self {
        let leaf = self.leaf.clone().and_then(|leaf| {
            let signed_by = cas.iter().position(|ca| leaf.certificate.is_signed_by(ca))?;
            Some(Leaf { signed_by, ..leaf })
        });
        Self { cas, newest_ca_key, former_ca_key, leaf, problems: Vec::new() }
    }
}

impl SecretContents for CertificateContents {
    const KEYS: &[&str] = &[TLS_CERT, TLS_KEY, CA_BUNDLE, NEWEST_CA_KEY, FORMER_CA_KEY];
    const TYPE: &str = "kubernetes.io/tls";
    const REQUIRED_KEYS: &[&str] = &[TLS_CERT, TLS_KEY];

    fn read(secret: &Secret) -> Self {
        let mut problems = Vec::new();
        let (cas, others): (Vec<_>, Vec<_>) =
            certificates(secret, CA_BUNDLE, &mut problems).into_iter().partition(|certificate| certificate.is_ca);
        if !others.is_empty() {
            problems.push(format!("{CA_BUNDLE}: it contains a certificate that is not a CA's"));
        }
        let newest_ca_key = key_of(cas.first(), secret, NEWEST_CA_KEY, &mut problems);
        let former_ca_key = key_of(cas.get(1), secret, FORMER_CA_KEY, &mut problems);
        let leaf = read_leaf(secret, &cas, &mut problems);
        if leaf.is_none() && !cas.is_empty() && problems.is_empty() && value(secret, TLS_CERT).is_some() {
            problems.push(format!("{TLS_KEY}: it is missing"));
        }
        Self { cas, newest_ca_key, former_ca_key, leaf, problems }
    }

    fn data(&self) -> BTreeMap<String, ByteString> {
        let (cert, key) = match &self.leaf {
            Some(leaf) => (leaf.serving.cert.clone(), leaf.serving.key.clone()),
            None => Default::default(),
        };
        let text = |key: &Option<Key>| key.as_ref().map(|key| key.0.clone());
        let values = [
            (TLS_CERT, Some(cert)),
            (TLS_KEY, Some(key)),
            (CA_BUNDLE, self.ca_bundle()),
            (NEWEST_CA_KEY, text(&self.newest_ca_key)),
            (FORMER_CA_KEY, text(&self.former_ca_key)),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        values.map(|(name, value)| (name, ByteString(value.into_bytes()))).collect()
    }

    fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// A value of the Secret; `None` where it is empty.
fn value(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    let text = String::from_utf8_lossy(&bytes.0).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

fn certificates(secret: &Secret, key: &str, problems: &mut Vec<String>) -> Vec<Certificate> {
    let Some(text) = value(secret, key) else { return Vec::new() };
    Certificate::parse_pem(&text).unwrap_or_else(|error| {
        problems.push(format!("{key}: {error}"));
        Vec::new()
    })
}

/// The key in the Secret, where it belongs to the certificate.
fn key_of(certificate: Option<&Certificate>, secret: &Secret, key: &str, problems: &mut Vec<String>) -> Option<Key> {
    let (certificate, text) = (certificate?, value(secret, key)?);
    if certificate.is_of_key(&text) {
        return Some(Key(text));
    }
    problems.push(format!("{key}: it is not the key of its certificate"));
    None
}

fn read_leaf(secret: &Secret, cas: &[Certificate], problems: &mut Vec<String>) -> Option<Leaf> {
    let certificate = certificates(secret, TLS_CERT, problems).into_iter().next()?;
    let key = key_of(Some(&certificate), secret, TLS_KEY, problems);
    let Some(signed_by) = cas.iter().position(|ca| certificate.is_signed_by(ca)) else {
        problems.push(format!("{TLS_CERT}: no CA of {CA_BUNDLE} has signed it"));
        return None;
    };
    let serving = ServingCertificate { ca: cas[signed_by].to_pem(), cert: certificate.to_pem(), key: key?.0 };
    Some(Leaf { certificate, signed_by, serving: Arc::new(serving) })
}
