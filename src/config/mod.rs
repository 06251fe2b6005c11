//! The configuration: what was written (`wire`), and what is used. The second
//! cannot hold a bad value.

mod cluster;
mod sources;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::source::SourceSpec;
use driftwall_core::actor::{ActorError, ActorRule, ActorRules, Grant};
use driftwall_core::policy::{IgnoreRule, Mode, ModeRule, NamespaceRule, Policy};

pub use cluster::{
    BreakGlassSettings, CertificateSettings, CertificateValidity, FailurePolicy, TlsSettings, WebhookSettings,
};

/// A configuration, checked.
#[derive(Debug)]
pub struct Config {
    /// Where the webhook listens.
    pub listen: SocketAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
    /// The serving certificate; needed to serve, not to check.
    pub tls: Option<TlsSettings>,
    /// Whether the cluster is asked for what only it knows.
    pub cluster: ClusterAccess,
    /// What is registered with the API server, and whether driftwall does it itself.
    pub registration: WebhookSettings,
    /// What may be done in an emergency.
    pub break_glass: BreakGlassSettings,
    /// Whether denials are recorded as Events of the cluster.
    pub events: bool,
    /// What Git says, and where.
    pub sources: Vec<SourceSpec>,
    /// Who is who.
    pub actors: ActorRules,
    /// What is asked of writers.
    pub policy: Policy,
    /// How often sources are looked at.
    pub poll_interval: Duration,
    /// How old a look at Git may be before a denial asks for a new one.
    pub refresh_after: Duration,
    /// How long a denial waits for that.
    pub refresh_timeout: Duration,
    /// How old a look at Git may be to deny by it at all.
    pub max_staleness: Duration,
    /// How long a server that was told to end serves on.
    pub drain: Duration,
}

/// Whether the cluster is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterAccess {
    /// The one that the environment names, where it names one.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read the configuration {}: {reason}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file is not in the form of a configuration.
    #[error("failed to read the configuration {}: {reason}", .file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// Where and what.
        reason: String,
    },
    /// A value cannot be used.
    #[error("failed to use {key} of the configuration {}: {reason}", .file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The key, with its place in lists.
        key: String,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

/// What is wrong with the value of a key.
type Fault = (String, String);

impl Config {
    /// Reads a configuration file. Relative paths in it are relative to its folder.
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|reason| ConfigError::File { file: file.to_owned(), reason })?;
        Self::parse(&text, file)
    }

    /// Reads a configuration from text; `file` names it and gives relative paths their folder.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let wire: wire::Config = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Form { file: file.to_owned(), reason: plain(&error.to_string(), file) })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        usable(wire, folder).map_err(|(key, reason)| ConfigError::Value { file: file.to_owned(), key, reason })
    }
}

/// The parser's words, with the file's own name for its `<input>`.
fn plain(error: &str, file: &Path) -> String {
    let words = error.strip_prefix("error: ").unwrap_or(error);
    words.replace("<input>", &file.display().to_string())
}

fn usable(wire: wire::Config, folder: &Path) -> Result<Config, Fault> {
    let wire::Config {
        mode,
        listen,
        admin,
        tls,
        presets,
        sources,
        modes,
        actors,
        ignore,
        unmanaged,
        extras,
        on_error,
        dry_run,
        max_staleness,
        git,
        programs,
        drain,
        protected_keys,
        cluster: access,
        registration,
        break_glass,
        events,
    } = wire;
    let mut policy = Policy {
        mode: mode.into(),
        modes: convert_each("modes", modes, |rule| {
            let classes = rule.actors.iter().map(|class| class.parse().map_err(|error: ActorError| error.to_string()));
            ModeRule::new(&rule.namespaces, classes.collect::<Result<_, _>>()?, rule.mode.into())
                .map_err(|error| error.to_string())
        })?,
        ignore: convert_each("ignore", ignore, |rule| {
            IgnoreRule::new(&rule.group, &rule.kind, &rule.namespace, &rule.name, &rule.paths)
                .map_err(|error| error.to_string())
        })?,
        unmanaged: convert_each("unmanaged", unmanaged.rules(), scoped)?,
        extras: convert_each("extras", extras.rules(), scoped)?,
        on_error: on_error.into(),
        dry_run: dry_run.into(),
        ..Policy::default()
    };
    if let Some(keys) = &protected_keys {
        policy.set_protected_keys(keys).map_err(|error| ("protectedKeys".to_owned(), error.to_string()))?;
    }
    for source in &sources {
        policy.source_modes.extend(source.mode.map(|mode| (source.name.clone(), Mode::from(mode))));
    }
    let rules = convert_each("actors", actors, rule)?;
    let builder = sources::SourceBuilder::new(folder, &git.data_dir, programs);
    let repositories = convert_each("sources", sources, |source| builder.build(&source))?;
    for (index, repository) in repositories.iter().enumerate() {
        if repositories[..index].iter().any(|before| before.name == repository.name) {
            return Err((format!("sources[{index}].name"), format!("there is a source `{}` already", repository.name)));
        }
    }
    Ok(Config {
        listen: listen.parse().map_err(|_| address("listen", &listen))?,
        admin: admin.parse().map_err(|_| address("admin", &admin))?,
        tls: tls.map(|tls| cluster::tls(tls, folder)).transpose()?,
        cluster: access.into(),
        registration: cluster::registration(registration)?,
        break_glass: cluster::break_glass(&break_glass)?,
        events,
        sources: repositories,
        actors: ActorRules::new(rules, &presets).map_err(|error| ("presets".to_owned(), error.to_string()))?,
        policy,
        poll_interval: pace("git.poll", &git.poll)?,
        refresh_after: duration("git.refreshAfter", &git.refresh_after)?,
        refresh_timeout: duration("git.refreshTimeout", &git.refresh_timeout)?,
        max_staleness: duration("maxStaleness", &max_staleness)?,
        drain: duration("drain", &drain)?,
    })
}

fn convert_each<T, U>(key: &str, items: Vec<T>, make: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, Fault> {
    let make = |(index, item)| make(item).map_err(|reason| (format!("{key}[{index}]"), reason));
    items.into_iter().enumerate().map(make).collect()
}

fn scoped(rule: wire::Scoped) -> Result<NamespaceRule, String> {
    let wire::Scoped { namespaces, answer } = rule;
    NamespaceRule::new(&namespaces, answer.into()).map_err(|error| error.to_string())
}

fn rule(wire: wire::Actor) -> Result<ActorRule, String> {
    let wire::Actor { class, users, groups, fields } = wire;
    if users.is_empty() && groups.is_empty() {
        return Err("it names nobody: give users or groups".into());
    }
    let grants = fields.iter().map(|field| Grant::new(&field.group, &field.kind, &field.paths));
    let make = || -> Result<ActorRule, ActorError> {
        ActorRule::new(class.parse()?, &users, &groups, grants.collect::<Result<_, _>>()?)
    };
    make().map_err(|error| error.to_string())
}

fn address(key: &str, text: &str) -> Fault {
    (key.to_owned(), format!("`{text}` is no address: write an IP address and a port, such as 0.0.0.0:8443"))
}

fn pace(key: &str, text: &str) -> Result<Duration, Fault> {
    let pace = duration(key, text)?;
    if pace.is_zero() {
        Err((key.to_owned(), "it is zero; write how long to wait, such as 30s".into()))
    } else {
        Ok(pace)
    }
}

fn duration(key: &str, text: &str) -> Result<Duration, Fault> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    parsed.ok_or_else(|| (key.to_owned(), format!("`{text}` is no duration: write one such as 30s, 5m or 1h")))
}
