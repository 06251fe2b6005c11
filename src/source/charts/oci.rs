//! Charts in OCI registries, by the distribution specification: tags, manifests
//! and blobs, with a token where the registry asks for one.
//!
//! This is a small part of the specification, and the HTTP stack is the same as
//! for Git: a client crate for registries would bring another with it.

use std::fmt;
use std::io::Write;

use aws_lc_rs::digest;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::archive::MAX_ARCHIVE_BYTES;
use super::repository::check_status;
use super::store::hex;
use crate::source::remote::{FetchError, HttpClient, HttpRequest, HttpUrl};

/// A repository of a registry, or a folder of repositories.
#[derive(Clone, PartialEq, Eq)]
pub struct OciRepository {
    /// The registry; its path is `/`.
    registry: HttpUrl,
    /// `charts/web`.
    path: String,
}

impl OciRepository {
    /// Parses what follows `oci://`.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (authority, path) = text.split_once('/').unwrap_or((text, ""));
        // Docker Hub's registry has another name than its images.
        let authority = match authority.rsplit_once('@') {
            Some((login, "docker.io")) => format!("{login}@registry-1.docker.io"),
            None if authority.eq_ignore_ascii_case("docker.io") => "registry-1.docker.io".to_owned(),
            _ => authority.to_owned(),
        };
        let registry = HttpUrl::parse(&format!("https://{authority}/"))?;
        let path = path.trim_matches('/').to_owned();
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        let is_part = |part: &str| !part.is_empty() && part.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_path = path.chars().all(is_allowed) && path.split('/').all(is_part);
        if !path.is_empty() && !is_path {
            return Err("the path of an OCI repository has lower-case letters, digits, `.`, `_` and `-`, and no tag");
        }
        Ok(Self { registry, path })
    }

    /// Parses what follows `oci://`, with a tag or digest at its end.
    pub(super) fn parse_tagged(text: &str) -> Result<(Self, Option<String>), &'static str> {
        let name_start = text.rfind('/').map_or(0, |slash| slash + 1);
        let (path, reference) = match text.rsplit_once('@').filter(|(_, end)| end.starts_with("sha256:")) {
            Some((path, digest)) => (path, Some(digest)),
            None => match text[name_start..].rfind(':') {
                Some(colon) => (&text[..name_start + colon], Some(&text[name_start + colon + 1..])),
                None => (text, None),
            },
        };
        if !reference.is_none_or(is_reference) {
            return Err("its tag is none");
        }
        Ok((Self::parse(path)?, reference.map(str::to_owned)))
    }

    /// A repository in this folder.
    pub(super) fn child(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { registry: self.registry.clone(), path }
    }

    /// The folder and the name of the last part of the path.
    pub fn split(&self) -> Option<(Self, &str)> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        (!name.is_empty()).then(|| (Self { registry: self.registry.clone(), path: folder.to_owned() }, name))
    }

    /// The registry's address, for credentials.
    pub fn registry(&self) -> &HttpUrl {
        &self.registry
    }

    /// The path in the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    fn url(&self, rest: &str) -> Result<HttpUrl, FetchError> {
        self.registry
            .join(&format!("/v2/{}/{rest}", self.path))
            .map_err(|reason| FetchError::Server { reason: format!("its address cannot be used: {reason}") })
    }
}

impl fmt::Display for OciRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.registry.authority();
        if self.path.is_empty() { write!(f, "oci://{registry}") } else { write!(f, "oci://{registry}/{}", self.path) }
    }
}

impl fmt::Debug for OciRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OciRepository({self})")
    }
}

/// The tag of a version: tags cannot have a `+`.
pub(super) fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// Whether a text is a tag or digest, and can stand in a path.
fn is_reference(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    !text.is_empty() && text.len() <= 128 && text.chars().all(is_allowed) && !text.starts_with(['.', '-'])
}

/// Asks a registry for a repository.
pub(super) struct OciClient<'a> {
    http: &'a HttpClient,
    repository: &'a OciRepository,
    /// What the registry wants to see, once it has asked.
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> OciClient<'a> {
    pub(super) fn new(http: &'a HttpClient, repository: &'a OciRepository) -> Self {
        Self { http, repository, authorization: None }
    }

    /// All versions that the repository has, the newest last.
    pub(super) fn versions(&mut self) -> Result<Vec<String>, FetchError> {
        let mut versions = Vec::new();
        let mut url = self.repository.url("tags/list")?.with_query(&[("n", "1000")]);
        for _ in 0..MAX_PAGES {
            let mut page = Vec::new();
            let headers = self.get(&url, &[], MAX_PAGE_BYTES, &mut page)?;
            let list: TagList = serde_json::from_slice(&page).map_err(|_| invalid("it lists no tags"))?;
            for tag in list.tags.unwrap_or_default() {
                let version = tag.replace('_', "+");
                if let Ok(parsed) = semver::Version::parse(&version) {
                    versions.push((parsed, version));
                }
            }
            let Some(next) = next_page(&headers) else {
                versions.sort();
                return Ok(versions.into_iter().map(|(_, version)| version).collect());
            };
            url = match url.join(&next) {
                Ok(next) if next.has_same_origin(&url) => next,
                _ => return Err(invalid("the next page of its tags is on another server")),
            };
        }
        Err(invalid("its list of tags has no end"))
    }

    /// The SHA-256 of the archive of the chart with a tag or digest.
    pub(super) fn chart_digest(&mut self, reference: &str) -> Result<String, FetchError> {
        if !is_reference(reference) {
            return Err(FetchError::NotFound);
        }
        let url = self.repository.url(&format!("manifests/{reference}"))?;
        let mut bytes = Vec::new();
        self.get(&url, &[(header::ACCEPT, MANIFEST.to_owned())], MAX_PAGE_BYTES, &mut bytes)?;
        if let Some(expected) = reference.strip_prefix("sha256:") {
            let actual = hex(digest::digest(&digest::SHA256, &bytes).as_ref());
            if actual != expected {
                return Err(invalid(&format!("the manifest's digest is sha256:{actual}, not {reference}")));
            }
        }
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|_| invalid("it is no image manifest"))?;
        let is_chart = |layer: &&Descriptor| CHART_LAYERS.contains(&layer.media_type.as_str());
        let layer = manifest.layers.iter().find(is_chart);
        let layer = layer.ok_or_else(|| invalid("it is no Helm chart: its manifest has no layer with a chart"))?;
        let digest = layer.digest.strip_prefix("sha256:").unwrap_or_default();
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid("the digest of the chart's layer is no SHA-256"));
        }
        Ok(digest.to_ascii_lowercase())
    }

    /// Writes a blob to `sink`. Its digest is not checked here.
    pub(super) fn blob(&mut self, digest: &str, sink: &mut dyn Write) -> Result<(), FetchError> {
        let url = self.repository.url(&format!("blobs/sha256:{digest}"))?;
        self.get(&url, &[], MAX_ARCHIVE_BYTES, sink).map(drop)
    }

    /// Asks once, and once more with what the registry wants to see.
    fn get(
        &mut self,
        url: &HttpUrl,
        headers: &[(header::HeaderName, String)],
        max_bytes: u64,
        sink: &mut dyn Write,
    ) -> Result<HeaderMap, FetchError> {
        let request = |authorization| HttpRequest { url, authorization, headers, max_bytes };
        let mut response = self.http.get(&request(self.authorization.clone()), sink)?;
        // Only the registry itself may say where the login is to be sent.
        if response.status == StatusCode::UNAUTHORIZED && response.url.has_same_origin(url) {
            self.authorization = self.authorize(&response.headers)?;
            if self.authorization.is_some() {
                response = self.http.get(&request(self.authorization.clone()), sink)?;
            }
        }
        let has_login = self.http.basic_authorization(self.repository.registry())?.is_some();
        check_status(response.status, has_login, || self.http.login_files())?;
        Ok(response.headers)
    }

    /// What the registry wants to see, from its challenge.
    fn authorize(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, FetchError> {
        let login = self.http.basic_authorization(self.repository.registry())?;
        let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenges: Vec<Challenge> = challenges.filter_map(Challenge::parse).collect();
        let bearer = challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case("bearer"));
        let Some(bearer) = bearer else {
            let is_basic = challenges.iter().any(|challenge| challenge.scheme.eq_ignore_ascii_case("basic"));
            return Ok(login.filter(|_| is_basic));
        };
        self.token(bearer, login).map(Some)
    }

    /// Asks for a token where the registry says. That may be another server (Docker
    /// Hub, GitLab): the registry, which was reached over TLS, could ask for the
    /// login itself, so it may also name who is to get it, over TLS too.
    fn token(&self, challenge: &Challenge, login: Option<HeaderValue>) -> Result<HeaderValue, FetchError> {
        let realm = challenge.parameter("realm").and_then(|realm| HttpUrl::parse(realm).ok());
        let realm = realm.filter(HttpUrl::is_tls).ok_or_else(|| invalid("it names no https address for tokens"))?;
        let scope = format!("repository:{}:pull", self.repository.path);
        let mut parameters = vec![("scope", scope.as_str())];
        if let Some(service) = challenge.parameter("service") {
            parameters.insert(0, ("service", service));
        }
        let url = realm.with_query(&parameters);
        let has_login = login.is_some();
        let mut answer = Vec::new();
        let request = HttpRequest { url: &url, authorization: login, headers: &[], max_bytes: MAX_TOKEN_BYTES };
        let response = self.http.get(&request, &mut answer)?;
        check_status(response.status, has_login, || self.http.login_files())?;
        let answer: TokenAnswer = serde_json::from_slice(&answer).map_err(|_| invalid("it gives no token"))?;
        let token = answer.token.or(answer.access_token).ok_or_else(|| invalid("it gives no token"))?;
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| invalid("its token cannot be sent"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What a server asks for before it answers: `Bearer realm="…",service="…"`.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let mut parameters = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', ',']);
            if rest.is_empty() {
                break;
            }
            let (name, value) = rest.split_once('=')?;
            let (value, after) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => value.split_at(value.find(',').unwrap_or(value.len())),
            };
            parameters.push((name.trim().to_ascii_lowercase(), value.to_owned()));
            rest = after;
        }
        Some(Self { scheme: scheme.to_owned(), parameters })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The next page of a list: `Link: </v2/…>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|link| link.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.replace(['"', ' '], "").split(';').any(|parameter| parameter == "rel=next");
        is_next.then(|| target.to_owned())
    })
}

fn invalid(reason: &str) -> FetchError {
    FetchError::Server { reason: reason.to_owned() }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The layer with the archive; the second is that of Helm before 3.7.
const CHART_LAYERS: [&str; 2] = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
/// The most pages of tags.
const MAX_PAGES: usize = 100;
/// The most bytes of a page of tags or a manifest; registries keep manifests of 4 MiB.
const MAX_PAGE_BYTES: u64 = 4 << 20;
/// The most bytes of an answer with a token.
const MAX_TOKEN_BYTES: u64 = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_a_registry_and_a_path() {
        for (text, shown) in [
            ("registry.example", "oci://registry.example"),
            ("registry.example:5000/charts/", "oci://registry.example:5000/charts"),
            ("docker.io/acme/charts", "oci://registry-1.docker.io/acme/charts"),
            ("me:s3cret@registry.example/charts", "oci://registry.example/charts"),
        ] {
            assert_eq!(OciRepository::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "/charts", "registry.example/Charts", "host/../etc", "host/a//b", "host/a:1.0", "host/a b"] {
            assert!(OciRepository::parse(text).is_err(), "{text}");
        }
        let repository = OciRepository::parse("host/charts/web").unwrap();
        let (folder, name) = repository.split().unwrap();
        assert_eq!((folder.to_string().as_str(), name), ("oci://host/charts", "web"));
        assert_eq!(folder.child("web"), repository);
        assert!(OciRepository::parse("host").unwrap().split().is_none());
    }

    #[test]
    fn a_url_of_an_index_may_name_a_tag_or_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, shown, reference) in [
            ("host:5000/charts/web:1.2.3_b1", "oci://host:5000/charts/web", Some("1.2.3_b1")),
            ("host:5000/charts/web", "oci://host:5000/charts/web", None),
            (&format!("host/web@{digest}"), "oci://host/web", Some(digest.as_str())),
        ] {
            let (repository, found) = OciRepository::parse_tagged(text).unwrap();
            assert_eq!((repository.to_string().as_str(), found.as_deref()), (shown, reference));
        }
        assert!(OciRepository::parse_tagged("host/web:../x").is_err());
        assert_eq!(tag_of("1.2.3+b.1"), "1.2.3_b.1");
    }

    #[test]
    fn the_challenge_of_a_registry_is_read() {
        let challenge =
            r#"Bearer realm="https://auth.example/token", service=registry.example,scope="repository:a:pull,push""#;
        let challenge = Challenge::parse(challenge).unwrap();
        assert_eq!(challenge.scheme, "Bearer");
        assert_eq!(challenge.parameter("realm"), Some("https://auth.example/token"));
        assert_eq!(challenge.parameter("service"), Some("registry.example"));
        assert_eq!(challenge.parameter("scope"), Some("repository:a:pull,push"));
        assert_eq!(Challenge::parse("Basic").unwrap().parameters, []);
        assert_eq!(Challenge::parse("Basic realm=\"x"), None);
    }

    #[test]
    fn the_next_page_is_that_of_the_link_header() {
        let headers = |link: &'static str| HeaderMap::from_iter([(header::LINK, HeaderValue::from_static(link))]);
        let next = next_page(&headers("</v2/a/tags/list?last=1&n=2>; rel=\"next\""));
        assert_eq!(next.as_deref(), Some("/v2/a/tags/list?last=1&n=2"));
        assert_eq!(next_page(&headers("</v2/a>; rel=\"prev\"")), None);
        assert_eq!(next_page(&HeaderMap::new()), None);
    }
}
