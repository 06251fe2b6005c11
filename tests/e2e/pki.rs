//! The control plane's certificates, of one ca.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

pub(crate) struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Writes `ca.crt` into the folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("test CA", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        std::fs::write(folder.join("ca.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: Issuer::new(params, key) }
    }

    /// Writes the certificate `<file>.crt` of a user, or of the server itself, and its key.
    pub(crate) fn issue(&self, folder: &Path, file: &str, user: &str, group: Option<&str>) {
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc", "metrics.kube-system.svc"].map(str::to_owned);
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.distinguished_name = name(user, group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join(format!("{file}.crt")), cert.pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// Writes the key pair that signs and verifies the tokens of service accounts.
pub(crate) fn write_token_keys(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("tokens.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tokens.pub"), key.public_key_pem()).unwrap();
}

fn name(user: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, user);
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name
}
