//! Values of keys that are more than text, and what is wrong with those that cannot be used.

use std::net::SocketAddr;
use std::time::Duration;

use globset::{ErrorKind, Glob};

use super::is_label;
use driftwall_core::glob::CHARACTERS;

/// What is wrong with the value of a key; where the key is written comes to it later.
#[derive(Debug)]
pub(super) struct KeyProblem {
    /// The key as the file format has it, never an old name.
    pub(super) key: String,
    pub(super) message: String,
    /// Another key that is a reason for it.
    pub(super) other: Option<String>,
}

/// Collects what is wrong, so that one run reports every problem.
#[derive(Default)]
pub(super) struct KeyProblems(Vec<KeyProblem>);

impl KeyProblem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), other: None }
    }
}

impl KeyProblems {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(KeyProblem::new(key, message));
    }

    /// The value, where there is one.
    pub(super) fn check<T>(&mut self, result: Result<T, KeyProblem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// The value of a key, where it can be made.
    pub(super) fn check_at<T>(&mut self, key: &str, result: Result<T, impl ToString>) -> Option<T> {
        self.check(result.map_err(|error| KeyProblem::new(key, error.to_string())))
    }

    /// Checks globs; each problem gets the position of its glob.
    pub(super) fn check_globs(&mut self, key: &str, globs: &[String]) {
        for (index, glob) in globs.iter().enumerate() {
            self.check_glob(&format!("{key}[{index}]"), glob);
        }
    }

    pub(super) fn check_glob(&mut self, key: &str, glob: &str) {
        if let Err(error) = Glob::new(glob) {
            self.add(key, format!("`{glob}` is no pattern: {}; write one such as prod-*", glob_message(&error)));
        }
    }

    /// A pattern of kinds. One that holds what no kind has would make its rule one without effect.
    pub(super) fn check_kind(&mut self, key: &str, glob: &str, names_groups: bool) {
        let is_of_kinds = |c: char| c.is_ascii_alphanumeric() || "*?[]{}!,-".contains(c) || (names_groups && c == '.');
        if glob.chars().all(is_of_kinds) {
            return self.check_glob(key, glob);
        }
        let example = if names_groups { "Deployment or Deployment.apps" } else { "Deployment, without its group" };
        self.add(key, format!("`{glob}` matches no kind; write one such as {example}"));
    }

    /// Patterns of namespaces: one that matches none would make its rule one without effect. An empty one is for
    /// objects without a namespace.
    pub(super) fn check_namespaces(&mut self, key: &str, globs: &[String]) {
        for (index, glob) in globs.iter().enumerate() {
            self.check_namespace(&format!("{key}[{index}]"), glob);
        }
    }

    pub(super) fn check_namespace(&mut self, key: &str, glob: &str) {
        let is_of_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-!^,".contains(c);
        let is_pattern = glob.contains(CHARACTERS);
        let can_match = glob.chars().all(|c| is_of_names(c) || CHARACTERS.contains(&c));
        if glob.is_empty() || (is_pattern && can_match) || is_label(glob) {
            return self.check_glob(key, glob);
        }
        self.add(
            key,
            format!("`{glob}` matches no namespace; write one of small letters, digits and `-`, such as prod-*"),
        );
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

pub(super) fn address(key: &str, text: &str) -> Result<SocketAddr, KeyProblem> {
    text.parse().map_err(|_| {
        KeyProblem::new(key, format!("`{text}` is no address; write an IP address and a port, such as 0.0.0.0:8443"))
    })
}

impl From<KeyProblems> for Vec<KeyProblem> {
    fn from(problems: KeyProblems) -> Self {
        problems.0
    }
}

/// A duration of some length; `example` is one.
pub(super) fn positive_duration(key: &str, text: &str, example: &str) -> Result<Duration, KeyProblem> {
    let duration = duration(key, text)?;
    if duration.is_zero() {
        return Err(KeyProblem::new(key, format!("it is zero; write a duration such as {example}")));
    }
    Ok(duration)
}

pub(super) fn duration(key: &str, text: &str) -> Result<Duration, KeyProblem> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    match parsed {
        Some(duration) if duration > MAX_DURATION => {
            Err(KeyProblem::new(key, format!("`{text}` is too long; write 876000h, which is a century, or less")))
        }
        Some(duration) => Ok(duration),
        None => Err(KeyProblem::new(key, format!("`{text}` is no duration; write one such as 30s, 5m or 1h"))),
    }
}

/// Longer times have no meaning, and lead to dates that a certificate cannot have.
const MAX_DURATION: Duration = Duration::from_hours(876_000);

/// A number of bytes, such as `384Mi`.
pub(super) fn bytes(key: &str, text: &str) -> Result<u64, KeyProblem> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" => Some(1),
        "Ki" => Some(1 << 10),
        "Mi" => Some(1 << 20),
        "Gi" => Some(1 << 30),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or_else(|| KeyProblem::new(key, format!("`{text}` is no number of bytes; write one such as 384Mi or 1Gi")))
}

/// What is wrong with a glob.
fn glob_message(error: &globset::Error) -> String {
    match error.kind() {
        ErrorKind::DanglingEscape => "it ends with a `\\`".into(),
        ErrorKind::InvalidRange(from, to) => format!("its range {from}-{to} runs backwards"),
        ErrorKind::NestedAlternates => "it has a `{` inside another".into(),
        ErrorKind::UnclosedAlternates => "its `{` is not closed".into(),
        ErrorKind::UnclosedClass => "its `[` is not closed".into(),
        ErrorKind::UnopenedAlternates => "its `}` has no `{` before it".into(),
        _ => "it is too large".into(),
    }
}
