//! What a program is to do with the files of a commit, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::end::Exceeded;

/// What renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tool {
    /// `helm`.
    Helm,
    /// `kustomize`, or `kubectl`, which has it built in.
    Kustomize,
}

/// A program to run on files of a commit. It says all that the program is given
/// beside those files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Job {
    /// What renders.
    pub tool: Tool,
    /// The folder that it runs in, relative to the repository's root.
    pub folder: String,
    /// Its arguments. Paths in them are relative to the folder.
    pub arguments: Vec<String>,
    /// Files that are not the repository's, by their names in [`INPUTS`].
    pub inputs: BTreeMap<String, String>,
    /// How often it runs.
    pub runs: Runs,
    /// Whether it may run Helm.
    #[serde(default)]
    pub helm: bool,
}

/// How often a program runs on the same files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Runs {
    /// Once.
    Once,
    /// Twice, to find what differs every time.
    Twice,
    /// Twice, and more than a second apart, so that the time differs too.
    TwiceApart,
}

/// What a program printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOutput {
    /// The first time.
    pub first: Vec<u8>,
    /// The second time, where that is something else.
    pub second: Option<Vec<u8>>,
}

/// Why a job has no output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum JobError {
    /// Nobody wants its output any more.
    #[error("the job was cancelled")]
    Cancelled,
    /// The program exceeded a limit.
    #[error("the program {0}")]
    Exceeded(Exceeded),
    /// The program reported an error. What it printed names files of the repository: driftwall tells it.
    #[error("the program failed with {status}")]
    Failed {
        /// How it ended.
        status: String,
        /// What it printed as errors, with paths as in the repository.
        stderr: String,
    },
    /// A signal ended the program.
    #[error("the program was killed by signal {0}")]
    Killed(i32),
    /// The files could not be written, or the program not be run.
    #[error("failed to {action}: {reason}")]
    NotRun {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: String,
    },
}

/// The folder beside the repository's in which [`Job::inputs`] are.
pub(super) const INPUTS: &str = "inputs";

impl JobOutput {
    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.first.len() + self.second.as_ref().map_or(0, Vec::len)
    }
}

/// The path from a folder of the repository to a file in it.
pub(super) fn path_from(folder: &str, file: &str) -> String {
    let depth = folder.split('/').filter(|part| !part.is_empty()).count();
    "../".repeat(depth) + file
}

/// The path from a folder of the repository to a file of [`Job::inputs`].
pub(super) fn path_to_input(folder: &str, name: &str) -> String {
    path_from(folder, &format!("../{INPUTS}/{name}"))
}
