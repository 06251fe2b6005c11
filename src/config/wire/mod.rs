//! The configuration as it is written. These names are a contract.

mod cluster;

use serde::Deserialize;

use driftwall_core::policy;

pub(super) use cluster::{BreakGlass, FailurePolicy, Registration, Tls};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default = "listen")]
    pub(super) listen: String,
    #[serde(default = "admin")]
    pub(super) admin: String,
    #[serde(default)]
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) presets: Vec<String>,
    pub(super) sources: Vec<Source>,
    #[serde(default)]
    pub(super) modes: Vec<ModeRule>,
    #[serde(default)]
    pub(super) actors: Vec<Actor>,
    #[serde(default)]
    pub(super) ignore: Vec<Ignore>,
    #[serde(default)]
    pub(super) unmanaged: OneOrMany,
    #[serde(default)]
    pub(super) extras: OneOrMany,
    #[serde(default)]
    pub(super) on_error: OnError,
    #[serde(default)]
    pub(super) dry_run: DryRun,
    #[serde(default = "max_staleness")]
    pub(super) max_staleness: String,
    #[serde(default)]
    pub(super) git: Git,
    #[serde(default)]
    pub(super) programs: Programs,
    #[serde(default = "drain")]
    pub(super) drain: String,
    #[serde(default)]
    pub(super) protected_keys: Option<Vec<String>>,
    #[serde(default)]
    pub(super) cluster: Cluster,
    #[serde(default)]
    pub(super) registration: Registration,
    #[serde(default)]
    pub(super) break_glass: BreakGlass,
    #[serde(default = "events")]
    pub(super) events: bool,
}

fn listen() -> String {
    "0.0.0.0:8443".into()
}

fn admin() -> String {
    "0.0.0.0:8080".into()
}

fn max_staleness() -> String {
    "30m".into()
}

fn drain() -> String {
    "10s".into()
}

fn events() -> bool {
    true
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Audit,
    #[default]
    Enforce,
    Warn,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    Allow,
    Deny,
    Warn,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnError {
    #[default]
    Allow,
    Deny,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DryRun {
    Allow,
    Deny,
    #[default]
    Warn,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Cluster {
    #[default]
    Auto,
    Off,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) repo: String,
    #[serde(default = "head")]
    pub(super) revision: String,
    #[serde(default)]
    pub(super) path: String,
    pub(super) namespace: Option<String>,
    #[serde(default)]
    pub(super) include: Vec<String>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    pub(super) mode: Option<Mode>,
    #[serde(default)]
    pub(super) priority: i32,
    #[serde(default)]
    pub(super) auth: Auth,
    #[serde(default)]
    pub(super) render: Render,
    #[serde(default)]
    pub(super) allow_remote: bool,
    #[serde(default)]
    pub(super) helm: Helm,
}

/// Files that the server of a repository asks for.
#[allow(clippy::struct_field_names, reason = "the names are those of the configuration")]
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) token_file: Option<String>,
    pub(super) username_file: Option<String>,
    pub(super) password_file: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) ssh_key_file: Option<String>,
    pub(super) ssh_passphrase_file: Option<String>,
    pub(super) known_hosts_file: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Render {
    #[default]
    Auto,
    Helm,
    Kustomize,
    Plain,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Helm {
    #[serde(default)]
    pub(super) release_name: String,
    #[serde(default)]
    pub(super) values_files: Vec<String>,
    pub(super) values: Option<String>,
    pub(super) kube_version: Option<String>,
    #[serde(default)]
    pub(super) api_versions: Vec<String>,
}

/// Programs that render, where they are not to be looked for on `PATH`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Programs {
    pub(super) kustomize: Option<String>,
    pub(super) kubectl: Option<String>,
    pub(super) helm: Option<String>,
}

fn head() -> String {
    "HEAD".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModeRule {
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    #[serde(default)]
    pub(super) actors: Vec<String>,
    pub(super) mode: Mode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Actor {
    pub(super) class: String,
    #[serde(default)]
    pub(super) users: Vec<String>,
    #[serde(default)]
    pub(super) groups: Vec<String>,
    #[serde(default)]
    pub(super) fields: Vec<Fields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    #[serde(default = "any")]
    pub(super) group: String,
    #[serde(default = "any")]
    pub(super) kind: String,
    pub(super) paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ignore {
    #[serde(default = "any")]
    pub(super) group: String,
    #[serde(default = "any")]
    pub(super) kind: String,
    #[serde(default = "any")]
    pub(super) namespace: String,
    #[serde(default = "any")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) paths: Vec<String>,
}

fn any() -> String {
    "*".into()
}

/// One answer for all namespaces, or one for each of some.
#[derive(Deserialize)]
#[serde(untagged, expecting = "one of allow, warn, deny, or a list of {namespaces: […], answer: …}")]
pub(super) enum OneOrMany {
    One(Answer),
    Many(Vec<Scoped>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scoped {
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    pub(super) answer: Answer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Git {
    pub(super) poll: String,
    #[serde(alias = "freshness")]
    pub(super) refresh_after: String,
    #[serde(alias = "longestLook")]
    pub(super) refresh_timeout: String,
    #[serde(alias = "data")]
    pub(super) data_dir: String,
}

impl Default for Git {
    fn default() -> Self {
        Self {
            poll: "30s".into(),
            refresh_after: "5s".into(),
            refresh_timeout: "1500ms".into(),
            data_dir: "/var/lib/driftwall".into(),
        }
    }
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    pub(super) fn rules(self) -> Vec<Scoped> {
        match self {
            Self::One(answer) => vec![Scoped { namespaces: Vec::new(), answer }],
            Self::Many(rules) => rules,
        }
    }
}

impl From<Mode> for policy::Mode {
    fn from(wire: Mode) -> Self {
        match wire {
            Mode::Audit => Self::Audit,
            Mode::Enforce => Self::Enforce,
            Mode::Warn => Self::Warn,
        }
    }
}

impl From<Cluster> for super::ClusterAccess {
    fn from(wire: Cluster) -> Self {
        match wire {
            Cluster::Auto => Self::Auto,
            Cluster::Off => Self::Off,
        }
    }
}

impl From<Answer> for policy::Outcome {
    fn from(wire: Answer) -> Self {
        match wire {
            Answer::Allow => Self::Allow,
            Answer::Deny => Self::Deny,
            Answer::Warn => Self::Warn,
        }
    }
}

impl From<OnError> for policy::Outcome {
    fn from(wire: OnError) -> Self {
        match wire {
            OnError::Allow => Self::Allow,
            OnError::Deny => Self::Deny,
        }
    }
}

impl From<DryRun> for policy::Outcome {
    fn from(wire: DryRun) -> Self {
        match wire {
            DryRun::Allow => Self::Allow,
            DryRun::Deny => Self::Deny,
            DryRun::Warn => Self::Warn,
        }
    }
}
