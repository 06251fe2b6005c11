//! Why a source could not be rendered, said so that it can be mended.

use std::path::PathBuf;
use std::time::Duration;

use driftwall_core::manifest::ManifestError;

/// A source that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The program was stopped, because the server ends or the source changes.
    #[error("failed to render {file}: stopped before {program} was done")]
    Cancelled {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
    },
    /// A chart whose dependencies are not beside it.
    #[error(
        "failed to render {file}: {missing} missing in its folder charts/; run `helm dependency build` there and commit charts/"
    )]
    Dependencies {
        /// The chart.
        file: String,
        /// Which, in Helm's words.
        missing: String,
    },
    /// The temporary folder could not be used.
    #[error("failed to {action} for rendering: {reason}")]
    Folder {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: std::io::Error,
    },
    /// libgit2 failed.
    #[error("failed to read {file} for rendering: {reason}")]
    Git {
        /// The file or folder.
        file: String,
        /// Why it failed.
        reason: git2::Error,
    },
    /// A kustomization that cannot be read.
    #[error("failed to read {file}: {reason}")]
    Kustomization {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// More than a render may need.
    #[error("failed to write {file} for rendering: {bound}")]
    Large {
        /// Where the bound was passed.
        file: String,
        /// Which bound.
        bound: String,
    },
    /// A symbolic link, or a path, to something outside the repository.
    #[error("failed to use {file}: it leads out of the repository")]
    Link {
        /// The link, or the path.
        file: String,
    },
    /// A file that is named in the configuration, or must be there.
    #[error("failed to find {file} in the commit, which {wanted_by} needs")]
    Missing {
        /// The file.
        file: String,
        /// What names it.
        wanted_by: String,
    },
    /// An option that cannot be used.
    #[error("failed to render {file}: {reason}")]
    Option {
        /// The chart.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// What came out of the program is no list of objects.
    #[error("failed to read what {program} made of {file}: {}", .errors[0])]
    Output {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
        /// What is wrong, at least one thing; positions are in the output.
        errors: Vec<ManifestError>,
    },
    /// A configured program that is none.
    #[error("failed to use {}, which {key} names: {reason}", .program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// The key in the configuration.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The program says that it failed.
    #[error("failed to render {file} with {program}: {words}")]
    Refused {
        /// The kustomization or chart.
        file: String,
        /// The program with its version.
        program: String,
        /// The last of what it said.
        words: String,
    },
    /// A kustomization names something that is not in the repository.
    #[error(
        "failed to render {file}: {field} names {reference}, which is not in this repository; copy it in, or set allowRemote"
    )]
    Remote {
        /// The kustomization.
        file: String,
        /// The field.
        field: String,
        /// What it names, without credentials.
        reference: String,
    },
    /// The program took too long.
    #[error("failed to render {file}: {program} was not done after {} s", .limit.as_secs_f32())]
    Slow {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// The program printed too much.
    #[error("failed to render {file}: {program} printed more than {} MiB", .limit >> 20)]
    Endless {
        /// The kustomization or chart.
        file: String,
        /// The program.
        program: &'static str,
        /// How many bytes it may print.
        limit: usize,
    },
    /// There is no program to render with.
    #[error("failed to find {names} on PATH, which {wanted_by} needs; install it, or name it in {keys}")]
    Unfound {
        /// The programs that would do.
        names: &'static str,
        /// What needs it.
        wanted_by: &'static str,
        /// The keys in the configuration.
        keys: &'static str,
    },
    /// A name that no file of a manifest has.
    #[error("failed to write {folder} for rendering: it holds a name that is not safe on a disk: {name:?}")]
    Unsafe {
        /// The folder.
        folder: String,
        /// The name.
        name: String,
    },
}
