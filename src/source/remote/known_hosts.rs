//! The host keys of SSH servers, in the form of OpenSSH's `known_hosts`.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::error::FetchError;

/// The keys that are known of one host.
#[derive(Debug, Default)]
pub(super) struct KnownHost {
    /// As `known_hosts` names it: `host`, or `[host]:port`.
    name: String,
    keys: Vec<(String, Vec<u8>)>,
    revoked: Vec<Vec<u8>>,
}

impl KnownHost {
    /// Reads the keys of a host from the content of a `known_hosts` file. Lines
    /// that cannot be parsed are skipped, as OpenSSH does: a later version may know them.
    pub(super) fn read(text: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut known = Self { name, ..Self::default() };
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
        if !names_host(hosts, &self.name) {
            return None;
        }
        let key = STANDARD.decode(key).ok()?;
        match marker {
            None => self.keys.push((key_type.to_owned(), key)),
            Some("@revoked") => self.revoked.push(key),
            // `@cert-authority`: libssh2 does not support host certificates.
            Some(_) => {}
        }
        Some(())
    }

    /// The algorithms to ask the server for, of the types of the known keys: a
    /// server has several keys and shows one. `None` where no key is known.
    pub(super) fn algorithms(&self) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for (key_type, _) in &self.keys {
            let of_type: &[&str] = match key_type.as_str() {
                // Of the three signatures of an RSA key, the third (SHA-1) is broken.
                "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"],
                "ecdsa-sha2-nistp256" => &["ecdsa-sha2-nistp256"],
                "ecdsa-sha2-nistp384" => &["ecdsa-sha2-nistp384"],
                "ecdsa-sha2-nistp521" => &["ecdsa-sha2-nistp521"],
                "ssh-ed25519" => &["ssh-ed25519"],
                _ => &[],
            };
            for name in of_type {
                if !names.contains(name) {
                    names.push(name);
                }
            }
        }
        (!names.is_empty()).then(|| names.join(","))
    }

    /// Whether the server's key, in its wire format, is a known one.
    pub(super) fn check(&self, key: &[u8]) -> Result<(), FetchError> {
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
fn matches_glob(pattern: &str, name: &str) -> bool {
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
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAA";
    const RSA: &str = "ssh-rsa BBBB";

    fn key(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    fn check(text: &str, host: &str, port: u16) -> &'static str {
        match KnownHost::read(text, host, port).check(&key("AAAA")) {
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
        assert_eq!(known.algorithms().as_deref(), Some("rsa-sha2-512,rsa-sha2-256,ssh-ed25519"));
        assert_eq!(KnownHost::read("", "h", 22).algorithms(), None);
    }
}
