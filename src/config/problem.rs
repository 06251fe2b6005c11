//! What is wrong with a configuration, in words that say what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// What the file says cannot be used.
    #[error("failed to use the configuration: {}", summary(.file, .problems))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong, in the order of the lines; at least one.
        problems: Vec<Problem>,
    },
    /// The file cannot be read at all.
    #[error("failed to read the configuration {}: {reason}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why, as the operating system says it.
        reason: std::io::Error,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: u32,
    /// The key, such as `sources[3].repo`; empty where it is the whole file.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, message } = self;
        match key.as_str() {
            "" => write!(f, "{line}: {message}"),
            key => write!(f, "{line}: {key}: {message}"),
        }
    }
}

impl ConfigError {
    /// All that is wrong, a line each: `FILE:LINE: KEY: what is wrong`.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Invalid { file, problems } => {
                problems.iter().map(|problem| format!("{}:{problem}", file.display())).collect()
            }
            Self::Read { file, reason } => vec![format!("{}: failed to read it: {reason}", file.display())],
        }
    }
}

/// The first problem and how many more there are: a log line has bounds, a configuration has none.
fn summary(file: &Path, problems: &[Problem]) -> String {
    let Some((first, more)) = problems.split_first() else {
        return file.display().to_string();
    };
    let first = format!("{}:{first}", file.display());
    match more.len() {
        0 => first,
        more => format!("{first} (and {more} more: see `driftwall config check {}`)", file.display()),
    }
}
