//! Where a repository is: on this machine, or on an HTTP or SSH server. A
//! password or token in an address is taken out of it and never shown.

mod parts;

use std::fmt;
use std::path::{Path, PathBuf};

use super::secret::Secret;
use parts::{INVALID_HOST, http_path, is_host};
pub(super) use parts::{host_and_port, percent_decoded};

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A folder on this machine.
    Local(PathBuf),
    /// A server.
    Remote(RemoteUrl),
}

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
    /// SSH.
    Ssh,
}

/// A repository on a server. It is displayed without credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    scheme: Scheme,
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: Option<u16>,
    path: String,
    /// Whether it is written as by `scp`: `user@host:path`, where a path is relative to the user's home.
    is_scp: bool,
}

/// An address that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse the repository address `{value}`: {reason}")]
pub struct AddressError {
    /// What was written, without credentials.
    value: String,
    /// What is wrong, and what would be right.
    reason: &'static str,
}

impl Address {
    /// Parses an address. A relative path is relative to `folder`.
    ///
    /// # Errors
    ///
    /// Says what is wrong and what would be right, without credentials.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, AddressError> {
        let parsed = match text.split_once("://") {
            _ if text.is_empty() => Err(ADDRESS_FORMS),
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "file" => parse_file_url(rest),
                "http" => RemoteUrl::parse(Scheme::Http, rest).map(Self::Remote),
                "https" => RemoteUrl::parse(Scheme::Https, rest).map(Self::Remote),
                "ssh" => RemoteUrl::parse(Scheme::Ssh, rest).map(Self::Remote),
                _ => Err(ADDRESS_FORMS),
            },
            None => match text.split_once(':') {
                // Slashes are missing after a scheme, or a scheme before a login: that must not be shown as a path.
                Some((before, after)) if is_login(before, after) => Err(ADDRESS_FORMS),
                // A colon after a slash belongs to a folder's name, as for Git.
                Some((host, path)) if !host.contains('/') => RemoteUrl::parse_scp(host, path).map(Self::Remote),
                _ => Ok(Self::Local(folder.join(text))),
            },
        };
        parsed.map_err(|reason| AddressError { value: redacted(text), reason })
    }
}

impl AddressError {
    /// What is wrong, without what was written.
    pub(super) fn reason(&self) -> &'static str {
        self.reason
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

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Ssh => 22,
        }
    }
}

impl RemoteUrl {
    fn parse(scheme: Scheme, rest: &str) -> Result<Self, &'static str> {
        let (authority, path) = rest.split_once('/').ok_or(NO_PATH)?;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let (user, password) = match user {
            Some(login) => match login.split_once(':') {
                Some((user, password)) => (Some(percent_decoded(user)?), Some(percent_decoded(password)?)),
                None => (Some(percent_decoded(login)?), None),
            },
            None => (None, None),
        };
        let (host, port) = host_and_port(host)?;
        // One repository has one address, so that its sources share a mirror.
        let port = port.filter(|port| *port != scheme.default_port());
        let path = if scheme == Scheme::Ssh { path.trim_end_matches('/') } else { path };
        let path = match scheme {
            Scheme::Ssh if password.is_some() => return Err("an ssh address cannot have a password; set sshKeyFile"),
            // `ssh://host/~/gitops` is in the user's home.
            Scheme::Ssh if path.starts_with('~') => percent_decoded(path)?,
            Scheme::Ssh => percent_decoded(&format!("/{path}"))?,
            Scheme::Http | Scheme::Https => http_path(path)?,
        };
        if path.trim_matches('/').is_empty() {
            return Err(NO_PATH);
        }
        let user = user.filter(|user| !user.is_empty());
        Ok(Self { scheme, user, password: password.map(Secret::new), host, port, path, is_scp: false })
    }

    fn parse_scp(host: &str, path: &str) -> Result<Self, &'static str> {
        let (user, host) = match host.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()).filter(|user| !user.is_empty()), host),
            None => (None, host),
        };
        if user.as_ref().is_some_and(|user| user.contains(char::is_control)) {
            return Err("its user contains a control character");
        }
        let host = is_host(host).then(|| host.to_ascii_lowercase()).ok_or(INVALID_HOST)?;
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(NO_PATH);
        }
        // The server's `git-upload-pack` would take a leading dash for an option.
        if path.starts_with('-') || path.contains(char::is_control) {
            return Err("its path begins with a dash or contains a control character");
        }
        Ok(Self { scheme: Scheme::Ssh, user, password: None, host, port: None, path: path.to_owned(), is_scp: true })
    }

    /// The protocol.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The server's name or address, without the brackets of IPv6.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.scheme.default_port())
    }

    /// The user in the address.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The repository's path on the server: percent-encoded for HTTP, decoded for SSH.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// `host` or `host:port`, as in the address; IPv6 in brackets.
    pub(in crate::source) fn authority(&self) -> String {
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
            Scheme::Ssh if self.is_scp => write!(f, "{user}{authority}:{}", self.path),
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

/// Whether an address without `://` may be one with a login, by what is before and after its first colon.
fn is_login(before: &str, after: &str) -> bool {
    let is_path = before.starts_with(['/', '.']) && !before.contains("//");
    SCHEMES.contains(&before.trim().to_ascii_lowercase().as_str())
        || (after.contains('@') && !before.contains('@') && !is_path)
}

fn parse_file_url(rest: &str) -> Result<Address, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("file:// needs an absolute path, such as file:///srv/git/gitops");
    }
    Ok(Address::Local(percent_decoded(path)?.into()))
}

/// An address of any form, valid or not, without what may be a secret in it.
pub(in crate::source) fn redacted(text: &str) -> String {
    // Elsewhere it may be a part of a password.
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let start = text.find("://").filter(|at| is_scheme(&text[..*at])).map_or(0, |at| at + 3);
    let end = text.find(['?', '#']).unwrap_or(text.len()).max(start);
    let visible = match text[start..end].rfind('@') {
        // A password may hold `?` and `#` where it is not encoded: then nothing tells where it ends.
        _ if text[end..].contains('@') => format!("{}***", &text[..start]),
        Some(at) => format!("{}***{}", &text[..start], &text[start + at..end]),
        None => text[..end].to_owned(),
    };
    visible.chars().filter(|c| !c.is_control()).collect()
}

/// What stands before `://`, and is the name of no host.
const SCHEMES: [&str; 8] = ["file", "git", "git+ssh", "http", "https", "oci", "ssh", "ssh+git"];
const ADDRESS_FORMS: &str = "write a path, file:///path, https://host/path, ssh://user@host/path or user@host:path";
const NO_PATH: &str = "it names no repository after the host";

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
    fn paths_and_file_urls_are_repositories_on_this_machine() {
        for (text, folder) in [
            ("/srv/git/gitops", "/srv/git/gitops"),
            ("gitops.git", "/etc/driftwall/gitops.git"),
            ("./a:b", "/etc/driftwall/./a:b"),
            ("/srv/a:b@c", "/srv/a:b@c"),
            ("file:///srv/git/a%20b", "/srv/git/a b"),
            ("file://localhost/srv/git", "/srv/git"),
        ] {
            assert_eq!(parse(text), Ok(Address::Local(folder.into())), "{text}");
        }
    }

    #[test]
    fn the_parts_of_a_server_address_are_parsed() {
        use Scheme::{Http, Https, Ssh};
        for (text, scheme, user, host, port, path, display) in [
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
            assert_eq!(url.to_string(), display, "{text}");
        }
    }

    #[test]
    fn addresses_of_the_same_repository_are_equal() {
        for (one, other) in [
            ("https://git.example/a", "HTTPS://Git.Example:443/a/"),
            ("http://git.example:80/a", "http://git.example/a"),
            ("ssh://git@host:22/srv/a/", "ssh://git@host/srv/a"),
            ("git@host:a/", "git@host:a"),
        ] {
            assert_eq!(remote(one), remote(other));
        }
        for (one, other) in [
            ("https://git.example/a", "http://git.example/a"),
            ("https://git.example/a", "https://git.example:8443/a"),
            ("https://git.example/a", "https://git.example/A"),
            // Servers may have both.
            ("https://git.example/a", "https://git.example/a.git"),
            ("git@host:a", "ssh://git@host/a"),
            ("git@host:a", "other@host:a"),
            ("https://bot:a@git.example/a", "https://bot:b@git.example/a"),
        ] {
            assert_ne!(remote(one), remote(other));
        }
    }

    #[test]
    fn credentials_in_an_address_are_used_and_never_shown() {
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
    fn an_error_says_what_is_wrong_without_credentials() {
        for (text, words) in [
            ("", "write a path"),
            ("ftp://host/a", "write a path"),
            ("https://git.example", "names no repository"),
            ("https://git.example/", "names no repository"),
            ("https:///a", "host"),
            ("https://u:s3cret@ho st/a", "host"),
            ("https://u:s3cret@host:99999/a", "port"),
            ("https://host/a?access_token=s3cret", "`?`"),
            ("https://host/a b", "%XX"),
            ("https://u%zz:s3cret@host/a", "hexadecimal"),
            ("https://u:s3cret%0d%0a@host/a", "hexadecimal"),
            ("ssh://git:s3cret@host/a", "sshKeyFile"),
            ("ssh://-oProxyCommand=x/a", "host"),
            ("git@host:-x", "dash"),
            ("g\0t@host:a", "control"),
            ("git@host:", "names no repository"),
            ("file://srv/a", "absolute path"),
            ("ftp//u:s3cret@host:a", "write a path"),
            ("//u:s3cret@host/a", "write a path"),
            ("https:/u:s3cret@host/a", "write a path"),
            ("u:s3cret@host/a", "write a path"),
            ("u:s3cret://s3cret@host/a", "write a path"),
            ("HTTPS:u:s3cret@host/a", "write a path"),
            ("https://u:s3cret?s3cret@ho st/a", "host"),
            ("https://u:#s3cret@ho st/a", "host"),
            ("https://host/a?x=1@y&token=s3cret", "`?`"),
        ] {
            match parse(text) {
                Err(error) => {
                    let printed = format!("{error} {error:?}");
                    assert!(printed.contains(words) && !printed.contains("s3cret"), "{text}: {printed}");
                }
                Ok(address) => panic!("{text}: {address:?}"),
            }
        }
    }
}
