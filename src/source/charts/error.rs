//! Why a chart cannot be had, in words that say what would be right. No error
//! holds a secret: URLs are shown without logins and queries.

use std::path::PathBuf;

use crate::source::remote::FetchError;

/// A chart that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The repository or registry failed.
    #[error("failed to fetch chart {chart} from {url}: {reason}")]
    Fetch {
        /// The chart, with its version or range.
        chart: String,
        /// What was asked for, without credentials.
        url: String,
        /// Why it failed.
        reason: FetchError,
    },
    /// The repository does not list such a chart.
    #[error("failed to find chart {chart} in {url}: {reason}")]
    NotFound {
        /// The chart, with its version or range.
        chart: String,
        /// The repository, without credentials.
        url: String,
        /// What is not there, and what is.
        reason: String,
    },
    /// What a repository or registry answers cannot be used.
    #[error("failed to use the answer of {url} for chart {chart}: {reason}")]
    InvalidAnswer {
        /// The chart, with its version or range.
        chart: String,
        /// What was asked for, without credentials.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The archive is not the one that was promised.
    #[error(
        "failed to use chart {chart} of {url}: its digest is sha256:{actual}, and {promised_by} says {promised}; the \
         chart was changed or damaged on the way"
    )]
    Digest {
        /// The chart with its version.
        chart: String,
        /// Where it came from, without credentials.
        url: String,
        /// The SHA-256 that it has.
        actual: String,
        /// The digest that it should have.
        promised: String,
        /// What promised it.
        promised_by: &'static str,
    },
    /// A dependency that is not to be fetched without TLS.
    #[error(
        "failed to fetch chart {chart} from {url}: it is not https; if that is right, name the address in repositories"
    )]
    NotAllowed {
        /// The chart, with its version or range.
        chart: String,
        /// The repository, without credentials.
        url: String,
    },
    /// The archive cannot be used.
    #[error("failed to read the archive of chart {chart}: {reason}")]
    InvalidArchive {
        /// The chart with its version.
        chart: String,
        /// What is wrong.
        reason: String,
    },
    /// The folder of charts cannot be used.
    #[error("failed to {action} {}: {reason}", .file.display())]
    Store {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        file: PathBuf,
        /// Why it failed.
        reason: std::io::Error,
    },
    /// A `Chart.yaml` or its lock names a dependency that cannot be used.
    #[error("failed to use {file}: {reason}")]
    InvalidDependency {
        /// The file.
        file: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

impl ChartError {
    /// The same error of another chart, where what failed was asked for both.
    pub(super) fn of_chart(&self, chart: String) -> Self {
        match self {
            Self::Fetch { url, reason, .. } => {
                Self::Fetch { chart, url: url.clone(), reason: FetchError::Shared(reason.to_string()) }
            }
            Self::Store { action, file, reason } => {
                let reason = std::io::Error::new(reason.kind(), reason.to_string());
                Self::Store { action, file: file.clone(), reason }
            }
            Self::NotFound { url, reason, .. } => Self::NotFound { chart, url: url.clone(), reason: reason.clone() },
            Self::InvalidAnswer { url, reason, .. } => {
                Self::InvalidAnswer { chart, url: url.clone(), reason: reason.clone() }
            }
            Self::Digest { .. }
            | Self::InvalidArchive { .. }
            | Self::InvalidDependency { .. }
            | Self::NotAllowed { .. } => Self::InvalidArchive { chart, reason: self.to_string() },
        }
    }

    /// Whether the fault is this machine's disk.
    pub(in crate::source) fn is_of_this_replica(&self) -> bool {
        match self {
            Self::Store { .. } => true,
            Self::Fetch { reason, .. } => reason.is_of_this_replica(),
            Self::Digest { .. }
            | Self::InvalidAnswer { .. }
            | Self::InvalidArchive { .. }
            | Self::InvalidDependency { .. }
            | Self::NotAllowed { .. }
            | Self::NotFound { .. } => false,
        }
    }

    /// Whether another try may succeed with the same files: the fault is the server's or of the moment.
    pub fn is_transient(&self) -> bool {
        match self {
            // Another archive may be there tomorrow, and another index in a minute.
            Self::Digest { .. }
            | Self::Fetch { .. }
            | Self::InvalidAnswer { .. }
            | Self::InvalidArchive { .. }
            | Self::NotFound { .. }
            | Self::Store { .. } => true,
            Self::InvalidDependency { .. } | Self::NotAllowed { .. } => false,
        }
    }
}
