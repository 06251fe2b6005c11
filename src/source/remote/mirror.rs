//! A source's repository on a server, kept as a bare one on this disk: what is
//! read is always the mirror, so a server that is away takes nothing away.
//!
//! The mirror belongs to driftwall alone. It holds one reference for each
//! revision that was followed, `refs/driftwall/…`, which only moves to a commit
//! that is there with all its files; the newest stays when the server or the
//! branch goes. A mirror that is damaged is made anew beside the old one, and
//! then takes its place.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use aws_lc_rs::digest;
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags, Tree};

use super::super::{GitError, MAX_DEPTH, prepare};
use super::budget::{FetchBudget, Limits, TICK};
use super::credentials::Credentials;
use super::error::{FetchError, RemoteError};
use super::fetch;
use super::transport::{ADDRESS, Call, Calling};
use super::url::Address;

/// A source's mirror. All its functions block; none may run on a thread of an asynchronous runtime.
#[derive(Debug)]
pub struct Mirror {
    folder: PathBuf,
    address: Address,
    revision: String,
    credentials: Credentials,
    limits: Limits,
    /// Whether this process has seen that the commit is there with all its files.
    is_checked: AtomicBool,
}

impl Mirror {
    /// The mirror of a source under the folder `data`. Nothing is touched before the first look.
    ///
    /// Its own folder is named after the source and a hash of the address: sources
    /// never share one, and another address never meets the old one's objects.
    pub fn new(data: &Path, source: &str, address: Address, revision: &str, credentials: Credentials) -> Self {
        let is_plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = source.chars().take(40).map(is_plain).collect();
        let folder = data.join(format!("{name}-{}.git", hash(&format!("{source}\0{address}"))));
        let (revision, limits) = (revision.to_owned(), Limits::default());
        Self { folder, address, revision, credentials, limits, is_checked: AtomicBool::new(false) }
    }

    /// Other limits than the usual ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The bare repository; there after the first successful look.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The commit of the last successful look of any process, without the server; `None` before the first.
    pub fn last(&self) -> Option<Oid> {
        prepare();
        self.open().ok().and_then(|git| self.kept(&git))
    }

    /// Looks at the server, brings the revision's commit into the mirror where it is not there, and returns it.
    ///
    /// Where nothing has moved, this lists the server's references and no more.
    /// `cancel` ends it within a moment, with an error.
    pub fn look(&self, cancel: &Arc<AtomicBool>) -> Result<Oid, GitError> {
        self.locked(cancel, |bounds| {
            if !self.folder.exists() {
                return self.make(bounds);
            }
            match self.renew(bounds) {
                Err(Trouble::Damaged(reason)) => {
                    tracing::warn!(mirror = %self.folder.display(), %reason, "Mirror is damaged and made anew");
                    self.make(bounds)
                }
                Err(Trouble::FetchError(fault)) => Err(fault),
                Ok(commit) => Ok(commit),
            }
        })
    }

    /// Makes the mirror anew, whatever its state: for whoever finds an object unreadable.
    pub fn remake(&self, cancel: &Arc<AtomicBool>) -> Result<Oid, GitError> {
        self.locked(cancel, |bounds| self.make(bounds))
    }

    /// Runs `work` with the mirror to itself, also among processes: an old
    /// configuration's look may still be on its way when the new one's begins.
    fn locked(
        &self,
        cancel: &Arc<AtomicBool>,
        work: impl FnOnce(&Arc<FetchBudget>) -> Result<Oid, FetchError>,
    ) -> Result<Oid, GitError> {
        prepare();
        let bounds = FetchBudget::new(self.limits, cancel.clone());
        let looked = self.lock(&bounds).and_then(|_lock| {
            self.sweep();
            work(&bounds)
        });
        looked.map_err(|fault| GitError::Remote(RemoteError { url: self.address.to_string(), fault }))
    }

    fn lock(&self, bounds: &FetchBudget) -> Result<File, FetchError> {
        let data = self.folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(data).map_err(failed("make the data folder", data))?;
        let path = self.folder.with_extension("lock");
        let file = File::create(&path).map_err(failed("make the lock", &path))?;
        loop {
            bounds.check()?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(TICK),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            }
        }
    }

    /// Removes what a process that was killed has left half done.
    fn sweep(&self) {
        let beside = self.folder.parent().map(|data| entries(data, &self.beside())).unwrap_or_default();
        let packs = entries(&self.folder.join("objects/pack"), "pack_git2_");
        for path in beside.into_iter().chain(packs) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "Leftover not removed");
            }
        }
    }

    /// What names of folders that are on their way in or out begin with.
    fn beside(&self) -> String {
        format!(".{}.", self.folder.file_stem().and_then(|name| name.to_str()).unwrap_or("mirror"))
    }

    /// Brings a mirror up to date.
    fn renew(&self, bounds: &Arc<FetchBudget>) -> Result<Oid, Trouble> {
        let git = self.open().map_err(Trouble::Damaged)?;
        let kept = self.kept(&git);
        let commit = match self.bring(&git, bounds) {
            Err(FetchError::Git { action, reason }) => {
                // The words may be about the server or about the disk.
                readable(&git, bounds)?;
                return Err(FetchError::Git { action, reason }.into());
            }
            other => other?,
        };
        let is_same = kept == Some(commit);
        if !is_same || !self.is_checked.load(std::sync::atomic::Ordering::Relaxed) {
            is_whole(&git, commit, bounds)?;
        }
        if !is_same {
            self.keep(&git, commit)?;
        }
        self.is_checked.store(true, std::sync::atomic::Ordering::Relaxed);
        if !is_same && entries(&self.folder.join("objects/pack"), "pack-").len() > 2 * MAX_PACKS {
            // Each push brings a pack, and libgit2 joins none; a new mirror has one.
            tracing::info!(mirror = %self.folder.display(), "Mirror has many packs and is made anew");
            return Ok(self.make(bounds)?);
        }
        Ok(commit)
    }

    /// Makes a mirror beside the place where it belongs, and puts it there when it is complete.
    fn make(&self, bounds: &Arc<FetchBudget>) -> Result<Oid, FetchError> {
        let data = self.folder.parent().unwrap_or(Path::new("."));
        let beside = |kind| tempfile::Builder::new().prefix(&format!("{}{kind}.", self.beside())).tempdir_in(data);
        let new = beside("new").map_err(failed("make a folder in", data))?;
        let options = &mut RepositoryInitOptions::new();
        let git = Repository::init_opts(new.path(), options.bare(true).external_template(false))
            .map_err(|reason| FetchError::Git { action: "make the mirror", reason })?;
        let commit = self.bring(&git, bounds)?;
        is_whole(&git, commit, bounds).map_err(|trouble| match trouble {
            Trouble::Damaged(reason) => FetchError::Git { action: "read what was fetched", reason },
            Trouble::FetchError(fault) => fault,
        })?;
        self.keep(&git, commit)?;
        drop(git);
        if self.folder.exists() {
            let old = beside("old").map_err(failed("make a folder in", data))?;
            fs::rename(&self.folder, old.path().join("mirror")).map_err(failed("put away", &self.folder))?;
        }
        fs::rename(new.path(), &self.folder).map_err(failed("put the mirror at", &self.folder))?;
        self.is_checked.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(commit)
    }

    fn bring(&self, git: &Repository, bounds: &Arc<FetchBudget>) -> Result<Oid, FetchError> {
        let (address, _calling) = match &self.address {
            Address::Local(folder) => (folder.to_string_lossy().into_owned(), None),
            Address::Remote(url) => {
                let (url, credentials, bounds) = (url.clone(), self.credentials.clone(), bounds.clone());
                (ADDRESS.to_owned(), Some(Calling::new(Call { url, credentials, bounds })))
            }
        };
        match (fetch::bring(git, &address, &self.revision, bounds), fetch::commit_id(&self.revision)) {
            (Err(FetchError::Revision { .. }), Some(id)) => fetch::bring_all(git, &address, id, bounds),
            (brought, _) => brought,
        }
    }

    fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open_ext(&self.folder, RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE, [] as [&str; 0])
    }

    /// The reference of the revision that is followed.
    fn reference(&self) -> String {
        format!("{OWN}{}", hash(&self.revision))
    }

    fn kept(&self, git: &Repository) -> Option<Oid> {
        git.refname_to_id(&self.reference()).ok()
    }

    /// Remembers the commit of the revision, and forgets those of other revisions.
    fn keep(&self, git: &Repository, commit: Oid) -> Result<(), FetchError> {
        let name = self.reference();
        let keep = || -> Result<(), git2::Error> {
            git.reference(&name, commit, true, "")?;
            // For people who look into the mirror with Git.
            git.set_head_detached(commit)?;
            for other in git.references()? {
                let mut other = other?;
                if other.name().is_ok_and(|other| other != name) {
                    other.delete()?;
                }
            }
            Ok(())
        };
        keep().map_err(|reason| FetchError::Git { action: "keep the commit in the mirror", reason })
    }
}

/// Why a mirror was not brought up to date.
enum Trouble {
    /// It cannot be read.
    Damaged(git2::Error),
    /// It could not be renewed, and is as good as it was.
    FetchError(FetchError),
}

impl From<FetchError> for Trouble {
    fn from(fault: FetchError) -> Self {
        Self::FetchError(fault)
    }
}

/// Whether a commit is there with all its files. Looks at the heads of objects
/// only, which is enough to find a pack that is gone, cut or not its index's.
fn is_whole(git: &Repository, commit: Oid, bounds: &FetchBudget) -> Result<(), Trouble> {
    let tree = git.find_commit(commit).and_then(|commit| commit.tree()).map_err(Trouble::Damaged)?;
    let odb = git.odb().map_err(Trouble::Damaged)?;
    let mut trees: Vec<(Tree<'_>, usize)> = vec![(tree, 0)];
    while let Some((tree, depth)) = trees.pop() {
        bounds.check()?;
        for entry in &tree {
            match entry.kind() {
                // A tree so deep is refused when it is read.
                Some(ObjectType::Tree) if depth < MAX_DEPTH => {
                    trees.push((git.find_tree(entry.id()).map_err(Trouble::Damaged)?, depth + 1));
                }
                Some(ObjectType::Blob) => {
                    odb.read_header(entry.id()).map_err(Trouble::Damaged)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether all the history can be walked that a fetch builds on.
fn readable(git: &Repository, bounds: &FetchBudget) -> Result<(), Trouble> {
    let mut walk = git.revwalk().map_err(Trouble::Damaged)?;
    walk.push_glob("refs/*").map_err(Trouble::Damaged)?;
    for id in walk {
        bounds.check()?;
        id.map_err(Trouble::Damaged)?;
    }
    match git.head().and_then(|head| head.peel_to_commit()) {
        Ok(commit) => is_whole(git, commit.id(), bounds),
        Err(error) => Err(Trouble::Damaged(error)),
    }
}

fn failed(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> FetchError {
    let file = file.to_owned();
    move |reason| FetchError::Mirror { action, file, reason }
}

/// What a folder has whose names begin with `prefix`; nothing where it cannot be read.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_wanted = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
    entries.filter(is_wanted).map(|entry| entry.path()).collect()
}

/// Sixteen hexadecimal digits that stand for a text.
fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(8).fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The references that belong to driftwall.
const OWN: &str = "refs/driftwall/";
/// So many pushes until a mirror is made anew.
const MAX_PACKS: usize = 500;
