//! Git as the source: repositories on this machine and mirrors of those on
//! servers, read out of the object database, never out of a working tree.

mod load;
mod poller;
mod remote;
pub mod render;
mod snapshot_store;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use globset::GlobSet;

use self::render::{RenderError, RenderOptions};
use driftwall_core::desired::{self, DesiredError};
use driftwall_core::glob;
use driftwall_core::manifest::ManifestError;

pub use load::{Reading, commit_of, read};
pub use poller::SourcePoller;
pub use remote::{
    Address, AddressError, Credentials, FetchError, Limits, Mirror, RemoteError, RemoteUrl, Scheme, Secret,
};
pub use snapshot_store::{SnapshotStore, SourceState};

/// A source, ready to be read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSpec {
    /// The source's name.
    pub name: String,
    /// The repository's folder, bare or not; for one on a server its mirror.
    pub folder: PathBuf,
    /// Where it is mirrored from; `None` for a repository on this machine.
    pub remote: Option<Remote>,
    /// The repository as people know it.
    pub shown: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The folder or file inside it; empty for all.
    pub path: String,
    /// The namespace of manifests that leave theirs out.
    pub namespace: Option<String>,
    /// What counts where two sources declare the same object: the higher one.
    pub priority: i32,
    /// Which files are read, by their names relative to `path`.
    pub files: Files,
    /// What the path is taken for, and how it is rendered.
    pub render: RenderOptions,
}

/// A repository on a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// Where it is.
    pub url: RemoteUrl,
    /// What the server asks for.
    pub credentials: Credentials,
    /// The folder that mirrors are kept in.
    pub data: PathBuf,
}

impl SourceSpec {
    /// A repository on this machine, read whole and as it is.
    pub fn local(name: &str, folder: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            folder: folder.into(),
            remote: None,
            shown: name.to_owned(),
            revision: "HEAD".into(),
            path: String::new(),
            namespace: None,
            priority: 0,
            files: Files::default(),
            render: RenderOptions::default(),
        }
    }

    /// The same, mirrored from a server.
    #[must_use]
    pub fn mirrored(self, remote: Remote) -> Self {
        let folder = remote.mirror(&self.name, &self.revision).folder().to_owned();
        Self { folder, shown: remote.url.to_string(), remote: Some(remote), ..self }
    }
}

impl Remote {
    fn mirror(&self, source: &str, revision: &str) -> Mirror {
        let Self { url, credentials, data } = self;
        Mirror::new(data, source, Address::Remote(url.clone()), revision, credentials.clone())
    }
}

/// The commit that a source's revision names now: looked up on its server, or
/// here. Blocks.
pub fn tip(repository: &SourceSpec, cancel: &Arc<AtomicBool>) -> Result<String, GitError> {
    match &repository.remote {
        None => commit_of(repository),
        Some(remote) => {
            let mirror = remote.mirror(&repository.name, &repository.revision);
            mirror.look(cancel).map(|commit| commit.to_string())
        }
    }
}

/// The commit that a source's mirror holds, without its server; `None` where
/// there is no mirror yet.
fn kept(repository: &SourceSpec) -> Option<String> {
    let remote = repository.remote.as_ref()?;
    remote.mirror(&repository.name, &repository.revision).last().map(|commit| commit.to_string())
}

/// Which files of a source are read.
#[derive(Clone, Debug, Default)]
pub struct Files {
    globs: [Vec<String>; 2],
    include: Option<GlobSet>,
    exclude: Option<GlobSet>,
}

impl Files {
    /// The files that match an `include` glob, or all where there is none, and no `exclude` glob.
    pub fn new(include: Vec<String>, exclude: Vec<String>) -> Result<Self, globset::Error> {
        Ok(Self {
            include: glob::optional_set(&include)?,
            exclude: glob::optional_set(&exclude)?,
            globs: [include, exclude],
        })
    }

    fn has(&self, file: &str) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.is_match(file))
            && !self.exclude.as_ref().is_some_and(|globs| globs.is_match(file))
    }
}

impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        self.globs == other.globs
    }
}

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Files of a commit cannot be read; the rest of it is not used either.
    #[error("failed to read {} of commit {commit}: {}", files(.errors), .errors[0])]
    Broken {
        /// The commit.
        commit: String,
        /// What is wrong, at least one thing.
        errors: Vec<FileError>,
        /// The files that the commit changes against the last good one.
        changed: Vec<Arc<str>>,
    },
    /// More files than a source may have.
    #[error("failed to read {path}: more than {MAX_FILES} files or {MAX_DEPTH} folders inside each other")]
    Files {
        /// The source's path.
        path: String,
    },
    /// libgit2 failed.
    #[error("failed to {action}: {reason}")]
    Git {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: git2::Error,
    },
    /// There is nothing at the source's path.
    #[error("failed to find the path {path} in commit {commit}")]
    Path {
        /// The path.
        path: String,
        /// The commit.
        commit: String,
    },
    /// A kustomization or chart cannot be rendered.
    #[error("failed to use commit {commit}: {reason}")]
    Render {
        /// The commit.
        commit: String,
        /// What is wrong.
        reason: RenderError,
    },
    /// A server or its mirror failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What it declares cannot be used.
    #[error(transparent)]
    Content(#[from] DesiredError),
    /// It is not stored as it should be.
    #[error("{file}: {reason}")]
    Git {
        /// The file.
        file: String,
        /// What libgit2 says.
        reason: git2::Error,
    },
    /// It holds something that is no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is too large to be a manifest.
    #[error("{file}: {size} bytes are more than {} MiB; exclude it", MAX_FILE >> 20)]
    Size {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: usize,
    },
}

/// The largest file that is read: several times what etcd would store.
const MAX_FILE: usize = 32 << 20;
/// The most files that a source may have.
const MAX_FILES: usize = 200_000;
/// Folders inside folders beyond which a tree is taken for malice.
const MAX_DEPTH: usize = 100;

fn files(errors: &[FileError]) -> String {
    if errors.len() == 1 { "a document".into() } else { format!("{} documents", errors.len()) }
}

/// Makes libgit2 fit for a server, once: repositories come from volumes that
/// belong to other users, and no stray `gitconfig` may have a say.
#[allow(
    unsafe_code,
    reason = "libgit2's options are global and must be set before any other use, which `Once` sees to"
)]
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        use git2::ConfigLevel::{Global, ProgramData, System, XDG};
        // SAFETY: no other thread is inside libgit2 yet; every use of it in this program comes through here.
        unsafe {
            // Neither can fail but for want of memory; and then opening a repository tells.
            let _ = git2::opts::set_verify_owner_validation(false);
            for level in [ProgramData, System, XDG, Global] {
                let _ = git2::opts::set_search_path(level, "");
            }
            // The same: a server's repository is then of an unknown kind.
            let _ = remote::register();
        }
    });
}

/// The source as messages name it, at a commit.
fn source_at(repository: &SourceSpec, commit: &str) -> desired::Source {
    desired::Source {
        name: repository.name.clone(),
        repo: repository.shown.clone(),
        revision: repository.revision.clone(),
        commit: commit.to_owned(),
        priority: repository.priority,
    }
}
