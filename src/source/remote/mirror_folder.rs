//! The folder of a mirror on the disk: its name, its lock, what a process that was
//! killed leaves in it, and how many bytes it takes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use git2::Oid;
use tempfile::TempDir;

use super::budget::{CHECK_INTERVAL, FetchBudget};
use super::error::FetchError;
use super::objects::SHALLOW_TEMP_PREFIX;
use super::url::RemoteUrl;

/// The folder of a mirror, which may not exist yet.
#[derive(Clone, Debug)]
pub(super) struct MirrorFolder(PathBuf);

impl MirrorFolder {
    /// The folder of a repository's mirror under `data_dir`. `number` tells mirrors of
    /// the same repository apart that are fetched with different credentials: no
    /// secret, nor a hash of one, is in a name.
    pub(super) fn new(data_dir: &Path, url: &RemoteUrl, number: usize) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let path = url.path().trim_end_matches('/').trim_end_matches(".git");
        let last = path.rsplit(['/', ':']).next().unwrap_or(path);
        let name: String = last.chars().take(40).map(plain).collect();
        let id = if number == 0 { url.to_string() } else { format!("{url}\0{number}") };
        Self(data_dir.join(format!("{name}-{}.{EXTENSION}", short_hash(&id))))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn data_dir(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new("."))
    }

    /// Waits until no other thread or process uses the mirror. The lock ends with the file, also when the process
    /// is killed.
    pub(super) fn lock(&self, budget: &FetchBudget) -> Result<File, FetchError> {
        let data_dir = self.data_dir();
        fs::create_dir_all(data_dir).map_err(io_error("create the data folder", data_dir))?;
        let path = self.0.with_extension("lock");
        let file = File::create(&path).map_err(io_error("create the lock", &path))?;
        loop {
            budget.check()?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(CHECK_INTERVAL),
                Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
            }
        }
    }

    /// Removes what a process that was killed has left half done. Whoever calls it has the lock.
    pub(super) fn remove_leftovers(&self) {
        let mut leftovers = entries(self.data_dir(), |name| name.starts_with(&self.temp_prefix()));
        // libgit2 locks a file by another one beside it, which nobody removes for a killed process.
        let is_lock = |name: &str| has_ending(name, "lock") || name.starts_with(SHALLOW_TEMP_PREFIX);
        leftovers.extend(entries(&self.0, is_lock));
        for folder in REFERENCE_FOLDERS {
            leftovers.extend(entries(&self.0.join(folder), is_lock));
        }
        // A reference that a full disk cut short is none, and would be in the way of the next.
        leftovers
            .extend(self.reference_files().into_iter().filter(|(_, commit)| commit.is_none()).map(|(file, _)| file));
        let packs = self.packs_folder();
        leftovers.extend(entries(&packs, |name| name.starts_with(UNFINISHED_PACK)));
        // A pack without its index is not read: either may be the one that was still there or not there yet.
        leftovers.extend(entries(&packs, |name| {
            name.strip_suffix(".pack").is_some_and(|name| !packs.join(format!("{name}.idx")).exists())
        }));
        for path in leftovers {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "Temporary files of an earlier process not removed");
            }
        }
    }

    /// What the names of this mirror's temporary folders begin with.
    fn temp_prefix(&self) -> String {
        format!(".{}.", self.0.file_stem().and_then(OsStr::to_str).unwrap_or("mirror"))
    }

    /// A folder beside the mirror, on the same file system, so that it can be renamed.
    pub(super) fn temp_folder(&self, purpose: &str) -> Result<TempDir, FetchError> {
        let prefix = format!("{}{purpose}.", self.temp_prefix());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(self.data_dir());
        folder.map_err(io_error("create a folder in", self.data_dir()))
    }

    /// Puts another folder in the place of the mirror, which is removed.
    pub(super) fn replace_by(&self, new: &Path) -> Result<(), FetchError> {
        let old = self.temp_folder("old")?;
        if self.0.exists() {
            // What it knows of the last looks stays true; without it the age is unknown.
            let _ = fs::rename(self.0.join(LOOKS), new.join(LOOKS));
            fs::rename(&self.0, old.path().join("mirror")).map_err(io_error("move away", &self.0))?;
        }
        fs::rename(new, &self.0).map_err(io_error("move the mirror to", &self.0))
    }

    pub(super) fn packs_folder(&self) -> PathBuf {
        self.0.join("objects/pack")
    }

    /// The packs of the mirror, by their names without an ending.
    pub(super) fn packs(&self) -> Vec<PathBuf> {
        let indexes = entries(&self.packs_folder(), |name| name.starts_with("pack-") && has_ending(name, "idx"));
        indexes.into_iter().map(|index| index.with_extension("")).collect()
    }

    /// The mirror's references as they are on the disk, whatever else of it can be read.
    pub(super) fn references(&self) -> Vec<(String, Oid)> {
        let mut found = Vec::new();
        for (file, commit) in self.reference_files() {
            let name = file.strip_prefix(&self.0).ok().and_then(Path::to_str);
            if let (Some(name), Some(commit)) = (name, commit) {
                found.push((name.to_owned(), commit));
            }
        }
        found
    }

    /// The files of the references, with their commits; `None` for one that cannot be read.
    fn reference_files(&self) -> Vec<(PathBuf, Option<Oid>)> {
        let files = REFERENCE_FOLDERS.into_iter().flat_map(|folder| entries(&self.0.join(folder), |_| true));
        let files = files.filter(|file| file.is_file());
        files.map(|file| (file.clone(), commit_in(&file))).collect()
    }

    /// Removes what Git makes anew: everything but references and objects.
    pub(super) fn remove_settings(&self) {
        for name in ["HEAD", "config", "packed-refs", "shallow"] {
            // What cannot be removed is found again by whoever opens the repository.
            let _ = fs::remove_file(self.0.join(name));
        }
    }

    /// How many bytes the mirror takes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        let mut bytes = 0;
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                    Ok(metadata) => bytes += metadata.len(),
                    // It went away meanwhile.
                    Err(_) => {}
                }
            }
        }
        bytes
    }

    /// Records that the server named a revision's commit just now. It is of use
    /// after a restart only: a disk that takes no more must not end a look.
    pub(super) fn record_look(&self, revision: &str) {
        let folder = self.0.join(LOOKS);
        let recorded = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(short_hash(revision)), ""));
        if let Err(error) = recorded {
            tracing::debug!(mirror = %self.0.display(), %error, "Time of the sync not recorded");
        }
    }

    /// How long ago the server last named a revision's commit to any process; `None` where that is not known.
    pub(super) fn age(&self, revision: &str) -> Option<Duration> {
        age_of(&self.0.join(LOOKS).join(short_hash(revision)))
    }
}

/// Removes the mirrors beside those in `used` that nobody has used for a long time: of repositories that no
/// source names any more.
pub(in crate::source) fn remove_unused(used: &[PathBuf]) {
    let data_dirs: HashSet<&Path> = used.iter().filter_map(|folder| folder.parent()).collect();
    let is_mirror = |name: &str| has_ending(name, EXTENSION);
    for folder in data_dirs.into_iter().flat_map(|data_dir| entries(data_dir, is_mirror)) {
        let is_used = used.contains(&folder);
        // The mark of a look, now in a folder, once a file: nothing else is taken for a mirror.
        let last_used = age_of(&folder.join(LOOKS));
        if is_used || last_used.is_none_or(|age| age < UNUSED_AFTER) {
            continue;
        }
        match fs::remove_dir_all(&folder) {
            Ok(()) => {
                tracing::info!(mirror = %folder.display(), "Mirror removed, no source uses it");
                // Nobody waits for the lock of a mirror that is not there.
                let _ = fs::remove_file(folder.with_extension("lock"));
            }
            Err(error) => tracing::warn!(mirror = %folder.display(), %error, "Unused mirror not removed"),
        }
    }
}

/// Removes a pack. Its index goes first: a pack without one is not read.
pub(super) fn remove_pack(pack: &Path) -> Result<(), FetchError> {
    for ending in ["idx", "pack"] {
        let file = pack.with_extension(ending);
        fs::remove_file(&file).map_err(io_error("remove", &file))?;
    }
    Ok(())
}

/// The commit that a reference's file names.
fn commit_in(file: &Path) -> Option<Oid> {
    let text = fs::read_to_string(file).ok()?;
    let id = text.trim();
    if id.len() == 40 { Oid::from_str(id).ok() } else { None }
}

/// How long ago a file was written, or the newest in a folder.
fn age_of(file: &Path) -> Option<Duration> {
    let newest = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let within = fs::read_dir(file).into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    let written = within.chain(newest(file)).max()?;
    SystemTime::now().duration_since(written).ok()
}

pub(super) fn io_error(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> FetchError {
    let file = file.to_owned();
    move |reason| match reason.kind() {
        std::io::ErrorKind::StorageFull => FetchError::DiskFull { folder: file },
        _ => FetchError::Mirror { action, file, reason },
    }
}

/// The entries of a folder whose names are chosen; none where it cannot be read.
fn entries(folder: &Path, is_chosen: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(&is_chosen) {
            found.push(entry.path());
        }
    }
    found
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension() == Some(OsStr::new(ending))
}

/// The first sixteen hexadecimal digits of a text's SHA-256.
pub(super) fn short_hash(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut hex = String::new();
    for byte in digest.as_ref().iter().take(8) {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Where a mirror has its references.
const REFERENCE_FOLDERS: [&str; 2] = ["refs/driftwall", "refs/driftwall/good"];
/// The ending of a mirror's folder.
const EXTENSION: &str = "git";
/// A folder in a mirror with a file for each revision, whose time is that of the last look.
const LOOKS: &str = "driftwall-synced";
/// What the names of packs begin with that libgit2 has not finished.
const UNFINISHED_PACK: &str = "pack_git2_";
/// A mirror that no source uses is kept so long, for a source that comes back.
const UNUSED_AFTER: Duration = Duration::from_hours(7 * 24);
