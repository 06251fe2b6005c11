//! The configuration: what is written (`file_format`), and what is used ([`Config`]). The second
//! cannot hold a bad value.
//!
//! A file passes through here in steps, one file of this module for each: `document` makes a tree of
//! the YAML that knows its lines, `structure` checks keys and types against the JSON Schema
//! (`schema`, made from `file_format`), and `validate` gives the values their meaning. Each says what
//! is wrong as a [`Problem`].

mod cluster;
mod discover;
mod document;
mod file_format;
mod names;
mod never_matches;
mod notes;
mod path_file;
mod problem;
mod rendering;
mod schema;
mod sources;
mod spelling;
mod structure;
mod validate;
mod value_notes;
mod values;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use self::values::KeyProblem;
use crate::discovery::DiscoverySettings;
use crate::source::SourceSpec;
use driftwall_core::actor::ActorRules;
use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{Policy, UnmatchedRule, unmatched_rules};

pub use cluster::{
    BreakGlassSettings, CertificateSettings, CertificateValidity, FailurePolicy, TlsSettings, WebhookSettings,
};
pub(crate) use names::is_label;
pub use path_file::{PathFileError, read_path_file};
pub use problem::{ConfigError, Problem};
pub use schema::json_schema;
pub use structure::Positions;

/// A configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Where the webhook listens.
    pub listen: SocketAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
    /// The serving certificate; needed to serve, not to check.
    pub tls: Option<TlsSettings>,
    /// Whether the API server is asked for what only the cluster knows.
    pub cluster: ClusterAccess,
    /// The name of this cluster, for metrics, logs and audit annotations; empty where it has none.
    pub cluster_name: String,
    /// The webhook configuration by which the API server calls driftwall, and whether driftwall manages it.
    pub registration: WebhookSettings,
    /// What may be done in an emergency.
    pub break_glass: BreakGlassSettings,
    /// Whether denials are recorded as Events of the cluster.
    pub events: bool,
    /// The GitOps tools whose applications are found.
    pub discovery: DiscoverySettings,
    /// What Git says, and where.
    pub sources: Vec<SourceSpec>,
    /// How many sources are rendered at once.
    pub render_parallel: usize,
    /// Who is who.
    pub actors: ActorRules,
    /// How writes are answered.
    pub policy: Policy,
    /// What may have another effect than it seems to, and is no error.
    pub notes: Vec<Problem>,
    /// The presets in use; `actors` has their rules.
    pub presets: Vec<String>,
    /// How often sources are polled.
    pub poll_interval: Duration,
    /// Whether `git.refreshAfter` is given, which has no effect.
    pub has_refresh_after: bool,
    /// How long a denial waits for that poll.
    pub refresh_timeout: Duration,
    /// How long ago a source may have been polled for a denial to be made by it at all.
    pub max_staleness: Duration,
    /// How long a server serves on after SIGTERM.
    pub drain: Duration,
    /// Where its keys are written.
    pub positions: Positions,
}

/// Whether the API server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterAccess {
    /// That of the cluster that the environment names, if it names one.
    #[default]
    Auto,
    /// Never.
    Off,
}

impl Config {
    /// Reads a configuration file. Relative paths in it are relative to its folder.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(file).map_err(|reason| ConfigError::Read { file: file.to_owned(), reason })?;
        Self::parse(&bytes, file)
    }

    /// Reads a configuration from the text of a file; `file` names it and gives relative paths their folder.
    ///
    /// An error has all that is wrong with keys and types, or else all that is wrong with values.
    pub fn parse(text: impl AsRef<[u8]>, file: &Path) -> Result<Self, ConfigError> {
        let folder = file.parent().unwrap_or(Path::new(""));
        parse(text.as_ref(), folder).map_err(|mut problems| {
            problems.sort_by_key(|problem| problem.line);
            ConfigError::Invalid { file: file.to_owned(), problems }
        })
    }
}

impl Config {
    /// The rules that match nothing that Git declares, as the snapshot has it.
    pub fn unmatched_rules(&self, snapshot: &Snapshot) -> Vec<Problem> {
        let unmatched = unmatched_rules(&self.policy, &self.actors, snapshot).into_iter();
        unmatched.map(|UnmatchedRule { key, message }| self.positions.problem(&key, message.to_owned())).collect()
    }
}

fn parse(text: &[u8], folder: &Path) -> Result<Config, Vec<Problem>> {
    let document = document::read(text).map_err(|problem| vec![problem])?;
    let (written, positions) = structure::read(&document)?;
    let at_lines = |problems: Vec<KeyProblem>| {
        let at_line = |KeyProblem { key, mut message, other }: KeyProblem| {
            if let Some(other) = other {
                let Problem { line, key, .. } = positions.problem(&other, String::new());
                message = format!("{message} ({key} on line {line})");
            }
            positions.problem(&key, message)
        };
        problems.into_iter().map(at_line).collect()
    };
    match validate::validate(written, folder) {
        Ok((config, notes)) => {
            let notes = at_lines(notes);
            Ok(Config { notes, positions, ..config })
        }
        Err(problems) => Err(at_lines(problems)),
    }
}
