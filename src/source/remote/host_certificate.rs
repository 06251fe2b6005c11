//! Certificates of SSH hosts, by the rules of OpenSSH: a CA that is trusted for
//! the host states which key the host has.

use jiff::Timestamp;
use russh::keys::ssh_key::HashAlg;
use russh::keys::{Algorithm, Certificate};

use super::error::one_line;
use super::known_hosts::matches_glob;

/// Whether a certificate by a trusted CA is one for this host, at this time (seconds since 1970).
///
/// # Errors
///
/// Says why not, and what would be right.
pub(super) fn check(certificate: &Certificate, host: &str, now: u64) -> Result<(), String> {
    if !certificate.cert_type().is_host() {
        return Err("it is one of a user, not of a host".to_owned());
    }
    if certificate.signature_key().is_certificate() {
        return Err("its CA has a certificate itself; a CA is a plain key".to_owned());
    }
    if let Algorithm::Rsa { hash: None } = certificate.signature().algorithm() {
        return Err("it is signed with SHA-1 (ssh-rsa); sign it with `ssh-keygen -t rsa-sha2-512`".to_owned());
    }
    if now < certificate.valid_after() {
        let from = display_time(certificate.valid_after());
        return Err(format!("it is valid from {from} only; are the clocks right?"));
    }
    if now >= certificate.valid_before() {
        return Err(format!(
            "it has expired on {}; sign the host's key again",
            display_time(certificate.valid_before())
        ));
    }
    let ca = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if certificate.validate_at(now, [&ca]).is_err() {
        return Err("its signature is not that of its CA".to_owned());
    }
    let names = certificate.valid_principals();
    // Without names it is one for any host.
    if !names.is_empty() && !names.iter().any(|name| matches_glob(name, host)) {
        return Err(format!("it is one for {}; sign the host's key for {host} too", one_line(&names.join(", "))));
    }
    if let Some(option) = certificate.critical_options().keys().next() {
        return Err(format!("it has the critical option `{}`, and hosts have none", one_line(option)));
    }
    Ok(())
}

fn display_time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "a day far away".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::{Builder, CertType};
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};

    use super::*;

    const HOST: &str = "git.example";
    const NOW: u64 = 1_800_000_000;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").unwrap()
    }

    fn certificate(from: u64, to: u64, change: impl Fn(&mut Builder)) -> Certificate {
        let mut builder = Builder::new([7; 16], key(1).public_key(), from, to).unwrap();
        change(&mut builder);
        builder.sign(&key(2)).unwrap()
    }

    fn host(names: &[&str]) -> Certificate {
        certificate(NOW - 1, NOW + 1, |builder| {
            builder.cert_type(CertType::Host).unwrap().all_principals_valid().unwrap();
            for name in names {
                builder.valid_principal(*name).unwrap();
            }
        })
    }

    #[test]
    fn a_certificate_counts_for_its_hosts_and_its_time() {
        let any_host = |builder: &mut Builder| {
            builder.cert_type(CertType::Host).unwrap().all_principals_valid().unwrap();
        };
        for (certificate, expected) in [
            (host(&[HOST]), None),
            (host(&["other.example", "*.example"]), None),
            (host(&[]), None),
            (certificate(NOW, u64::MAX, any_host), None),
            (host(&["other.example"]), Some("it is one for other.example; sign the host's key for git.example too")),
            (host(&["example"]), Some("it is one for example;")),
            (certificate(NOW + 1, NOW + 2, any_host), Some("it is valid from 2027-01-15T08:00:01Z only")),
            (certificate(NOW - 2, NOW, any_host), Some("it has expired on 2027-01-15T08:00:00Z")),
            (certificate(u64::MAX - 1, u64::MAX, any_host), Some("it is valid from a day far away only")),
            (
                certificate(NOW, NOW + 1, |builder| {
                    builder.cert_type(CertType::User).unwrap().all_principals_valid().unwrap();
                }),
                Some("it is one of a user"),
            ),
            (
                certificate(NOW, NOW + 1, |builder| {
                    any_host(builder);
                    builder.critical_option("force-command", "x").unwrap();
                }),
                Some("it has the critical option `force-command`"),
            ),
        ] {
            let said = check(&certificate, HOST, NOW).err();
            assert_eq!(said.is_some(), expected.is_some(), "{expected:?}: {said:?}");
            assert!(said.unwrap_or_default().starts_with(expected.unwrap_or("")), "{expected:?}");
        }
    }

    #[test]
    fn a_certificate_that_was_changed_does_not_count() {
        let bytes = host(&[HOST]).to_bytes().unwrap();
        let at = bytes.windows(HOST.len()).position(|window| window == HOST.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + HOST.len()].copy_from_slice(b"hit.example");
        let changed = Certificate::from_bytes(&changed).unwrap();
        assert_eq!(check(&changed, "hit.example", NOW).unwrap_err(), "its signature is not that of its CA");
    }
}
