//! The path at which reviews are received.
//!
//! Whoever reaches the port could send reviews of its own; a path that nobody can guess
//! keeps out whoever does not know it.

use std::fmt;

/// The path at which reviews are received. `Debug` does not show it: it is a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ReviewPath(String);

/// A path that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPath {
    /// The path.
    pub path: ReviewPath,
    /// Whether another one takes its place: it is accepted until no API server uses it any more.
    pub is_former: bool,
}

/// How long a path may be.
const MAX_BYTES: usize = 253;

impl ReviewPath {
    /// The path that everybody knows. It stays in use where driftwall does not register itself.
    pub fn well_known() -> Self {
        Self("/validate".to_owned())
    }

    /// A path that cannot be guessed, of random bits.
    pub fn unguessable(random: u128) -> Self {
        Self(format!("/{random:032x}"))
    }

    /// Reads a path; `None` where an API server would not take it for the path of a Service.
    ///
    /// Each part between slashes must be a DNS subdomain: `ValidateWebhookService` in
    /// `k8s.io/apiserver/pkg/util/webhook/validation.go`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_usable = text.len() <= MAX_BYTES && text.strip_prefix('/')?.split('/').all(is_dns_subdomain);
        is_usable.then(|| Self(text.to_owned()))
    }

    /// The path itself. It must appear in the webhook configuration and nowhere else.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether everybody knows it.
    pub fn is_well_known(&self) -> bool {
        *self == Self::well_known()
    }
}

impl fmt::Debug for ReviewPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReviewPath")
    }
}

fn is_dns_subdomain(part: &str) -> bool {
    part.split('.').all(|label| {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_allowed) && !label.starts_with('-') && !label.ends_with('-')
    })
}

/// Splits a URL before its path.
fn split_url(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url[authority..].find('/').map_or(url.len(), |slash| authority + slash);
    url.split_at(path)
}

/// Whether the path of a configured URL is driftwall's to choose: not where the URL has a
/// path of its own, which a proxy in front of driftwall must know.
pub fn chooses_path_of(url: &str) -> bool {
    matches!(split_url(url).1, "" | "/" | "/validate")
}

/// The URL with this path, where driftwall chooses it.
pub(super) fn url_with_path(url: &str, path: &ReviewPath) -> String {
    if chooses_path_of(url) { format!("{}{}", split_url(url).0, path.as_str()) } else { url.to_owned() }
}

/// The path of a URL.
pub fn path_of_url(url: &str) -> &str {
    split_url(url).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_an_api_server_takes() {
        let long = format!("/{}", "a".repeat(300));
        for (text, is_path) in [
            ("/validate", true),
            ("/3f9c0a/x-1.y", true),
            ("/00000000000000000000000000000000", true),
            ("", false),
            ("/", false),
            ("validate", false),
            ("/Validate", false),
            ("/a//b", false),
            ("/a/", false),
            ("/a_b", false),
            ("/-a", false),
            ("/a?b", false),
            ("/a b", false),
            (long.as_str(), false),
        ] {
            assert_eq!(ReviewPath::parse(text).is_some(), is_path, "{text:?}");
        }
        let unguessable = ReviewPath::unguessable(7);
        assert_eq!(ReviewPath::parse(unguessable.as_str()).as_ref(), Some(&unguessable));
        assert_eq!(format!("{unguessable:?}"), "ReviewPath");
    }

    #[test]
    fn the_path_of_a_url_is_replaced_unless_it_has_one_of_its_own() {
        let path = ReviewPath::unguessable(1);
        for url in ["https://a.example", "https://a.example/", "https://a.example/validate"] {
            assert_eq!(url_with_path(url, &path), format!("https://a.example{}", path.as_str()), "{url}");
        }
        for url in ["https://[::1]:8443/proxy/validate", "https://a.example/reviews"] {
            assert_eq!(url_with_path(url, &path), url);
        }
        assert_eq!(path_of_url("https://[::1]:8443/proxy/validate"), "/proxy/validate");
    }
}
