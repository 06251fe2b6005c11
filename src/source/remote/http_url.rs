//! Where something is on a web server: what a chart repository's index, a
//! registry's answer or a redirect names.

use std::fmt;
use std::path::Path;

use super::url::{Address, RemoteUrl, Scheme};

/// An `http://` or `https://` URL. It is displayed without login and query, which
/// may hold a signature or token.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    /// Scheme, host, port and login; its path is of no use.
    server: RemoteUrl,
    /// The path, percent-encoded; it begins with a slash.
    path: String,
    /// The query with its `?`; empty where there is none.
    query: String,
}

impl HttpUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    ///
    /// Says what is wrong, without the URL itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(FORMS)?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(FORMS);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let server = match Address::parse(&format!("{scheme}://{authority}/-"), Path::new("/")) {
            Ok(Address::Remote(server)) if server.scheme() != Scheme::Ssh => server,
            Ok(_) => return Err(FORMS),
            Err(error) => return Err(error.reason()),
        };
        let (path, query) = split_query(target);
        Ok(Self { server, path: normalized(path), query: encoded(query) })
    }

    /// What `reference` means in a document at this URL; a relative one keeps the query, as in Helm.
    ///
    /// # Errors
    ///
    /// As for [`Self::parse`].
    pub fn join(&self, reference: &str) -> Result<Self, &'static str> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        let scheme_end = reference.find("://").filter(|end| !reference[..*end].contains(['/', '?']));
        if scheme_end.is_some() {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}:{reference}", self.scheme()));
        }
        let (path, query) = split_query(reference);
        let path = if path.starts_with('/') {
            normalized(path)
        } else {
            let folder = &self.path[..self.path.rfind('/').map_or(0, |slash| slash + 1)];
            normalized(&format!("{folder}{path}"))
        };
        let query = if query.is_empty() { self.query.clone() } else { encoded(query) };
        Ok(Self { server: self.server.clone(), path, query })
    }

    /// This URL as a folder: a slash at its end.
    #[must_use]
    pub fn as_folder(&self) -> Self {
        Self { path: format!("{}/", self.path.trim_end_matches('/')), ..self.clone() }
    }

    /// The same with a query.
    #[must_use]
    pub(in crate::source) fn with_query(&self, parameters: &[(&str, &str)]) -> Self {
        let query: Vec<_> =
            parameters.iter().map(|(name, value)| format!("{name}={}", component_encoded(value))).collect();
        let before = self.query.trim_start_matches('?');
        let separator = if before.is_empty() || query.is_empty() { "" } else { "&" };
        Self { query: format!("?{before}{separator}{}", query.join("&")), ..self.clone() }
    }

    /// Whether both are on the same server: what may be told one may be told the other.
    pub fn has_same_origin(&self, other: &Self) -> bool {
        (self.server.scheme(), self.server.host(), self.server.port())
            == (other.server.scheme(), other.server.host(), other.server.port())
    }

    /// Whether it is read over TLS.
    pub fn is_tls(&self) -> bool {
        self.server.scheme() == Scheme::Https
    }

    /// The path on the server, percent-encoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `host` or `host:port`.
    pub(in crate::source) fn authority(&self) -> String {
        self.server.authority()
    }

    pub(in crate::source) fn server(&self) -> &RemoteUrl {
        &self.server
    }

    /// The login in the URL, for a hash.
    pub(in crate::source) fn login_identity(&self) -> String {
        let password = self.server.password().map_or("", super::secret::Secret::reveal);
        format!("{}:{password}", self.server.user().unwrap_or_default())
    }

    /// What a request asks the server for.
    pub(in crate::source) fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }

    fn scheme(&self) -> &'static str {
        if self.is_tls() { "https" } else { "http" }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.server.authority(), self.path)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

fn split_query(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// A path that begins with a slash, without `.` and `..`.
fn normalized(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let is_folder = path.is_empty() || path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let end = if is_folder && !parts.is_empty() { "/" } else { "" };
    encoded(&format!("/{}{end}", parts.join("/")))
}

/// Encodes what cannot stand in a request; what is encoded already stays.
fn encoded(text: &str) -> String {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    encode(text, is_allowed)
}

/// Encodes a value of a query.
fn component_encoded(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte))
}

fn encode(text: &str, is_allowed: impl Fn(u8) -> bool) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_allowed(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

const FORMS: &str = "write https://host/path";

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> HttpUrl {
        HttpUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_url_is_shown_without_login_and_query() {
        for (text, shown, target) in [
            ("https://charts.example", "https://charts.example/", "/"),
            ("HTTPS://Charts.Example:8443/a//b/./c/", "https://charts.example:8443/a/b/c/", "/a/b/c/"),
            ("http://u:s3cret@host/a?token=s3cret#x", "http://host/a", "/a?token=s3cret"),
            ("https://host?x=1", "https://host/", "/?x=1"),
            ("https://[::1]:5000/a b", "https://[::1]:5000/a%20b", "/a%20b"),
        ] {
            let url = url(text);
            assert_eq!((url.to_string().as_str(), url.target().as_str()), (shown, target), "{text}");
            assert!(!format!("{url:?}").contains("s3cret"));
        }
        for text in ["", "charts.example", "ftp://host/a", "https://", "https:///a", "https://u:s3cret@ho st/a"] {
            assert!(HttpUrl::parse(text).is_err_and(|error| !error.contains("s3cret")), "{text}");
        }
    }

    #[test]
    fn a_reference_is_resolved_against_the_document() {
        let index = url("https://host/charts/index.yaml");
        for (reference, expected) in [
            ("web-1.0.0.tgz", "https://host/charts/web-1.0.0.tgz"),
            ("./a/../web.tgz", "https://host/charts/web.tgz"),
            ("../../../web.tgz", "https://host/web.tgz"),
            ("/web.tgz", "https://host/web.tgz"),
            ("//cdn.example/web.tgz", "https://cdn.example/web.tgz"),
            ("http://cdn.example/web.tgz", "http://cdn.example/web.tgz"),
            ("web.tgz?from=https://x", "https://host/charts/web.tgz"),
            ("web-1.0.0+b 1.tgz", "https://host/charts/web-1.0.0+b%201.tgz"),
        ] {
            assert_eq!(index.join(reference).unwrap().to_string(), expected, "{reference}");
        }
        let with_query = url("https://host/charts?t=1").as_folder().join("index.yaml").unwrap();
        assert_eq!(with_query.target(), "/charts/index.yaml?t=1");
        assert_eq!(
            with_query.with_query(&[("scope", "repository:a b:pull")]).target(),
            "/charts/index.yaml?t=1&scope=repository:a%20b:pull"
        );
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let here = url("https://host/a");
        for (other, expected) in [
            ("https://HOST:443/b", true),
            ("http://host/a", false),
            ("https://host:444/a", false),
            ("https://host.example/a", false),
        ] {
            assert_eq!(here.has_same_origin(&url(other)), expected, "{other}");
        }
    }
}
