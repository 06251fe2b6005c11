//! Why a source cannot be read.

use std::sync::Arc;

use git2::{ErrorClass, ErrorCode};

use super::charts::ChartError;
use super::limits::{MAX_DECLARED_BYTES, MAX_FILE_BYTES, MAX_FILES, MAX_FOLDER_DEPTH, MAX_FOLDERS, MAX_REPEATED_FILES};
use super::remote::FetchError;
use super::render::RenderError;
use driftwall_core::desired::DesiredError;
use driftwall_core::manifest::ManifestError;
use driftwall_core::source_state::FailingSide;

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The chart cannot be had.
    #[error(transparent)]
    Chart(Box<ChartError>),
    /// The repository's server or its mirror failed.
    #[error("failed to fetch {url}: {reason}")]
    Fetch {
        /// The repository, without credentials.
        url: String,
        /// Why it failed.
        reason: FetchError,
    },
    /// libgit2 failed.
    #[error("failed to {action}: {}", git_words(.reason))]
    Git {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: git2::Error,
    },
    /// Files of a commit cannot be read; the rest of the commit is not used either.
    #[error("failed to read {} of commit {commit}: {}", documents(.errors), .errors[0])]
    InvalidFiles {
        /// The commit.
        commit: String,
        /// What is wrong, at least one thing.
        errors: Vec<FileError>,
        /// The files that the commit changes against the last good one; empty where that is not known.
        changed: Vec<Arc<str>>,
    },
    /// There is nothing at the source's path.
    #[error("failed to find the path {path} in commit {commit}")]
    PathNotFound {
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
    /// The same files in more places than a source may have them.
    #[error(
        "failed to read {path}: the same files are in more than {MAX_REPEATED_FILES} further places; exclude the copies"
    )]
    RepeatedFiles {
        /// The source's path.
        path: String,
    },
    /// It declares more than a source may.
    #[error("failed to read {path}: what it declares takes more than {} MiB of memory; make several sources of it", MAX_DECLARED_BYTES >> 20)]
    TooLarge {
        /// The source's path.
        path: String,
    },
    /// More files than a source may have.
    #[error(
        "failed to read {path}: more than {MAX_FILES} files, {MAX_FOLDERS} folders or {MAX_FOLDER_DEPTH} folders inside each other"
    )]
    TooManyFiles {
        /// The source's path.
        path: String,
    },
}

/// What libgit2 says, in words that need no knowledge of its own.
fn git_words(error: &git2::Error) -> String {
    let words = match (error.code(), error.class()) {
        (ErrorCode::NotFound, ErrorClass::Os | ErrorClass::Repository) => "there is no Git repository",
        (ErrorCode::NotFound, ErrorClass::Reference) => "there is no such branch, tag or commit",
        (ErrorCode::InvalidSpec, _) => "no branch, tag or commit can have this name",
        (ErrorCode::Owner, _) => "the repository belongs to another user",
        _ => error.message(),
    };
    words.to_owned()
}

impl SourceError {
    /// Whether another try may succeed with the same commit: the fault is of the
    /// moment (a time-out, a killed program, a full disk), not of the commit.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Fetch { .. } | Self::Git { .. } => true,
            Self::Chart(reason) => reason.is_transient(),
            Self::Render { reason, .. } => reason.is_transient(),
            Self::InvalidFiles { .. }
            | Self::PathNotFound { .. }
            | Self::RepeatedFiles { .. }
            | Self::TooLarge { .. }
            | Self::TooManyFiles { .. } => false,
        }
    }
}

impl SourceError {
    /// Whose failure it is.
    pub(super) fn failed(&self) -> FailingSide {
        let is_replica = match self {
            Self::Fetch { reason, .. } => reason.is_of_this_replica(),
            Self::Chart(reason) => reason.is_of_this_replica(),
            Self::Render { reason, .. } => reason.is_of_this_replica(),
            Self::Git { .. }
            | Self::InvalidFiles { .. }
            | Self::PathNotFound { .. }
            | Self::RepeatedFiles { .. }
            | Self::TooLarge { .. }
            | Self::TooManyFiles { .. } => false,
        };
        if is_replica { FailingSide::Replica } else { FailingSide::Source }
    }
}

impl From<ChartError> for SourceError {
    fn from(error: ChartError) -> Self {
        Self::Chart(Box::new(error))
    }
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What it declares cannot be used.
    #[error(transparent)]
    Content(#[from] DesiredError),
    /// libgit2 cannot read it.
    #[error("failed to read {file}: {reason}")]
    Git {
        /// The file.
        file: String,
        /// Why it failed.
        reason: git2::Error,
    },
    /// It holds something that is no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is too large to be a manifest.
    #[error("failed to read {file}: {size} bytes are more than {} MiB; exclude it", MAX_FILE_BYTES >> 20)]
    TooLarge {
        /// The file.
        file: String,
        /// Its size in bytes.
        size: usize,
    },
}

fn documents(errors: &[FileError]) -> String {
    if errors.len() == 1 { "a document".into() } else { format!("{} documents", errors.len()) }
}
