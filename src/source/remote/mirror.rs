//! A source's repository on a server, kept as a bare one on this disk: what is
//! read is always the mirror, so an unreachable server takes nothing away.
//!
//! The mirror belongs to driftwall alone. It holds one reference, that of the
//! revision, `refs/driftwall/…`, which only moves to a commit that is there with
//! all its files; the newest stays when the server or the branch is gone. A
//! mirror that is damaged is cloned again into another folder, which then
//! replaces it.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags, Tree};
use tempfile::TempDir;

use super::super::libgit2;
use super::super::limits::MAX_FOLDER_DEPTH;
use super::budget::{CHECK_INTERVAL, FetchBudget, FetchLimits};
use super::context::{ContextGuard, FetchContext, TRANSPORT_URL};
use super::credentials::Credentials;
use super::error::FetchError;
use super::fetch::{fetch_all_refs, fetch_revision, parse_commit_id};
use super::url::Address;

/// A source's mirror. All its functions block; none may run on a thread of an asynchronous runtime.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    address: Address,
    revision: String,
    credentials: Credentials,
    limits: FetchLimits,
    /// Whether this process has verified that the recorded commit is there with all its files.
    is_verified: AtomicBool,
}

impl Mirror {
    /// The mirror of a source under the folder `data_dir`. Nothing is read or written before the first sync.
    ///
    /// Its own folder is named after the source and a hash of the address: sources
    /// never share one, and a new address never meets the objects of the old one.
    pub fn new(data_dir: &Path, source: &str, address: Address, revision: &str, credentials: Credentials) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = source.chars().take(40).map(plain).collect();
        let folder = data_dir.join(format!("{name}-{}.git", short_hash(&format!("{source}\0{address}"))));
        let (revision, limits) = (revision.to_owned(), FetchLimits::default());
        Self { folder, address, revision, credentials, limits, is_verified: AtomicBool::new(false) }
    }

    /// The same with other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: FetchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The bare repository; it exists after the first successful sync.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The repository that is mirrored.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The commit of the last successful sync of any process, without asking the
    /// server; `None` before the first.
    pub fn mirrored_commit(&self) -> Option<Oid> {
        libgit2::init();
        let git = self.open().ok()?;
        self.recorded_commit(&git)
    }

    /// The newest commit that could be read, of any process; `None` before the first.
    pub fn good_commit(&self) -> Option<Oid> {
        libgit2::init();
        self.open().ok()?.refname_to_id(&self.good_reference()).ok()
    }

    /// Remembers that this commit could be read: a restart begins with it. Without
    /// that (a disk that is full or read-only) a restart begins with nothing.
    pub fn record_good_commit(&self, commit: Oid) {
        let record = || self.open()?.reference(&self.good_reference(), commit, true, "").map(drop);
        if let Err(error) = record() {
            tracing::warn!(mirror = %self.folder.display(), %error, "Good commit not recorded");
        }
    }

    /// How long ago any process was last in step with the server; `None` where that is not known.
    pub fn age(&self) -> Option<Duration> {
        fs::metadata(self.folder.join(SYNC_MARK)).and_then(|mark| mark.modified()).ok()?.elapsed().ok()
    }

    /// Asks the server for the revision's commit, fetches it into the mirror if it is not there, and returns it.
    ///
    /// Where nothing has changed, this lists the server's references and no more.
    ///
    /// # Errors
    ///
    /// The fetch failed, or `cancel` was set, which ends it within a moment.
    pub fn sync(&self, cancel: &Arc<AtomicBool>) -> Result<Oid, FetchError> {
        self.with_lock(cancel, |budget| {
            let synced = if self.folder.exists() { self.update(budget) } else { Ok(self.clone_anew(budget)?) };
            let commit = match synced {
                Ok(commit) => commit,
                Err(UpdateError::Fetch(error)) => return Err(error),
                Err(UpdateError::Damaged(reason)) => {
                    tracing::warn!(mirror = %self.folder.display(), %reason, "Mirror is damaged, cloning it again");
                    self.clone_anew(budget)?
                }
            };
            // Its age is of use after a restart only: a disk that takes no more must not end the sync.
            if let Err(error) = fs::write(self.folder.join(SYNC_MARK), "") {
                tracing::debug!(mirror = %self.folder.display(), %error, "Time of the sync not recorded");
            }
            Ok(commit)
        })
    }

    /// Clones the mirror again, whatever its state: for callers that find an object unreadable.
    ///
    /// # Errors
    ///
    /// As for [`Self::sync`].
    pub fn reclone(&self, cancel: &Arc<AtomicBool>) -> Result<Oid, FetchError> {
        self.with_lock(cancel, |budget| self.clone_anew(budget))
    }

    /// Runs `work` while no other thread or process uses the mirror: the sync of
    /// an old configuration may still be under way when that of a new one begins.
    fn with_lock(
        &self,
        cancel: &Arc<AtomicBool>,
        work: impl FnOnce(&Arc<FetchBudget>) -> Result<Oid, FetchError>,
    ) -> Result<Oid, FetchError> {
        libgit2::init();
        let budget = FetchBudget::new(self.limits, cancel.clone());
        let _lock = self.lock(&budget)?;
        self.remove_leftovers();
        work(&budget)
    }

    fn lock(&self, budget: &FetchBudget) -> Result<File, FetchError> {
        let data_dir = self.data_dir();
        fs::create_dir_all(data_dir).map_err(io_error("create the data folder", data_dir))?;
        let path = self.folder.with_extension("lock");
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

    /// Removes what a process that was killed has left half done.
    fn remove_leftovers(&self) {
        let mut leftovers = entries_with_prefix(self.data_dir(), &self.temp_prefix());
        leftovers.extend(entries_with_prefix(&self.folder.join("objects/pack"), "pack_git2_"));
        for path in leftovers {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "Temporary files of an earlier process not removed");
            }
        }
    }

    fn data_dir(&self) -> &Path {
        self.folder.parent().unwrap_or(Path::new("."))
    }

    /// What the names of this mirror's temporary folders begin with.
    fn temp_prefix(&self) -> String {
        format!(".{}.", self.folder.file_stem().and_then(|name| name.to_str()).unwrap_or("mirror"))
    }

    /// A folder beside the mirror, on the same file system, so that it can be renamed.
    fn temp_folder(&self, purpose: &str) -> Result<TempDir, FetchError> {
        let prefix = format!("{}{purpose}.", self.temp_prefix());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(self.data_dir());
        folder.map_err(io_error("create a folder in", self.data_dir()))
    }

    /// Brings a mirror up to date.
    fn update(&self, budget: &Arc<FetchBudget>) -> Result<Oid, UpdateError> {
        let git = self.open().map_err(UpdateError::Damaged)?;
        let recorded = self.recorded_commit(&git);
        let commit = match self.fetch(&git, budget) {
            Ok(commit) => commit,
            Err(FetchError::Git { action, reason }) => {
                // libgit2's error may be about the server or about the disk.
                verify_history(&git, budget)?;
                return Err(UpdateError::Fetch(FetchError::Git { action, reason }));
            }
            Err(error) => return Err(UpdateError::Fetch(error)),
        };
        let is_same = recorded == Some(commit);
        if !is_same || !self.is_verified.load(Ordering::Relaxed) {
            verify_complete(&git, commit, budget)?;
        }
        if !is_same {
            self.record_commit(&git, commit)?;
        }
        self.is_verified.store(true, Ordering::Relaxed);
        if !is_same && entries_with_prefix(&self.folder.join("objects/pack"), "pack-").len() > 2 * MAX_PACKS {
            // Each fetch adds a pack, and libgit2 joins none; a new clone has one.
            tracing::info!(mirror = %self.folder.display(), "Mirror has too many packs, cloning it again");
            return Ok(self.clone_anew(budget)?);
        }
        Ok(commit)
    }

    /// Clones into a temporary folder, which replaces the mirror when it is complete.
    fn clone_anew(&self, budget: &Arc<FetchBudget>) -> Result<Oid, FetchError> {
        let new = self.temp_folder("new")?;
        let options = &mut RepositoryInitOptions::new();
        let git = Repository::init_opts(new.path(), options.bare(true).external_template(false))
            .map_err(|reason| FetchError::Git { action: "create the mirror", reason })?;
        let commit = self.fetch(&git, budget)?;
        match verify_complete(&git, commit, budget) {
            Ok(()) => {}
            Err(UpdateError::Damaged(reason)) => {
                return Err(FetchError::Git { action: "read what was fetched", reason });
            }
            Err(UpdateError::Fetch(error)) => return Err(error),
        }
        self.record_commit(&git, commit)?;
        if let Some(good) = self.good_commit()
            && git.find_commit(good).is_ok()
        {
            let kept = git.reference(&self.good_reference(), good, true, "");
            kept.map_err(|reason| FetchError::Git { action: "record the commit in the mirror", reason })?;
        }
        drop(git);
        if self.folder.exists() {
            let old = self.temp_folder("old")?;
            fs::rename(&self.folder, old.path().join("mirror")).map_err(io_error("move away", &self.folder))?;
        }
        fs::rename(new.path(), &self.folder).map_err(io_error("move the mirror to", &self.folder))?;
        self.is_verified.store(true, Ordering::Relaxed);
        Ok(commit)
    }

    fn fetch(&self, git: &Repository, budget: &Arc<FetchBudget>) -> Result<Oid, FetchError> {
        let (address, _guard) = match &self.address {
            Address::Local(folder) => (folder.to_string_lossy().into_owned(), None),
            Address::Remote(url) => {
                let (url, credentials, budget) = (url.clone(), self.credentials.clone(), budget.clone());
                (TRANSPORT_URL.to_owned(), Some(ContextGuard::new(FetchContext { url, credentials, budget })))
            }
        };
        match (fetch_revision(git, &address, &self.revision, budget), parse_commit_id(&self.revision)) {
            (Err(FetchError::Revision { .. }), Some(id)) => fetch_all_refs(git, &address, id, budget),
            (fetched, _) => fetched,
        }
    }

    fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open_ext(&self.folder, RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE, [] as [&str; 0])
    }

    /// The name of the reference that records the revision's commit.
    fn reference(&self) -> String {
        format!("{REFERENCE_PREFIX}{}", short_hash(&self.revision))
    }

    /// The name of the reference that records the revision's newest good commit.
    fn good_reference(&self) -> String {
        format!("{REFERENCE_PREFIX}good/{}", short_hash(&self.revision))
    }

    fn recorded_commit(&self, git: &Repository) -> Option<Oid> {
        git.refname_to_id(&self.reference()).ok()
    }

    /// Records the commit of the revision, and removes the references of other revisions.
    fn record_commit(&self, git: &Repository, commit: Oid) -> Result<(), FetchError> {
        let name = self.reference();
        let record = || -> Result<(), git2::Error> {
            git.reference(&name, commit, true, "")?;
            // For people who look into the mirror with Git.
            git.set_head_detached(commit)?;
            let good = self.good_reference();
            for other in git.references()? {
                let mut other = other?;
                if other.name().is_ok_and(|other| other != name && other != good) {
                    other.delete()?;
                }
            }
            Ok(())
        };
        record().map_err(|reason| FetchError::Git { action: "record the commit in the mirror", reason })
    }
}

/// Why a mirror was not brought up to date.
enum UpdateError {
    /// It cannot be read.
    Damaged(git2::Error),
    /// The fetch failed; the mirror is as good as it was.
    Fetch(FetchError),
}

impl From<FetchError> for UpdateError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

/// Whether a commit is there with all its files. Reads the headers of objects
/// only, which is enough to find a pack that is gone, truncated or does not fit its index.
fn verify_complete(git: &Repository, commit: Oid, budget: &FetchBudget) -> Result<(), UpdateError> {
    let tree = git.find_commit(commit).and_then(|commit| commit.tree()).map_err(UpdateError::Damaged)?;
    let odb = git.odb().map_err(UpdateError::Damaged)?;
    let mut trees: Vec<(Tree<'_>, usize)> = vec![(tree, 0)];
    // A small commit can have the same tree in ten billion places.
    let mut seen = HashSet::new();
    while let Some((tree, depth)) = trees.pop() {
        budget.check()?;
        for entry in &tree {
            match entry.kind() {
                // A deeper tree is refused when it is loaded.
                Some(ObjectType::Tree) if depth < MAX_FOLDER_DEPTH && seen.insert(entry.id()) => {
                    trees.push((git.find_tree(entry.id()).map_err(UpdateError::Damaged)?, depth + 1));
                }
                Some(ObjectType::Blob) => {
                    odb.read_header(entry.id()).map_err(UpdateError::Damaged)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether the whole history can be walked that a fetch builds on.
fn verify_history(git: &Repository, budget: &FetchBudget) -> Result<(), UpdateError> {
    let mut walk = git.revwalk().map_err(UpdateError::Damaged)?;
    walk.push_glob("refs/*").map_err(UpdateError::Damaged)?;
    for id in walk {
        budget.check()?;
        id.map_err(UpdateError::Damaged)?;
    }
    match git.head().and_then(|head| head.peel_to_commit()) {
        Ok(commit) => verify_complete(git, commit.id(), budget),
        Err(error) => Err(UpdateError::Damaged(error)),
    }
}

fn io_error(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> FetchError {
    let file = file.to_owned();
    move |reason| FetchError::Mirror { action, file, reason }
}

/// The entries of a folder whose names begin with `prefix`; none where it cannot be read.
fn entries_with_prefix(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            found.push(entry.path());
        }
    }
    found
}

/// The first sixteen hexadecimal digits of a text's SHA-256.
fn short_hash(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut hex = String::new();
    for byte in digest.as_ref().iter().take(8) {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Where driftwall's own references are.
/// The file in a mirror that is written at each sync: its time is the age of the mirror.
const SYNC_MARK: &str = "driftwall-synced";
const REFERENCE_PREFIX: &str = "refs/driftwall/";
/// About so many fetches until a mirror is cloned again: a pack is a file and its index.
const MAX_PACKS: usize = 500;
