//! The charts on this disk: archives by their digest, and which of them each
//! request meant last. So nothing is fetched twice, and a repository that is away
//! takes nothing away.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::archive;
use super::error::ChartError;
use super::repository::{ChartRepository, ChartRequest, Found, RepositoryClient, Validators};
use crate::source::remote::FetchLimits;

/// The charts under the data folder. All functions that ask a server block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartStore {
    folder: PathBuf,
    pub(super) limits: FetchLimits,
    max_bytes: u64,
}

/// The version and content that a request means.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ResolvedChart {
    /// The version, as the repository has it.
    pub version: String,
    /// The SHA-256 of its archive in hexadecimal.
    pub digest: String,
}

/// What is remembered of a request.
#[derive(Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) resolved: ResolvedChart,
    #[serde(default)]
    pub(super) validators: Validators,
}

/// The most bytes of archives that are kept: thousands of charts.
const MAX_STORE_BYTES: u64 = 1 << 30;
/// The most bytes of a record.
const MAX_RECORD_BYTES: u64 = 64 << 10;
/// An archive that was used so recently is not removed: a rendering may be about to read it.
const IN_USE: Duration = Duration::from_mins(10);

impl fmt::Display for ResolvedChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@sha256:{}", self.version, self.digest)
    }
}

impl FromStr for ResolvedChart {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (version, digest) = text.rsplit_once("@sha256:").ok_or("it is no version with a digest")?;
        Ok(Self { version: version.to_owned(), digest: digest.to_owned() })
    }
}

impl ChartStore {
    /// The charts under `data_dir`. Nothing is read or written before the first use.
    pub fn new(data_dir: &Path) -> Self {
        let limits = FetchLimits {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            total: Duration::from_mins(3),
            bytes: 256 << 20,
        };
        Self { folder: data_dir.join("charts"), limits, max_bytes: MAX_STORE_BYTES }
    }

    /// The same with other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: FetchLimits, max_bytes: u64) -> Self {
        self.limits = limits;
        self.max_bytes = max_bytes;
        self
    }

    /// What a request meant last, if its archive is still there; nobody is asked.
    pub fn last_resolved(&self, request: &ChartRequest) -> Option<ResolvedChart> {
        let resolved = self.record(request)?.resolved;
        self.has(&resolved.digest).then_some(resolved)
    }

    /// Remembers that a source could read a chart: a restart begins with it.
    pub fn record_good(&self, source: &str, request: &ChartRequest, resolved: &ResolvedChart) {
        let record = Record { resolved: resolved.clone(), validators: Validators::default() };
        self.write(&self.record_file(&format!("good {source}"), request), &record);
    }

    /// The newest chart that a source could read, of any process; `None` where it is not there any more.
    pub fn good(&self, source: &str, request: &ChartRequest) -> Option<ResolvedChart> {
        let resolved = read_record(&self.record_file(&format!("good {source}"), request))?.resolved;
        self.has(&resolved.digest).then_some(resolved)
    }

    /// How long ago any process was in step with the repository; `None` where that is not known.
    pub fn age(&self, request: &ChartRequest) -> Option<Duration> {
        fs::metadata(self.record_file("", request)).and_then(|file| file.modified()).ok()?.elapsed().ok()
    }

    /// An archive, whose digest is checked again.
    ///
    /// # Errors
    ///
    /// It is not there, or damaged; then it is removed, so that the next resolution fetches it again.
    pub fn open(&self, digest: &str) -> Result<File, ChartError> {
        let path = self.archive(digest);
        let failed = |reason| ChartError::Store { action: "read the chart", file: path.clone(), reason };
        let mut file = File::open(&path).map_err(failed)?;
        let actual = hash(&mut file).map_err(failed)?;
        if actual != digest {
            // What cannot be removed is found out again.
            let _ = fs::remove_file(&path);
            return Err(failed(io::Error::other("it is damaged; it will be fetched again")));
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        // The time says which archives are in use. Without it, one may be removed too early, and is fetched again.
        let _ = file.set_modified(SystemTime::now());
        Ok(file)
    }

    /// Fetches an archive and checks it; its digest.
    pub(super) fn fetch(&self, client: &RepositoryClient<'_>, found: &Found) -> Result<String, ChartError> {
        let request = client.request;
        let chart = || format!("{} {}", request.name, found.version);
        let folder = self.folder.join("archives");
        let failed = |reason| ChartError::Store { action: "write to", file: folder.clone(), reason };
        fs::create_dir_all(&folder).map_err(failed)?;
        self.make_room(&folder);
        let mut file = NamedTempFile::with_prefix_in(PARTIAL, &folder).map_err(failed)?;
        client.download(&found.location, file.as_file_mut())?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let actual = hash(file.as_file_mut()).map_err(failed)?;
        if let Some(promised) = found.digest.as_ref().filter(|promised| **promised != actual) {
            let promised_by = match request.repository {
                ChartRepository::Http(_) => "the index",
                ChartRepository::Oci(_) => "the manifest",
            };
            let (promised, url) = (driftwall_core::text::truncate(promised, 80), request.repository.to_string());
            return Err(ChartError::Digest { chart: chart(), url, actual, promised, promised_by });
        }
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let invalid = |reason: String| ChartError::InvalidArchive { chart: chart(), reason };
        if archive::file(file.as_file_mut(), "Chart.yaml").map_err(invalid)?.is_none() {
            return Err(invalid("it has no Chart.yaml".to_owned()));
        }
        file.persist(self.archive(&actual)).map_err(|error| failed(error.error))?;
        Ok(actual)
    }

    /// Removes what was used longest ago, until there is room for another archive,
    /// and what a process that was killed has left.
    fn make_room(&self, folder: &Path) {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if let Ok(metadata) = entry.metadata()
                && let Ok(used) = metadata.modified()
            {
                files.push((used, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        let now = SystemTime::now();
        for (used, size, path) in files {
            let is_partial = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PARTIAL));
            let is_in_use = now.duration_since(used).is_ok_and(|age| age < IN_USE);
            if is_in_use || !is_partial && bytes + archive::MAX_ARCHIVE_BYTES <= self.max_bytes {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => bytes -= size,
                Err(error) => tracing::warn!(path = %path.display(), %error, "Old chart not removed"),
            }
        }
    }

    pub(super) fn has(&self, digest: &str) -> bool {
        self.archive(digest).is_file()
    }

    fn archive(&self, digest: &str) -> PathBuf {
        // A digest comes from a server: nothing else may become part of a path.
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.folder.join("archives").join(if is_digest { format!("{digest}.tgz") } else { "none".to_owned() })
    }

    /// What is remembered of a request.
    pub(super) fn record(&self, request: &ChartRequest) -> Option<Record> {
        read_record(&self.record_file("", request))
    }

    /// The time of a record says when the repository was asked last.
    pub(super) fn touch(&self, request: &ChartRequest) {
        let record = File::options().append(true).open(self.record_file("", request));
        // Without it a restart believes the record to be older than it is.
        let _ = record.and_then(|record| record.set_modified(SystemTime::now()));
    }

    pub(super) fn write_record(&self, request: &ChartRequest, record: &Record) {
        self.write(&self.record_file("", request), record);
    }

    /// Writes a record. Without it, the repository is asked again.
    fn write(&self, file: &Path, record: &Record) {
        let folder = self.folder.join("records");
        let write = || {
            fs::create_dir_all(&folder)?;
            let mut temporary = NamedTempFile::with_prefix_in(PARTIAL, &folder)?;
            temporary.write_all(&serde_json::to_vec(record)?)?;
            temporary.persist(file).map_err(|error| error.error)?;
            io::Result::Ok(())
        };
        if let Err(error) = write() {
            tracing::warn!(file = %file.display(), %error, "Chart version not recorded");
        }
    }

    fn record_file(&self, purpose: &str, request: &ChartRequest) -> PathBuf {
        let ChartRequest { repository, name, range, credentials } = request;
        // Who asks with other credentials may see something else.
        let identity = format!("{purpose}\0{}\0{name}\0{range}\0{credentials:?}", repository.identity());
        let hash = digest::digest(&digest::SHA256, identity.as_bytes());
        self.folder.join("records").join(format!("{}.json", hex(hash.as_ref())))
    }
}

/// What the names of files begin with that are being written.
const PARTIAL: &str = ".partial-";

fn read_record(file: &Path) -> Option<Record> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(MAX_RECORD_BYTES).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn hash(file: &mut File) -> io::Result<String> {
    let mut context = digest::Context::new(&digest::SHA256);
    let mut chunk = vec![0; 64 << 10];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(context.finish().as_ref())),
            read => context.update(&chunk[..read]),
        }
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
