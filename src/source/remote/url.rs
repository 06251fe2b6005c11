//! Where a repository is: on this machine, or over HTTP or SSH. A password or
//! token inside an address is taken out of it and never shown again.

use std::fmt;
use std::path::{Path, PathBuf};

use super::credentials::Secret;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder on this machine.
    Local(PathBuf),
    /// A server.
    Remote(RemoteUrl),
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP, only where it was written so.
    Http,
    /// HTTP over TLS.
    Https,
    /// SSH.
    Ssh,
}

/// A repository on a server. It shows itself without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    scheme: Scheme,
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: Option<u16>,
    path: String,
    /// Written as `user@host:path`, where a path is relative to the user's home.
    scp: bool,
}

/// An address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no address of a repository: {reason}")]
pub struct AddressError {
    /// What was written, without credentials.
    value: String,
    /// What is wrong, and what would be right.
    reason: &'static str,
}

impl Address {
    /// Reads an address. A relative path is relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, AddressError> {
        let read = match text.split_once("://") {
            _ if text.is_empty() => Err(FORMS),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "file" => local(rest),
                "http" => RemoteUrl::parse(Scheme::Http, rest).map(Self::Remote),
                "https" => RemoteUrl::parse(Scheme::Https, rest).map(Self::Remote),
                "ssh" => RemoteUrl::parse(Scheme::Ssh, rest).map(Self::Remote),
                _ => Err(FORMS),
            },
            None => match text.split_once(':') {
                // A colon after a slash belongs to the name of a folder, as for Git.
                Some((host, path)) if !host.contains('/') => RemoteUrl::scp(host, path).map(Self::Remote),
                _ => Ok(Self::Local(folder.join(text))),
            },
        };
        read.map_err(|reason| AddressError { value: redacted(text), reason })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => folder.display().fmt(f),
            Self::Remote(url) => url.fmt(f),
        }
    }
}

impl RemoteUrl {
    fn parse(scheme: Scheme, rest: &str) -> Result<Self, &'static str> {
        let (authority, path) = rest.split_once('/').ok_or("it names no repository after the host")?;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (user, password) = match user.map(|user| user.split_once(':').map_or((user, None), |(u, p)| (u, Some(p)))) {
            Some((user, password)) => (Some(decoded(user)?), password.map(decoded).transpose()?),
            None => (None, None),
        };
        let (host, port) = host_and_port(host)?;
        let path = match scheme {
            Scheme::Ssh if password.is_some() => return Err("SSH takes no password in the address: give sshKeyFile"),
            // `ssh://host/~/gitops` is in the user's home.
            Scheme::Ssh if path.starts_with('~') => decoded(path)?,
            Scheme::Ssh => decoded(&format!("/{path}"))?,
            Scheme::Http | Scheme::Https => web_path(path)?,
        };
        if path.trim_matches('/').is_empty() {
            return Err("it names no repository after the host");
        }
        let user = user.filter(|user| !user.is_empty());
        Ok(Self { scheme, user, password: password.map(Secret::new), host, port, path, scp: false })
    }

    fn scp(host: &str, path: &str) -> Result<Self, &'static str> {
        let (user, host) = match host.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), host),
            None => (None, host),
        };
        let host = is_host(host).then(|| host.to_ascii_lowercase()).ok_or(HOST)?;
        if path.is_empty() {
            return Err("it names no repository after the host");
        }
        // The server would take it for an option of its program.
        if path.starts_with('-') || path.contains(char::is_control) {
            return Err("its path begins with a dash or has a control character");
        }
        Ok(Self { scheme: Scheme::Ssh, user, password: None, host, port: None, path: path.to_owned(), scp: true })
    }

    /// How the server is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The server's name or address, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Ssh => 22,
        })
    }

    /// The user in the address.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The repository on the server: for HTTP as it is sent, for SSH as the server's Git takes it.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// `host` or `host:port`, as HTTP and known hosts of other ports want it.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An HTTP user may be the token itself; an SSH user is as public as the host.
        let user = self.user.as_ref().filter(|_| self.scheme == Scheme::Ssh);
        let user = user.map_or(String::new(), |user| format!("{user}@"));
        let (authority, path) = (self.authority(), self.path.trim_start_matches('/'));
        match self.scheme {
            Scheme::Ssh if self.scp => write!(f, "{user}{authority}:{}", self.path),
            Scheme::Ssh => write!(f, "ssh://{user}{authority}/{path}"),
            Scheme::Http => write!(f, "http://{authority}/{path}"),
            Scheme::Https => write!(f, "https://{authority}/{path}"),
        }
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}

fn local(rest: &str) -> Result<Address, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("file:// takes a full path, such as file:///srv/git/gitops");
    }
    Ok(Address::Local(decoded(path)?.into()))
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(HOST)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| HOST)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(HOST)?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if !text.starts_with('[') && !is_host(host) {
        return Err(HOST);
    }
    let port = port.filter(|port| !port.is_empty()).map(|port| match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("its port is no number from 1 to 65535"),
    });
    Ok((host.to_ascii_lowercase(), port.transpose()?))
}

fn is_host(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && !text.starts_with(['-', '.']) && text.bytes().all(is_fit)
}

fn web_path(path: &str) -> Result<String, &'static str> {
    if path.contains(['?', '#']) {
        return Err("a repository's address has no `?` and no `#`");
    }
    if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f || !byte.is_ascii()) {
        return Err("its path has a character that must be written as %XX");
    }
    Ok(format!("/{}", path.trim_end_matches('/')))
}

/// `%XX` read; the result has no control characters, which no name needs and which would end a line of a protocol.
fn decoded(text: &str) -> Result<String, &'static str> {
    const BAD: &str = "it has a `%` that is not followed by two hexadecimal digits of a readable character";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2).ok_or(BAD)?;
        let value = std::str::from_utf8(digits.0).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        bytes.push(value.and_then(|value| u8::from_str_radix(value, 16).ok()).ok_or(BAD)?);
        rest = digits.1;
    }
    let text = String::from_utf8(bytes).map_err(|_| BAD)?;
    if text.contains(char::is_control) { Err(BAD) } else { Ok(text) }
}

/// An address of any form, good or bad, without what may be a secret in it.
pub(super) fn redacted(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text.find(['?', '#']).unwrap_or(text.len()).max(start);
    let shown = match text[start..end].rfind('@') {
        Some(at) => format!("{}***{}", &text[..start], &text[start + at..end]),
        None => text[..end].to_owned(),
    };
    shown.chars().filter(|c| !c.is_control()).collect()
}

const FORMS: &str = "write a path, file:///path, https://host/path, ssh://user@host/path or user@host:path";
const HOST: &str = "its host is no name or address; IPv6 stands in brackets";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, Path::new("/etc/driftwall"))
    }

    fn remote(text: &str) -> RemoteUrl {
        match parse(text) {
            Ok(Address::Remote(url)) => url,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn paths_stay_on_this_machine() {
        for (text, folder) in [
            ("/srv/git/gitops", "/srv/git/gitops"),
            ("gitops.git", "/etc/driftwall/gitops.git"),
            ("./a:b", "/etc/driftwall/./a:b"),
            ("file:///srv/git/a%20b", "/srv/git/a b"),
            ("file://localhost/srv/git", "/srv/git"),
        ] {
            assert_eq!(parse(text), Ok(Address::Local(folder.into())), "{text}");
        }
    }

    #[test]
    fn servers_are_told_apart() {
        use Scheme::{Http, Https, Ssh};
        for (text, scheme, user, host, port, path, shown) in [
            ("https://git.example/a/b.git", Https, None, "git.example", 443, "/a/b.git", "https://git.example/a/b.git"),
            ("HTTPS://Git.Example:8443/a/", Https, None, "git.example", 8443, "/a", "https://git.example:8443/a"),
            ("http://gitea.git.svc/a", Http, None, "gitea.git.svc", 80, "/a", "http://gitea.git.svc/a"),
            ("https://[::1]:8443/a", Https, None, "::1", 8443, "/a", "https://[::1]:8443/a"),
            ("ssh://git@host:2222/srv/a", Ssh, Some("git"), "host", 2222, "/srv/a", "ssh://git@host:2222/srv/a"),
            ("ssh://host/~/a", Ssh, None, "host", 22, "~/a", "ssh://host/~/a"),
            ("git@host:acme/a.git", Ssh, Some("git"), "host", 22, "acme/a.git", "git@host:acme/a.git"),
            ("host:/srv/a", Ssh, None, "host", 22, "/srv/a", "host:/srv/a"),
        ] {
            let url = remote(text);
            assert_eq!((url.scheme(), url.user(), url.host()), (scheme, user, host), "{text}");
            assert_eq!((url.port(), url.path()), (port, path), "{text}");
            assert_eq!(url.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn credentials_are_taken_out_and_not_shown() {
        let url = remote("https://bot:t0k%40en@git.example/a");
        assert_eq!(url.user(), Some("bot"));
        assert_eq!(url.password().map(Secret::reveal), Some("t0k@en"));
        let token_alone = remote("https://t0ken@git.example/a");
        for url in [url, token_alone] {
            let all = format!("{url} {url:?} {:?}", Address::Remote(url.clone()));
            assert!(!all.contains("t0k"), "{all}");
        }
    }

    #[test]
    fn bad_addresses_say_what_is_right_and_keep_secrets() {
        for (text, words) in [
            ("", "write a path"),
            ("ftp://host/a", "write a path"),
            ("https://git.example", "names no repository"),
            ("https://git.example/", "names no repository"),
            ("https:///a", "host"),
            ("https://u:s3cret@ho st/a", "host"),
            ("https://u:s3cret@host:99999/a", "port"),
            ("https://host/a?access_token=s3cret", "no `?`"),
            ("https://host/a b", "%XX"),
            ("https://u%zz:s3cret@host/a", "hexadecimal"),
            ("https://u:s3cret%0d%0a@host/a", "hexadecimal"),
            ("ssh://git:s3cret@host/a", "sshKeyFile"),
            ("ssh://-oProxyCommand=x/a", "host"),
            ("git@host:-x", "dash"),
            ("git@host:", "names no repository"),
            ("file://srv/a", "full path"),
            ("ftp//u:s3cret@host:a", "write a path"),
        ] {
            match parse(text) {
                Err(error) => {
                    let shown = format!("{error} {error:?}");
                    assert!(shown.contains(words) && !shown.contains("s3cret"), "{text}: {shown}");
                }
                // A path that does not exist is told when it is read.
                Ok(Address::Local(_)) if text.starts_with("ftp//") => {}
                Ok(address) => panic!("{text}: {address:?}"),
            }
        }
    }
}
