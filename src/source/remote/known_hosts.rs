//! The host keys of SSH servers, in the form of OpenSSH's `known_hosts`.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::error::FetchError;

/// What is known of one host.
#[derive(Debug, Default)]
pub(super) struct KnownHost {
    /// As the file names it: `host`, or `[host]:port`.
    name: String,
    keys: Vec<(String, Vec<u8>)>,
    revoked: Vec<Vec<u8>>,
}

impl KnownHost {
    /// Reads what `text` has for a host. Lines that cannot be read are passed
    /// over, as OpenSSH does: they may be of a kind that is yet to come.
    pub(super) fn read(text: &str, host: &str, port: u16) -> Self {
        let name = if port == 22 { host.to_owned() } else { format!("[{host}]:{port}") };
        let mut known = Self { name, ..Self::default() };
        for line in text.lines() {
            known.line(line);
        }
        known
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_whitespace();
        let mut hosts = words.next().filter(|word| !word.starts_with('#'))?;
        let mark = hosts.starts_with('@').then_some(hosts);
        if mark.is_some() {
            hosts = words.next()?;
        }
        let (kind, key) = (words.next()?, words.next()?);
        if !is_for(hosts, &self.name) {
            return None;
        }
        let key = STANDARD.decode(key).ok()?;
        match mark {
            None => self.keys.push((kind.to_owned(), key)),
            Some("@revoked") => self.revoked.push(key),
            // libssh2 does not take certificates of hosts.
            Some(_) => {}
        }
        Some(())
    }

    /// The kinds of keys to ask the server for: it has several and shows one.
    pub(super) fn algorithms(&self) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for (kind, _) in &self.keys {
            let of_kind: &[&str] = match kind.as_str() {
                // One key, three ways to sign with it; the last is broken.
                "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"],
                "ecdsa-sha2-nistp256" => &["ecdsa-sha2-nistp256"],
                "ecdsa-sha2-nistp384" => &["ecdsa-sha2-nistp384"],
                "ecdsa-sha2-nistp521" => &["ecdsa-sha2-nistp521"],
                "ssh-ed25519" => &["ssh-ed25519"],
                _ => &[],
            };
            names.extend(of_kind.iter().filter(|name| !names.contains(name)).copied().collect::<Vec<_>>());
        }
        (!names.is_empty()).then(|| names.join(","))
    }

    /// Whether the server's key, as it came over the wire, is the known one.
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

/// Whether the first field of a line names the host.
fn is_for(field: &str, name: &str) -> bool {
    if let Some(rest) = field.strip_prefix("|1|") {
        return is_hash_of(rest, name).unwrap_or(false);
    }
    let mut found = false;
    for pattern in field.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if is_like(pattern, name) => return false,
            Some(_) => {}
            None => found |= is_like(pattern, name),
        }
    }
    found
}

/// `salt|hash`, as `ssh-keygen -H` writes it.
fn is_hash_of(text: &str, name: &str) -> Option<bool> {
    let (salt, hash) = text.split_once('|')?;
    let (salt, hash) = (STANDARD.decode(salt).ok()?, STANDARD.decode(hash).ok()?);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    Some(hmac::verify(&key, name.as_bytes(), &hash).is_ok())
}

/// `*` and `?`, without regard to case.
fn is_like(pattern: &str, name: &str) -> bool {
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
            // The last star takes one byte more.
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    (at, in_name) = (star_at + 1, taken + 1);
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

    const ED: &str = "ssh-ed25519 AAAA";
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
    fn the_line_of_the_host_decides() {
        for (text, host, port, outcome) in [
            (format!("git.example {ED} a comment"), "git.example", 22, "good"),
            (format!("Git.Example {ED}"), "git.example", 22, "good"),
            (format!("git.example {RSA}"), "git.example", 22, "changed"),
            (format!("git.example {RSA}\ngit.example {ED}"), "git.example", 22, "good"),
            (format!("git.example {ED}"), "other.example", 22, "unknown"),
            (format!("git.example {ED}"), "git.example", 2222, "unknown"),
            (format!("[git.example]:2222 {ED}"), "git.example", 2222, "good"),
            (format!("[::1]:2222 {ED}"), "::1", 2222, "good"),
            (format!("a,git.*,b {ED}"), "git.example", 22, "good"),
            (format!("*,!git.example {ED}"), "git.example", 22, "unknown"),
            (format!("g?t.ex*e {ED}"), "git.example", 22, "good"),
            (format!("@revoked * {ED}\ngit.example {ED}"), "git.example", 22, "revoked"),
            (format!("@cert-authority * {ED}"), "git.example", 22, "unknown"),
            (format!("# git.example {ED}"), "git.example", 22, "unknown"),
            ("git.example ssh-ed25519 !!!\n\ngit.example".to_owned(), "git.example", 22, "unknown"),
            (String::new(), "git.example", 22, "unknown"),
        ] {
            assert_eq!(check(&text, host, port), outcome, "{text}");
        }
    }

    #[test]
    fn hashed_names_are_understood() {
        // Made with `ssh-keygen -H`.
        let salt = [7; 20];
        let hash = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt), b"[git.example]:2222");
        let line = format!("|1|{}|{} {ED}", STANDARD.encode(salt), STANDARD.encode(hash));
        assert_eq!(check(&line, "git.example", 2222), "good");
        assert_eq!(check(&line, "git.example", 22), "unknown");
        assert_eq!(check("|1|x ssh-ed25519 AAAA", "git.example", 22), "unknown");
    }

    #[test]
    fn the_server_is_asked_for_the_known_kinds() {
        let known = KnownHost::read(&format!("h {RSA}\nh {ED}\nh {ED}\nh new-kind AAAA"), "h", 22);
        assert_eq!(known.algorithms().as_deref(), Some("rsa-sha2-512,rsa-sha2-256,ssh-ed25519"));
        assert_eq!(KnownHost::read("", "h", 22).algorithms(), None);
    }
}
