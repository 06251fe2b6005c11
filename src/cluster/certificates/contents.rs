//! The Secret: what its keys hold, read with suspicion and written as a whole.
//!
//! | key | value |
//! | --- | --- |
//! | `tls.crt`, `tls.key` | the serving certificate and its key |
//! | `ca.crt` | the CAs to be trusted, the newest first |
//! | `ca.key` | the newest CA's key |
//! | `ca-former.key` | the key of the one before it, while the serving certificate is its |

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::plan::{Leaf, Life, ObservedState};
use crate::certs::{Certificate, CertificateAuthority, ServingCertificate};

const CERT: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";
const NEWEST_KEY: &str = "ca.key";
const FORMER_KEY: &str = "ca-former.key";

/// What a Secret holds that can be used.
#[derive(Clone, Debug, Default)]
pub(super) struct SecretContents {
    authorities: Vec<Certificate>,
    newest_key: Option<Key>,
    former_key: Option<Key>,
    leaf: Option<Serving>,
    /// What there is and cannot be used, in words.
    pub(super) faults: Vec<String>,
}

#[derive(Clone, Debug)]
struct Serving {
    certificate: Certificate,
    signed_by: usize,
    pair: Arc<ServingCertificate>,
}

/// Private: what is debugged does not show it.
#[derive(Clone)]
struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl SecretContents {
    /// The keys of the Secret that are driftwall's.
    pub(super) const KEYS: [&str; 5] = [CERT, KEY, BUNDLE, NEWEST_KEY, FORMER_KEY];

    pub(super) fn read(secret: &Secret) -> Self {
        let mut faults = Vec::new();
        let value = |key: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(key));
            bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned()).filter(|text| !text.trim().is_empty())
        };
        let mut certificates = |key: &str| {
            let read = value(key).map(|text| Certificate::parse_pem(&text)).transpose();
            read.unwrap_or_else(|error| {
                faults.push(format!("{key}: {error}"));
                None
            })
        };
        let bundle = certificates(BUNDLE).unwrap_or_default();
        let leaf = certificates(CERT).and_then(|chain| chain.into_iter().next());
        let (authorities, others): (Vec<_>, Vec<_>) = bundle.into_iter().partition(|cert| cert.is_ca);
        if !others.is_empty() {
            faults.push(format!("{BUNDLE}: it holds a certificate that is no CA's"));
        }
        let mut key_of = |key: &str, certificate: Option<&Certificate>| {
            let (text, certificate) = (value(key)?, certificate?);
            if certificate.is_of_key(&text) {
                return Some(Key(text));
            }
            faults.push(format!("{key}: it is not the key of its certificate"));
            None
        };
        let newest_key = key_of(NEWEST_KEY, authorities.first());
        let former_key = key_of(FORMER_KEY, authorities.get(1));
        let serving_key = key_of(KEY, leaf.as_ref());
        let signed_by = leaf.as_ref().and_then(|leaf| authorities.iter().position(|ca| leaf.is_signed_by(ca)));
        if leaf.is_some() && signed_by.is_none() {
            faults.push(format!("{CERT}: no CA of {BUNDLE} has signed it"));
        }
        let leaf = leaf.zip(serving_key).zip(signed_by).map(|((certificate, key), signed_by)| Serving {
            pair: Arc::new(ServingCertificate {
                ca: authorities[signed_by].to_pem(),
                cert: certificate.to_pem(),
                key: key.0,
            }),
            certificate,
            signed_by,
        });
        if leaf.is_none() && !authorities.is_empty() && faults.is_empty() && value(CERT).is_some() {
            faults.push(format!("{KEY}: it is missing"));
        }
        Self { authorities, newest_key, former_key, leaf, faults }
    }

    /// What is to be served.
    pub(super) fn pair(&self) -> Option<Arc<ServingCertificate>> {
        self.leaf.as_ref().map(|leaf| Arc::clone(&leaf.pair))
    }

    /// Unix time at which what is served ends.
    pub(super) fn serving_until(&self) -> Option<i64> {
        self.leaf.as_ref().map(|leaf| leaf.certificate.expires_at)
    }

    /// The print of the newest CA.
    pub(super) fn newest(&self) -> Option<&str> {
        self.authorities.first().map(|newest| newest.fingerprint.as_str())
    }

    /// What is to be trusted.
    pub(super) fn bundle(&self) -> Option<String> {
        (!self.authorities.is_empty()).then(|| self.authorities.iter().map(Certificate::to_pem).collect())
    }

    pub(super) fn observed(&self, names: &[String]) -> ObservedState {
        let life = |cert: &Certificate| Life {
            fingerprint: cert.fingerprint.clone(),
            issued_at: cert.issued_at,
            expires_at: cert.expires_at,
        };
        ObservedState {
            authorities: self.authorities.iter().map(life).collect(),
            newest_signs: self.newest_key.is_some(),
            former_signs: self.former_key.is_some(),
            leaf: self.leaf.as_ref().map(|leaf| Leaf {
                issued_at: leaf.certificate.issued_at,
                expires_at: leaf.certificate.expires_at,
                signed_by: leaf.signed_by,
                has_names: names.iter().all(|name| leaf.certificate.names.contains(name)),
            }),
        }
    }

    /// A CA that can sign: the newest, or the one before it.
    pub(super) fn authority(&self, index: usize) -> Option<CertificateAuthority> {
        let key = match index {
            0 => &self.newest_key,
            1 => &self.former_key,
            _ => return None,
        };
        let (cert, key) = self.authorities.get(index).zip(key.as_ref())?;
        Some(CertificateAuthority { cert: cert.to_pem(), key: key.0.clone() })
    }

    /// With a CA made, and trusted beside those that have not ended: those that
    /// stand here, and those that API servers trust besides.
    pub(super) fn with_authority(&self, made: CertificateAuthority, registered: &[Certificate], now: i64) -> Self {
        let mut authorities = Certificate::parse_pem(&made.cert).unwrap_or_default();
        for old in self.authorities.iter().chain(registered) {
            let is_there = authorities.iter().any(|there| there.fingerprint == old.fingerprint);
            if old.expires_at > now && old.is_ca && !is_there {
                authorities.push(old.clone());
            }
        }
        let is_second = |certificate: &Certificate| authorities.get(1) == Some(certificate);
        let former_key = self.newest_key.clone().filter(|_| self.authorities.first().is_some_and(is_second));
        self.re_signed(authorities, Some(Key(made.key)), former_key)
    }

    /// Served with another pair from now on.
    pub(super) fn with_pair(&self, pair: ServingCertificate, by: usize) -> Self {
        let certificate = Certificate::parse_pem(&pair.cert).ok().and_then(|certs| certs.into_iter().next());
        let leaf = certificate.map(|certificate| Serving { certificate, signed_by: by, pair: Arc::new(pair) });
        // What nothing more is to be signed with is not kept.
        let former_key = if by == 0 { None } else { self.former_key.clone() };
        Self { former_key, leaf, ..self.clone() }
    }

    /// With the newest CA only.
    pub(super) fn with_newest_only(&self) -> Self {
        let authorities = self.authorities.iter().take(1).cloned().collect();
        self.re_signed(authorities, self.newest_key.clone(), None)
    }

    fn re_signed(&self, authorities: Vec<Certificate>, newest_key: Option<Key>, former_key: Option<Key>) -> Self {
        let leaf = self.leaf.clone().and_then(|leaf| {
            let signed_by = authorities.iter().position(|ca| leaf.certificate.is_signed_by(ca))?;
            Some(Serving { signed_by, ..leaf })
        });
        Self { authorities, newest_key, former_key, leaf, faults: Vec::new() }
    }

    /// The Secret's data. The type of the Secret asks for `tls.crt` and `tls.key` at all times.
    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        let serving = |part: fn(&ServingCertificate) -> &str| {
            self.leaf.as_ref().map(|leaf| part(&leaf.pair).to_owned()).unwrap_or_default()
        };
        let key = |key: &Option<Key>| key.as_ref().map(|key| key.0.clone());
        let values = [
            (CERT, Some(serving(|pair| &pair.cert))),
            (KEY, Some(serving(|pair| &pair.key))),
            (BUNDLE, self.bundle()),
            (NEWEST_KEY, key(&self.newest_key)),
            (FORMER_KEY, key(&self.former_key)),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        values.map(|(name, value)| (name, ByteString(value.into_bytes()))).collect()
    }
}
