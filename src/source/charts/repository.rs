//! Where charts are kept: an HTTP repository with its `index.yaml`, or an OCI registry.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Seek as _, SeekFrom, Write};

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName};

use super::archive::MAX_ARCHIVE_BYTES;
use super::error::ChartError;
use super::index::{self, IndexEntry, IndexedCharts, MAX_INDEX_BYTES};
use super::oci::{OciClient, OciRepository};
use super::version::VersionRange;
use crate::source::remote::{Credentials, FetchError, HttpClient, HttpRequest, HttpUrl};

/// A repository of charts. It is displayed without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChartRepository {
    /// A web server with an `index.yaml`.
    Http(HttpUrl),
    /// A folder of an OCI registry, whose charts are repositories in it.
    Oci(OciRepository),
}

/// A chart that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartRequest {
    /// Where it is.
    pub repository: ChartRepository,
    /// Its name.
    pub name: String,
    /// Which versions will do: the newest of them is meant.
    pub range: VersionRange,
    /// What the server asks for.
    pub credentials: Credentials,
}

/// What a repository lists, for all that is wanted of it.
pub(super) enum Listing {
    /// The charts of an index that are wanted.
    Index { charts: IndexedCharts, validators: Validators },
    /// The index has not changed since these validators were given.
    NotModified,
    /// All versions of a chart in a registry, the newest last.
    Tags(Vec<String>),
    /// Nothing was asked for: the version is known.
    Unlisted,
}

/// A version that a repository has.
pub(super) struct Found {
    pub(super) version: String,
    /// The SHA-256 of the archive in hexadecimal, where the repository gives it.
    pub(super) digest: Option<String>,
    pub(super) location: Location,
    pub(super) validators: Validators,
}

/// Where an archive is.
pub(super) enum Location {
    Url(HttpUrl),
    Blob { repository: OciRepository, digest: String },
}

/// With what a server can be asked whether an index has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl ChartRepository {
    /// Parses `https://…`, `http://…` or `oci://…`.
    ///
    /// # Errors
    ///
    /// Says what would be right, without credentials.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.trim().split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("oci") => OciRepository::parse(rest).map(Self::Oci),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") => {
                HttpUrl::parse(text).map(Self::Http)
            }
            _ => Err("write https://host/path or oci://host/path"),
        }
    }

    /// Whether it is read over TLS.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Http(url) => url.is_tls(),
            Self::Oci(_) => true,
        }
    }

    /// Whether this is another repository, or is below it on the same server.
    pub(super) fn begins_with(&self, other: &Self) -> bool {
        let is_below = |path: &str, prefix: &str| {
            let rest = path.trim_matches('/').strip_prefix(prefix.trim_matches('/'));
            rest.is_some_and(|rest| prefix.trim_matches('/').is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        match (self, other) {
            (Self::Http(url), Self::Http(other)) => url.has_same_origin(other) && is_below(url.path(), other.path()),
            (Self::Oci(repository), Self::Oci(other)) => {
                repository.registry().has_same_origin(other.registry()) && is_below(repository.path(), other.path())
            }
            (Self::Http(_), Self::Oci(_)) | (Self::Oci(_), Self::Http(_)) => false,
        }
    }

    /// Whether credentials fit it, and each other.
    ///
    /// # Errors
    ///
    /// Says which file is missing or does not fit.
    pub fn check(&self, credentials: &Credentials) -> Result<(), &'static str> {
        match self {
            Self::Http(url) => credentials.check(url.server()),
            Self::Oci(repository) => credentials.check(repository.registry().server()),
        }
    }

    /// A text that no two repositories share; it may hold secrets.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Http(url) => format!("{url} {} {}", url.target(), url.login_identity()),
            Self::Oci(repository) => format!("{repository} {}", repository.registry().login_identity()),
        }
    }
}

impl fmt::Display for ChartRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.to_string().trim_end_matches('/')),
            Self::Oci(repository) => repository.fmt(f),
        }
    }
}

impl fmt::Display for ChartRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.range)
    }
}

/// Asks the servers of one request.
pub(super) struct RepositoryClient<'a> {
    pub(super) http: &'a HttpClient,
    pub(super) request: &'a ChartRequest,
}

impl RepositoryClient<'_> {
    /// Asks for what the repository lists of these charts; of a registry, of the request's own.
    pub(super) fn list(&self, charts: &BTreeSet<&str>, known: &Validators) -> Result<Listing, ChartError> {
        match &self.request.repository {
            ChartRepository::Http(url) => self.read_index(url, charts, known),
            ChartRepository::Oci(_) if self.request.range.exact().is_some() => Ok(Listing::Unlisted),
            ChartRepository::Oci(folder) => {
                let repository = folder.child(&self.request.name);
                let versions = OciClient::new(self.http, &repository).versions();
                versions.map(Listing::Tags).map_err(|reason| self.failed(&repository, reason))
            }
        }
    }

    /// Which version the request means, by what the repository lists.
    pub(super) fn find(&self, listing: &Listing) -> Result<Found, ChartError> {
        match (&self.request.repository, listing) {
            (ChartRepository::Http(url), Listing::Index { charts, validators }) => {
                self.find_in_index(url, charts, validators.clone())
            }
            (ChartRepository::Oci(folder), listing) => self.find_tag(&folder.child(&self.request.name), listing),
            (ChartRepository::Http(url), Listing::NotModified | Listing::Tags(_) | Listing::Unlisted) => {
                Err(self.invalid(url, "it says that nothing has changed, and was not asked that"))
            }
        }
    }

    /// Writes the archive to `sink`.
    pub(super) fn download(&self, location: &Location, sink: &mut dyn Write) -> Result<(), ChartError> {
        match location {
            Location::Url(url) => {
                // The index may name another server, which gets no credentials.
                let is_ours = match &self.request.repository {
                    ChartRepository::Http(repository) => repository.has_same_origin(url),
                    ChartRepository::Oci(_) => false,
                };
                let login = if is_ours { self.basic_authorization(url)? } else { None };
                let request = HttpRequest { url, authorization: login, headers: &[], max_bytes: MAX_ARCHIVE_BYTES };
                let response = self.http.get(&request, sink).map_err(|reason| self.failed(url, reason))?;
                self.check_status(url, response.status, request.authorization.is_some())
            }
            Location::Blob { repository, digest } => {
                let mut oci = OciClient::new(self.http, repository);
                oci.blob(digest, sink).map_err(|reason| self.failed(repository, reason))
            }
        }
    }

    fn read_index(&self, url: &HttpUrl, charts: &BTreeSet<&str>, known: &Validators) -> Result<Listing, ChartError> {
        let index_url = url.as_folder().join("index.yaml").map_err(|reason| self.invalid(url, reason))?;
        let authorization = self.basic_authorization(url)?;
        let has_login = authorization.is_some();
        let headers = known.headers();
        let request = HttpRequest { url: &index_url, authorization, headers: &headers, max_bytes: MAX_INDEX_BYTES };
        // On disk, not in memory: an index may have tens of megabytes, and many sources may read theirs at once.
        let mut file = tempfile::tempfile().map_err(temporary_file)?;
        let response = self.http.get(&request, &mut file).map_err(|reason| self.failed(&index_url, reason))?;
        if response.status == StatusCode::NOT_MODIFIED && !headers.is_empty() {
            return Ok(Listing::NotModified);
        }
        self.check_status(&index_url, response.status, has_login)?;
        file.seek(SeekFrom::Start(0)).map_err(temporary_file)?;
        let charts = index::read(file, charts);
        let charts =
            charts.map_err(|reason| self.invalid(&index_url, &format!("it is no index of charts: {reason}")))?;
        Ok(Listing::Index { charts, validators: Validators::of(&response.headers) })
    }

    fn find_in_index(
        &self,
        url: &HttpUrl,
        charts: &IndexedCharts,
        validators: Validators,
    ) -> Result<Found, ChartError> {
        let Some(entries) = charts.get(&self.request.name) else {
            return Err(self.not_found("the repository has no chart of that name".to_owned()));
        };
        let Some(entry) = IndexEntry::newest(entries, &self.request.range) else {
            let newest: Vec<_> = entries.iter().map(|entry| entry.version.clone()).take(MAX_NAMED).collect();
            return Err(self.no_such_version(&newest));
        };
        let Some(location) = entry.urls.first() else {
            return Err(self.invalid(url, &format!("version {} has no URL", entry.version)));
        };
        let location = self.location(url, entry, location)?;
        Ok(Found { version: entry.version.clone(), digest: entry.sha256(), location, validators })
    }

    /// What a URL of an index means.
    fn location(&self, repository: &HttpUrl, entry: &IndexEntry, url: &str) -> Result<Location, ChartError> {
        let invalid = |reason: &str| {
            self.invalid(repository, &format!("the URL of version {} cannot be used: {reason}", entry.version))
        };
        if let Some(reference) = url.strip_prefix("oci://") {
            let (path, tag) = OciRepository::parse_tagged(reference).map_err(invalid)?;
            return self.find_manifest(&path, &tag.unwrap_or_else(|| super::oci::tag_of(&entry.version)));
        }
        let location = repository.as_folder().join(url).map_err(invalid)?;
        if repository.is_tls() && !location.is_tls() {
            return Err(invalid("it is http, and the repository's is https"));
        }
        Ok(Location::Url(location))
    }

    fn find_tag(&self, repository: &OciRepository, listing: &Listing) -> Result<Found, ChartError> {
        let range = &self.request.range;
        let version = match (range.exact(), listing) {
            (Some(exact), _) => exact.to_owned(),
            (None, Listing::Tags(versions)) => {
                let newest: Vec<_> = versions.iter().rev().take(MAX_NAMED).cloned().collect();
                let found = range.newest(versions, |version| version.as_str());
                found.cloned().ok_or_else(|| self.no_such_version(&newest))?
            }
            (None, _) => return Err(self.not_found("its tags were not listed".to_owned())),
        };
        let location = self.find_manifest(repository, &super::oci::tag_of(&version))?;
        let digest = match &location {
            Location::Blob { digest, .. } => Some(digest.clone()),
            Location::Url(_) => None,
        };
        Ok(Found { version, digest, location, validators: Validators::default() })
    }

    fn find_manifest(&self, repository: &OciRepository, tag: &str) -> Result<Location, ChartError> {
        let mut oci = OciClient::new(self.http, repository);
        let digest = oci.chart_digest(tag).map_err(|reason| self.failed(repository, reason))?;
        Ok(Location::Blob { repository: repository.clone(), digest })
    }

    fn basic_authorization(&self, url: &HttpUrl) -> Result<Option<hyper::header::HeaderValue>, ChartError> {
        self.http.basic_authorization(url).map_err(|reason| self.failed(url, reason))
    }

    fn check_status(&self, url: &HttpUrl, status: StatusCode, has_login: bool) -> Result<(), ChartError> {
        let files = || self.http.login_files();
        check_status(status, has_login, files).map_err(|reason| self.failed(url, reason))
    }

    fn failed(&self, url: &impl fmt::Display, reason: FetchError) -> ChartError {
        ChartError::Fetch { chart: self.request.to_string(), url: url.to_string(), reason }
    }

    fn invalid(&self, url: &impl fmt::Display, reason: &str) -> ChartError {
        let (chart, url) = (self.request.to_string(), url.to_string());
        ChartError::InvalidAnswer { chart, url, reason: reason.to_owned() }
    }

    fn not_found(&self, reason: String) -> ChartError {
        let ChartRequest { repository, .. } = self.request;
        ChartError::NotFound { chart: self.request.to_string(), url: repository.to_string(), reason }
    }

    fn no_such_version(&self, some: &[String]) -> ChartError {
        let some: Vec<String> = some.iter().map(|version| driftwall_core::text::truncate(version, 40)).collect();
        let has = if some.is_empty() { "none".to_owned() } else { some.join(", ") };
        self.not_found(format!("no version fits; the first that it has: {has}"))
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| {
            let text = headers.get(name)?.to_str().ok()?;
            (text.len() <= MAX_VALIDATOR).then(|| text.to_owned())
        };
        Self { etag: text(header::ETAG), last_modified: text(header::LAST_MODIFIED) }
    }

    fn headers(&self) -> Vec<(HeaderName, String)> {
        let etag = self.etag.iter().map(|etag| (header::IF_NONE_MATCH, etag.clone()));
        let time = self.last_modified.iter().map(|time| (header::IF_MODIFIED_SINCE, time.clone()));
        etag.chain(time).collect()
    }
}

/// What a status means where something was asked for with or without a login.
pub(super) fn check_status(
    status: StatusCode,
    has_login: bool,
    files: impl FnOnce() -> String,
) -> Result<(), FetchError> {
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if has_login => {
            Err(FetchError::Credentials { files: files() })
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(FetchError::NoCredentials),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(FetchError::NotFound),
        status => Err(FetchError::Server { reason: format!("its status is {status}") }),
    }
}

fn temporary_file(reason: std::io::Error) -> ChartError {
    ChartError::Store { action: "use a temporary file in", file: std::env::temp_dir(), reason }
}

/// How many versions an error names.
const MAX_NAMED: usize = 5;
/// The longest validator that is kept.
const MAX_VALIDATOR: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_https_http_or_oci() {
        for (text, shown, is_tls) in [
            ("https://charts.example/stable/", "https://charts.example/stable", true),
            ("http://chartmuseum:8080", "http://chartmuseum:8080", false),
            ("OCI://Registry.example:5000/charts", "oci://registry.example:5000/charts", true),
            ("https://u:s3cret@charts.example?x=s3cret", "https://charts.example", true),
        ] {
            let repository = ChartRepository::parse(text).unwrap();
            assert_eq!((repository.to_string().as_str(), repository.is_tls()), (shown, is_tls), "{text}");
        }
        for text in ["", "@stable", "charts.example", "s3://bucket/charts", "file://../common", "git@host:charts"] {
            assert!(ChartRepository::parse(text).is_err(), "{text}");
        }
    }
}
