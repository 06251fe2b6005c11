//! Why a source could not be rendered, in words that say how to fix it.

use std::path::PathBuf;

use super::end::Exceeded;
use crate::source::charts::ChartError;
use driftwall_core::manifest::ManifestError;

/// A source that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A chart that is depended on cannot be had.
    #[error(transparent)]
    Chart(Box<ChartError>),
    /// The program was stopped, because driftwall ends or the source changes.
    #[error("failed to render {file}: {program} was cancelled")]
    Cancelled {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
    },
    /// A file that is named in the configuration, or must exist.
    #[error("failed to find {file} in the commit, which {wanted_by} needs")]
    FileNotFound {
        /// The file.
        file: String,
        /// What names it.
        wanted_by: String,
    },
    /// libgit2 failed.
    #[error("failed to read {file} for rendering: {reason}")]
    Git {
        /// The file or folder.
        file: String,
        /// Why it failed.
        reason: git2::Error,
    },
    /// A kustomization names charts, and may not.
    #[error(
        "failed to render {file}: it has {field}, and kustomize inflates charts only where that is enabled; set \
         buildOptions.enableHelm of the source, as --enable-helm of Argo CD's kustomize.buildOptions"
    )]
    HelmNotEnabled {
        /// The kustomization.
        file: String,
        /// The field with the charts.
        field: &'static str,
    },
    /// The kustomization's file cannot be parsed.
    #[error("failed to read {file}: {reason}")]
    InvalidKustomization {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// What the program printed is no list of objects.
    #[error("failed to read what {program} rendered from {file}: {}", .errors[0])]
    InvalidOutput {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
        /// What is wrong, at least one thing; positions are in the output.
        errors: Vec<ManifestError>,
    },
    /// A configured program cannot be run, or is another one.
    #[error("failed to use {}, which {key} names: {reason}", .program.display())]
    InvalidProgram {
        /// The program.
        program: PathBuf,
        /// The key in the configuration.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The temporary folder could not be used, or the program not be started.
    #[error("failed to {action} for rendering: {reason}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: std::io::Error,
    },
    /// A signal ended the program: it ran out of memory, or somebody killed it.
    #[error("failed to render {file}: {program} was killed by signal {signal}")]
    Killed {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
        /// The signal's number.
        signal: i32,
    },
    /// Symbolic links that lead to each other, or too many of them.
    #[error("failed to use {file}: it leads through more than 40 symbolic links, or around in a circle")]
    LinkLoop {
        /// The link, or the path.
        file: String,
    },
    /// A chart's dependencies are not in the repository.
    #[error(
        "failed to render {file}: {missing} missing in its folder charts/; run `helm dependency build` there and commit charts/"
    )]
    MissingDependencies {
        /// The chart.
        file: String,
        /// Which, in Helm's words.
        missing: String,
    },
    /// A symbolic link, or a path, to something outside the repository.
    #[error("failed to use {file}: it leads out of the repository")]
    OutsideRepository {
        /// The link, or the path.
        file: String,
    },
    /// The program exceeded a limit.
    #[error("failed to render {file}: {program} {limit}")]
    Exceeded {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
        /// Which limit.
        limit: Exceeded,
    },
    /// The program reported an error.
    #[error("failed to render {file} with {program}: {stderr}")]
    ProgramFailed {
        /// The kustomization or chart.
        file: String,
        /// The program with its version.
        program: String,
        /// The last lines of what it printed as errors, else its exit status.
        stderr: String,
    },
    /// The renderer in the cluster cannot be used.
    #[error("failed to use the renderer {renderer}: {reason}")]
    Renderer {
        /// Its name and port.
        renderer: String,
        /// Why it failed.
        reason: String,
    },
    /// There is no program to render with.
    #[error("failed to find {names} on PATH, which {wanted_by} needs; install it, or name it in {keys}")]
    ProgramNotFound {
        /// The programs that would do.
        names: &'static str,
        /// What needs one.
        wanted_by: &'static str,
        /// The keys in the configuration.
        keys: &'static str,
    },
    /// A kustomization refers to something that is not in the repository.
    #[error(
        "failed to render {file}: {field} names {reference}, which is not in this repository; copy it in, or set allowRemote"
    )]
    RemoteReference {
        /// The kustomization.
        file: String,
        /// The field.
        field: String,
        /// What it names, without credentials.
        reference: String,
    },
    /// More, or larger, files than a rendering may use.
    #[error("failed to write {file} for rendering: {limit}")]
    TooLarge {
        /// The file at which the limit was exceeded.
        file: String,
        /// Which limit.
        limit: String,
    },
    /// A name that would be dangerous on a file system, such as `..` or `.git`.
    #[error("failed to write {folder} for rendering: it holds a name that is not safe on a disk: {name:?}")]
    UnsafeName {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
}

impl RenderError {
    /// Whether the fault is this machine's: it has no room, or cannot start a program.
    pub(in crate::source) fn is_of_this_replica(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            Self::Chart(reason) => reason.is_of_this_replica(),
            _ => false,
        }
    }

    /// Whether another try may succeed with the same files.
    pub(in crate::source) fn is_transient(&self) -> bool {
        match self {
            Self::Chart(reason) => reason.is_transient(),
            Self::Cancelled { .. }
            | Self::Git { .. }
            | Self::InvalidProgram { .. }
            | Self::Io { .. }
            | Self::Killed { .. }
            | Self::ProgramNotFound { .. }
            | Self::Renderer { .. } => true,
            Self::Exceeded { limit, .. } => limit.is_transient(),
            Self::FileNotFound { .. }
            | Self::HelmNotEnabled { .. }
            | Self::InvalidKustomization { .. }
            | Self::InvalidOutput { .. }
            | Self::LinkLoop { .. }
            | Self::MissingDependencies { .. }
            | Self::OutsideRepository { .. }
            | Self::ProgramFailed { .. }
            | Self::RemoteReference { .. }
            | Self::TooLarge { .. }
            | Self::UnsafeName { .. } => false,
        }
    }
}

impl From<ChartError> for RenderError {
    fn from(error: ChartError) -> Self {
        Self::Chart(Box::new(error))
    }
}
