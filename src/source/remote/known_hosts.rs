//! The host keys of SSH servers, in the form of OpenSSH's `known_hosts`.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};

use super::error::FetchError;
use super::host_certificate;

/// What is known of one host. Keys are in their wire format.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownHost {
    host: String,
    /// As `known_hosts` names it: `host`, or `[host]:port`.
    name: String,
    keys: Vec<(String, Vec<u8>)>,
    /// The CAs that may sign certificates of this host.
    authorities: Vec<Vec<u8>>,
    revoked: Vec<Vec<u8>>,
}

impl KnownHost {
    /// Reads the keys of a host from the content of a `known_hosts` file. Lines
    /// that cannot be parsed are skipped, as OpenSSH does: a later version may know them.
    pub(super) fn read(text: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut known = Self { host: host.to_owned(), name, ..Self::default() };
        for line in text.lines() {
            known.read_line(line);
        }
        known
    }

    /// Reads `[@marker] hosts type key [comment]`; `None` for a line that says nothing of this host.
    fn read_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_whitespace();
        let mut hosts = words.next().filter(|word| !word.starts_with('#'))?;
        let marker = hosts.starts_with('@').then_some(hosts);
        if marker.is_some() {
            hosts = words.next()?;
        }
        let (key_type, key) = (words.next()?, words.next()?);
        // A CA of a domain (`*.example.org`) is that of all ports, as for OpenSSH.
        let is_authority = marker == Some("@cert-authority");
        let names_it = names_host(hosts, &self.name) || (is_authority && names_host(hosts, &self.host));
        if !names_it {
            return None;
        }
        let key = STANDARD.decode(key).ok()?;
        match marker {
            None => self.keys.push((key_type.to_owned(), key)),
            Some("@cert-authority") => self.authorities.push(key),
            Some("@revoked") => self.revoked.push(key),
            Some(_) => {}
        }
        Some(())
    }

    /// The algorithms to ask the server for, of the types of the known keys: a
    /// server has several keys and shows one. None where no key is known.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for algorithm in ALL_ALGORITHMS {
            // Of an RSA key there are two algorithms, with a name each.
            let is_of_type = |key_type: &str| match algorithm {
                Algorithm::Rsa { .. } => key_type == "ssh-rsa",
                _ => key_type == algorithm.as_str(),
            };
            if self.keys.iter().any(|(key_type, _)| is_of_type(key_type)) {
                algorithms.push(algorithm.clone());
            }
        }
        algorithms
    }

    /// Whether the server is to be asked for a certificate.
    pub(super) fn has_authority(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// Whether what the server shows is known. `now` is in seconds since 1970.
    pub(super) fn check(&self, shown: &PublicKeyOrCertificate, now: u64) -> Result<(), FetchError> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.check_key(&wire_format(key.key_data())),
            PublicKeyOrCertificate::Certificate(certificate) => self.check_certificate(certificate, now),
        }
    }

    fn check_key(&self, key: &[u8]) -> Result<(), FetchError> {
        let (host, fingerprint) = (self.name.clone(), fingerprint(key));
        if self.revoked.iter().any(|revoked| revoked == key) {
            return Err(FetchError::HostKeyRevoked { host, fingerprint });
        }
        if self.keys.iter().any(|(_, known)| known == key) {
            return Ok(());
        }
        if self.keys.is_empty() {
            return Err(FetchError::HostKeyUnknown { host, fingerprint });
        }
        Err(FetchError::HostKeyChanged { host, fingerprint })
    }

    fn check_certificate(&self, certificate: &Certificate, now: u64) -> Result<(), FetchError> {
        let authority = wire_format(certificate.signature_key());
        let key = wire_format(certificate.public_key());
        if let Some(revoked) = [&authority, &key].into_iter().find(|key| self.revoked.contains(key)) {
            return Err(FetchError::HostKeyRevoked { host: self.name.clone(), fingerprint: fingerprint(revoked) });
        }
        let not_valid = |reason| FetchError::HostCertificate { host: self.name.clone(), reason };
        if self.authorities.contains(&authority) {
            return host_certificate::check(certificate, &self.host, now).map_err(not_valid);
        }
        // The key in it may be known by itself.
        if self.keys.iter().any(|(_, known)| *known == key) {
            return Ok(());
        }
        let fingerprint = fingerprint(&authority);
        Err(not_valid(format!("its CA is {fingerprint}, for which knownHostsFile has no @cert-authority of this host")))
    }
}

/// The algorithms of host keys, most preferred first. Of the three signatures
/// of an RSA key, the third (SHA-1) is broken.
pub(super) const ALL_ALGORITHMS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// A key as it is in `known_hosts`, before base64.
fn wire_format(key: &KeyData) -> Vec<u8> {
    // Writing into memory fails only for lengths over 4 GiB; no known key is empty.
    PublicKey::from(key.clone()).to_bytes().unwrap_or_default()
}

/// A key as `ssh-keygen -l` shows it.
fn fingerprint(key: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, key);
    format!("SHA256:{}", STANDARD_NO_PAD.encode(hash.as_ref()))
}

/// Whether the field of a line that lists hosts names this one.
fn names_host(field: &str, name: &str) -> bool {
    if let Some(rest) = field.strip_prefix("|1|") {
        return is_hashed(rest, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in field.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_glob(pattern, name) => return false,
            Some(_) => {}
            None => found |= matches_glob(pattern, name),
        }
    }
    found
}

/// Whether `salt|hash`, as `ssh-keygen -H` writes it, is that of the host.
fn is_hashed(text: &str, name: &str) -> Option<bool> {
    let (salt, hash) = text.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::verify(&key, name.as_bytes(), &hash).is_ok())
}

/// Whether a pattern with `*` and `?` matches, without regard to case.
pub(super) fn matches_glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || byte.eq_ignore_ascii_case(&name[in_name]) => {
                at += 1;
                in_name += 1;
            }
            // No match: let the last star match one byte more.
            _ => match star {
                Some((star_at, matched_to)) => {
                    star = Some((star_at, matched_to + 1));
                    (at, in_name) = (star_at + 1, matched_to + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAA";
    const RSA: &str = "ssh-rsa BBBB";

    fn key(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    fn check(text: &str, host: &str, port: u16) -> &'static str {
        match KnownHost::read(text, host, port).check_key(&key("AAAA")) {
            Ok(()) => "good",
            Err(FetchError::HostKeyChanged { .. }) => "changed",
            Err(FetchError::HostKeyRevoked { .. }) => "revoked",
            Err(FetchError::HostKeyUnknown { .. }) => "unknown",
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_checked_against_the_lines_that_name_the_host() {
        for (text, host, port, outcome) in [
            (format!("git.example {ED25519} a comment"), "git.example", 22, "good"),
            (format!("Git.Example {ED25519}"), "git.example", 22, "good"),
            (format!("git.example {RSA}"), "git.example", 22, "changed"),
            (format!("git.example {RSA}\ngit.example {ED25519}"), "git.example", 22, "good"),
            (format!("git.example {ED25519}"), "other.example", 22, "unknown"),
            (format!("git.example {ED25519}"), "git.example", 2222, "unknown"),
            (format!("[git.example]:2222 {ED25519}"), "git.example", 2222, "good"),
            (format!("[::1]:2222 {ED25519}"), "::1", 2222, "good"),
            (format!("a,git.*,b {ED25519}"), "git.example", 22, "good"),
            (format!("*,!git.example {ED25519}"), "git.example", 22, "unknown"),
            (format!("g?t.ex*e {ED25519}"), "git.example", 22, "good"),
            (format!("@revoked * {ED25519}\ngit.example {ED25519}"), "git.example", 22, "revoked"),
            (format!("@cert-authority * {ED25519}"), "git.example", 22, "unknown"),
            (format!("# git.example {ED25519}"), "git.example", 22, "unknown"),
            ("git.example ssh-ed25519 !!!\n\ngit.example".to_owned(), "git.example", 22, "unknown"),
            (String::new(), "git.example", 22, "unknown"),
        ] {
            assert_eq!(check(&text, host, port), outcome, "{text}");
        }
    }

    #[test]
    fn hashed_host_names_are_matched() {
        // Made with `ssh-keygen -H`.
        let salt = [7; 20];
        let hash = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt), b"[git.example]:2222");
        let line = format!("|1|{}|{} {ED25519}", STANDARD.encode(salt), STANDARD.encode(hash));
        assert_eq!(check(&line, "git.example", 2222), "good");
        assert_eq!(check(&line, "git.example", 22), "unknown");
        assert_eq!(check("|1|x ssh-ed25519 AAAA", "git.example", 22), "unknown");
    }

    #[test]
    fn the_server_is_asked_for_a_key_of_a_known_type() {
        let known = KnownHost::read(&format!("h {RSA}\nh {ED25519}\nh {ED25519}\nh new-type AAAA"), "h", 22);
        let names: Vec<_> = known.algorithms().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]);
        assert!(KnownHost::read("", "h", 22).algorithms().is_empty());
    }

    #[test]
    fn certificates_are_asked_for_where_a_ca_is_known() {
        for (hosts, host, port, is_asked) in [
            ("*.example", "git.example", 22, true),
            ("*.example", "git.example", 2222, true),
            ("[git.example]:2222", "git.example", 2222, true),
            ("[git.example]:2222", "git.example", 22, false),
            ("other.example", "git.example", 22, false),
        ] {
            let known = KnownHost::read(&format!("@cert-authority {hosts} {ED25519}"), host, port);
            assert_eq!(known.has_authority(), is_asked, "{hosts} {host}:{port}");
        }
    }

    /// Lines of words that mean something to `known_hosts`, in any order.
    fn lines() -> impl Strategy<Value = String> {
        let words = [
            "git.example",
            "[git.example]:2222",
            "other.example",
            "*",
            "*.example",
            "!git.example",
            "a,git.example",
            "|1|BwcHBwcHBwcHBwcHBwcHBwcHBwc=|AAAA",
            "|1||",
            "#",
            "@revoked",
            "@cert-authority",
            "@new",
            "ssh-ed25519",
            "ssh-rsa",
            "AAAA",
            "BBBB",
            "!!!",
            "\t",
            "\u{feff}",
            "é",
        ];
        let line = prop::collection::vec(prop::sample::select(words.to_vec()), 0..7).prop_map(|words| words.join(" "));
        prop::collection::vec(prop_oneof![4 => line, 1 => any::<String>()], 0..6).prop_map(|lines| lines.join("\n"))
    }

    proptest! {
        #[test]
        fn a_host_is_trusted_by_a_line_that_names_it_alone(text in lines(), port in prop::sample::select(vec![22, 2222])) {
            let outcome = check(&text, "git.example", port);
            prop_assert!(outcome != "good" || text.contains("AAAA"), "{text}");
            // What is said of others, or to people, changes nothing.
            for line in ["\nother.example ssh-ed25519 AAAA", "\n# git.example ssh-ed25519 AAAA", "\ngit.example", "\n"] {
                prop_assert_eq!(check(&format!("{text}{line}"), "git.example", port), outcome, "{}", line);
            }
            // Nothing that stands before or after takes a revocation back.
            let revocation = format!("@revoked * {ED25519}");
            for text in [format!("{revocation}\n{text}"), format!("{text}\n{revocation}")] {
                prop_assert_eq!(check(&text, "git.example", port), "revoked");
            }
        }
    }
}
