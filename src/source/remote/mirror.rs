//! A repository on a server, kept as a bare one on this disk: what is read is
//! always the mirror, so an unreachable server takes nothing away.
//!
//! The mirror belongs to driftwall alone, and all sources of a repository share
//! it. It holds the newest commit of each revision, `refs/driftwall/…`, and the
//! last that each source could read, `refs/driftwall/good/…`, each with all its
//! files and without what came before it. A reference only moves to a commit that is there
//! with all its files; the newest stays when the server or the branch is gone. A
//! mirror that is damaged is cloned again into another folder, which then
//! replaces it.

mod references;
mod tidy;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use git2::{Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags};

use super::super::libgit2;
use super::budget::{FetchBudget, FetchLimits};
use super::context::{ContextGuard, FetchContext};
use super::credentials::Credentials;
use super::error::FetchError;
use super::fetch::{Fetched, fetch_history, fetch_revisions};
use super::mirror_folder::MirrorFolder;
use super::objects::{ReadError, copy_commits, verify_complete};
use super::url::RemoteUrl;
use references::{good_reference, newest_reference, record_in, references, verify_all};
use tidy::MAX_PACKS;

/// A repository's mirror. All its functions block; none may run on a thread of an asynchronous runtime.
#[derive(Debug)]
pub struct Mirror {
    folder: MirrorFolder,
    url: RemoteUrl,
    credentials: Credentials,
    limits: FetchLimits,
    /// Whether this process has verified that the recorded commits are there with all their files.
    is_verified: AtomicBool,
    /// The bytes on the disk, as they were last counted.
    bytes: AtomicU64,
    /// With so many packs they are joined.
    max_packs: AtomicUsize,
    /// Whether a fetch has failed for want of room.
    needs_room: AtomicBool,
    /// Held where a source's last good commit is recorded, and where old packs are removed.
    recording: Mutex<()>,
    /// Commits that no branch or tag had, and when that was found.
    searched_in_vain: Mutex<HashMap<Oid, Instant>>,
}

/// The commit of each revision that was asked for, in their order.
pub type SyncedCommits = Vec<Result<Oid, FetchError>>;

impl Mirror {
    /// The mirror of a repository under the folder `data_dir`. Nothing is read or written before the first sync.
    ///
    /// Its own folder is named after the address: a new address never meets the
    /// objects of the old one. `number` tells mirrors of the same address apart
    /// that are fetched with different credentials.
    pub fn new(data_dir: &Path, url: RemoteUrl, credentials: Credentials, number: usize) -> Self {
        let folder = MirrorFolder::new(data_dir, &url, number);
        let bytes = AtomicU64::new(folder.bytes());
        Self {
            folder,
            url,
            credentials,
            limits: FetchLimits::default(),
            is_verified: AtomicBool::new(false),
            bytes,
            max_packs: AtomicUsize::new(MAX_PACKS),
            needs_room: AtomicBool::new(false),
            recording: Mutex::default(),
            searched_in_vain: Mutex::default(),
        }
    }

    /// The same with other limits than the default ones.
    #[must_use]
    pub fn with_limits(mut self, limits: FetchLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The bare repository; it exists after the first successful sync.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The repository that is mirrored.
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// How many bytes the mirror takes on the disk, as of the last sync.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The newest commit of a revision that any process has fetched, without asking
    /// the server; `None` before the first.
    pub fn mirrored_commit(&self, revision: &str) -> Option<Oid> {
        libgit2::init();
        self.open().ok()?.refname_to_id(&newest_reference(revision)).ok()
    }

    /// The newest commit that a source could read, in any process; `None` before the first.
    pub fn good_commit(&self, source: &str, revision: &str) -> Option<Oid> {
        libgit2::init();
        self.open().ok()?.refname_to_id(&good_reference(source, revision)).ok()
    }

    /// Remembers that a source could read this commit: a restart begins with it. Without
    /// that (a disk that is full or read-only) a restart begins with an older one, or none.
    pub fn record_good_commit(&self, source: &str, revision: &str, commit: Oid) {
        let name = good_reference(source, revision);
        let _recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let record = || -> Result<(), git2::Error> {
            let git = self.open()?;
            // A newer one may have come meanwhile, and this one gone.
            git.find_commit(commit)?;
            if git.refname_to_id(&name).ok() != Some(commit) {
                git.reference(&name, commit, true, "")?;
            }
            Ok(())
        };
        if let Err(error) = record() {
            tracing::warn!(mirror = %self.folder().display(), %error, "Good commit not recorded");
        }
    }

    /// How long ago the server last named a revision's commit to any process; `None` where that is not known.
    pub fn age(&self, revision: &str) -> Option<Duration> {
        self.folder.age(revision)
    }

    /// Somebody found an object unreadable: the next sync verifies all of them.
    pub fn suspect(&self) {
        self.is_verified.store(false, Ordering::Relaxed);
    }

    /// Asks the server once for the commits of all `revisions`, and fetches those that are not there.
    ///
    /// Where nothing has changed, this lists the server's references and no more.
    ///
    /// # Errors
    ///
    /// The server did not answer, the fetch failed, or `cancel` was set, which ends
    /// it within a moment. A revision that the server does not have is an error of its own.
    pub fn sync(&self, revisions: &[String], cancel: &Arc<AtomicBool>) -> Result<SyncedCommits, FetchError> {
        libgit2::init();
        let budget = FetchBudget::new(self.limits, cancel.clone());
        let _lock = self.folder.lock(&budget)?;
        self.folder.remove_leftovers();
        let synced = if self.folder().exists() {
            match self.update(revisions, &budget) {
                Ok(commits) => Ok(commits),
                Err(ReadError::Stopped(error)) => Err(error),
                Err(ReadError::Damaged(reason)) => {
                    tracing::warn!(mirror = %self.folder().display(), %reason, "Mirror is damaged, cloning it again");
                    self.clone_anew(revisions, &budget).map_err(|error| self.not_replaced(error))
                }
            }
        } else {
            self.clone_anew(revisions, &budget)
        };
        self.bytes.store(self.folder.bytes(), Ordering::Relaxed);
        self.needs_room.store(matches!(synced, Err(FetchError::TooLarge { .. })), Ordering::Relaxed);
        let commits = synced.map_err(|error| self.in_our_words(error))?;
        for (revision, _) in revisions.iter().zip(&commits).filter(|(_, commit)| commit.is_ok()) {
            self.folder.record_look(revision);
        }
        Ok(commits)
    }

    /// Brings a mirror up to date.
    fn update(&self, revisions: &[String], budget: &Arc<FetchBudget>) -> Result<SyncedCommits, ReadError> {
        let git = self.open_or_repair().map_err(ReadError::Damaged)?;
        let recorded = references(&git).map_err(ReadError::Damaged)?;
        if self.is_verified.load(Ordering::Relaxed) {
            for commit in recorded.values() {
                git.find_commit(*commit).map_err(ReadError::Damaged)?;
            }
        } else {
            verify_all(&git, &recorded, budget)?;
            self.is_verified.store(true, Ordering::Relaxed);
        }
        // Without it libgit2 looks for what came before the commits that are here.
        self.record(&git, &[])?;
        budget.begin_fetch(self.folder.bytes());
        let commits = match self.fetch(&git, revisions, budget) {
            Ok(commits) => commits,
            Err(FetchError::Git { action, reason }) => {
                // libgit2's error may be about the server or about the disk.
                verify_all(&git, &recorded, budget)?;
                return Err(ReadError::Stopped(FetchError::Git { action, reason }));
            }
            Err(error) => return Err(ReadError::Stopped(error)),
        };
        let mut moved = Vec::new();
        for (revision, commit) in revisions.iter().zip(&commits) {
            let name = newest_reference(revision);
            let before = recorded.get(&name).copied();
            match commit {
                Ok(commit) if before != Some(*commit) => {
                    verify_complete(&git, *commit, before, budget)?;
                    moved.push((name, *commit));
                }
                _ => {}
            }
        }
        if !moved.is_empty() {
            self.record(&git, &moved)?;
        }
        Ok(commits)
    }

    /// Clones into a temporary folder, which replaces the mirror when it is complete.
    fn clone_anew(&self, revisions: &[String], budget: &Arc<FetchBudget>) -> Result<SyncedCommits, FetchError> {
        budget.begin_fetch(0);
        let new = self.folder.temp_folder("new")?;
        let git = init(new.path())?;
        let commits = self.fetch(&git, revisions, budget)?;
        let mut fetched = Vec::new();
        for (revision, commit) in revisions.iter().zip(&commits) {
            if let Ok(commit) = commit {
                verify_complete(&git, *commit, None, budget).map_err(unreadable("read what was fetched"))?;
                fetched.push((newest_reference(revision), *commit));
            }
        }
        if fetched.is_empty() {
            // A mirror appears when there is something in it, and what is left of an old one may still be of use.
            return Ok(commits);
        }
        self.save_from_damaged(&git, &mut fetched, budget)?;
        record_in(new.path(), &git, &fetched).map_err(unreadable("record the commits in the mirror"))?;
        drop(git);
        self.folder.replace_by(new.path())?;
        self.is_verified.store(true, Ordering::Relaxed);
        Ok(commits)
    }

    /// Copies from the mirror what a new clone does not have, where it can be read:
    /// the last good commits, and those of revisions that the server has no more.
    fn save_from_damaged(
        &self,
        new: &Repository,
        fetched: &mut Vec<(String, Oid)>,
        budget: &FetchBudget,
    ) -> Result<(), FetchError> {
        if !self.folder().exists() {
            return Ok(());
        }
        // By files and objects alone, for anything else of it may be what is damaged.
        let folder = self.folder.temp_folder("read")?;
        let old = init(folder.path())?;
        let objects = self.folder().join("objects");
        let added = old.odb().and_then(|odb| odb.add_disk_alternate(&objects.to_string_lossy()));
        added.map_err(|reason| FetchError::Git { action: "read the damaged mirror", reason })?;
        for (name, commit) in self.folder.references() {
            if fetched.iter().any(|(known, _)| *known == name) {
                continue;
            }
            if new.find_commit(commit).is_err() {
                match verify_complete(&old, commit, None, budget) {
                    Ok(()) => copy_commits(&old, new, &[commit], budget).map_err(unreadable("save a commit"))?,
                    Err(ReadError::Damaged(_)) => continue,
                    Err(ReadError::Stopped(error)) => return Err(error),
                }
            }
            fetched.push((name, commit));
        }
        Ok(())
    }

    fn fetch(
        &self,
        git: &Repository,
        revisions: &[String],
        budget: &Arc<FetchBudget>,
    ) -> Result<SyncedCommits, FetchError> {
        let (url, credentials) = (self.url.clone(), self.credentials.clone());
        let _guard = ContextGuard::new(FetchContext { url, credentials, budget: budget.clone() });
        let mut commits = Vec::new();
        for fetched in fetch_revisions(git, revisions, budget)? {
            commits.push(match fetched {
                Fetched::Commit(commit) => Ok(commit),
                Fetched::Missing(error) => Err(error),
                Fetched::OnlyWithHistory { commit, name } => {
                    self.fetch_from_history(git, commit, name.as_deref(), budget)?
                }
            });
        }
        Ok(commits)
    }

    /// Fetches a commit that the server sends with its history only: into a
    /// repository that is removed afterwards, for the mirror keeps no history.
    fn fetch_from_history(
        &self,
        git: &Repository,
        commit: Oid,
        name: Option<&str>,
        budget: &Arc<FetchBudget>,
    ) -> Result<Result<Oid, FetchError>, FetchError> {
        let mut in_vain = self.searched_in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        if in_vain.get(&commit).is_none_or(|searched| searched.elapsed() > SEARCH_AGAIN_AFTER) {
            let folder = self.folder.temp_folder("history")?;
            let history = init(folder.path())?;
            fetch_history(&history, name, budget)?;
            if history.find_commit(commit).is_ok() {
                copy_commits(&history, git, &[commit], budget).map_err(unreadable("copy what was fetched"))?;
                in_vain.remove(&commit);
                return Ok(Ok(commit));
            }
            in_vain.insert(commit, Instant::now());
        }
        let reason = format!(
            "there is no commit {commit} in any branch or tag, and the server does not send it by its id; it is \
             looked for again every {} minutes",
            SEARCH_AGAIN_AFTER.as_secs() / 60
        );
        Ok(Err(FetchError::Revision { reason }))
    }

    /// Makes the mirror readable without the server, where no more than a small file
    /// of it is damaged. Objects are not looked at.
    pub(in crate::source) fn repair(&self) {
        libgit2::init();
        if self.folder().exists() && self.open().is_err() {
            let budget = FetchBudget::new(self.limits, Arc::default());
            if let Ok(_lock) = self.folder.lock(&budget) {
                // The sync that follows says what is wrong.
                let _ = self.open_or_repair();
            }
        }
    }

    /// Opens the mirror; what Git needs beside references and objects is made anew where it is damaged.
    fn open_or_repair(&self) -> Result<Repository, git2::Error> {
        self.open().or_else(|reason| {
            tracing::warn!(mirror = %self.folder().display(), %reason, "Mirror is damaged, repairing it");
            self.suspect();
            self.folder.remove_settings();
            init_in(self.folder())
        })
    }

    fn open(&self) -> Result<Repository, git2::Error> {
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE;
        Repository::open_ext(self.folder(), flags, [] as [&str; 0])
    }

    fn record(&self, git: &Repository, moved: &[(String, Oid)]) -> Result<(), FetchError> {
        record_in(self.folder(), git, moved).map_err(unreadable("record the commits in the mirror"))
    }

    fn not_replaced(&self, error: FetchError) -> FetchError {
        match error {
            FetchError::Cancelled => FetchError::Cancelled,
            reason => FetchError::Damaged { folder: self.folder().to_owned(), reason: Box::new(reason) },
        }
    }

    /// An error of the disk as libgit2 has it, in our words.
    fn in_our_words(&self, error: FetchError) -> FetchError {
        match &error {
            FetchError::Git { reason, .. } if reason.message().contains(NO_SPACE) => {
                FetchError::DiskFull { folder: self.folder().to_owned() }
            }
            _ => error,
        }
    }
}

fn init(folder: &Path) -> Result<Repository, FetchError> {
    init_in(folder).map_err(|reason| FetchError::Git { action: "create the mirror", reason })
}

fn init_in(folder: &Path) -> Result<Repository, git2::Error> {
    Repository::init_opts(folder, RepositoryInitOptions::new().bare(true).external_template(false))
}

fn unreadable(action: &'static str) -> impl FnOnce(ReadError) -> FetchError {
    move |error| match error {
        ReadError::Stopped(error) => error,
        ReadError::Damaged(reason) => FetchError::Git { action, reason },
    }
}

/// What the system says of a full disk; libgit2 hands on its words.
const NO_SPACE: &str = "No space left on device";
/// A commit that no branch or tag had is not looked for at every poll: that fetches the whole history.
const SEARCH_AGAIN_AFTER: Duration = Duration::from_mins(10);
