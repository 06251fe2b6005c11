//! The configuration as it is written. Its keys are a contract: a key that gets a better name keeps
//! the old one beside it (`x-old-name`).
//!
//! The documentation comments here are the descriptions of the JSON Schema and of
//! `docs/configuration.md`: what a key means, its unit, and what happens without it.

mod cluster;
mod discover;
mod policy;
mod source;

use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use cluster::{BreakGlass, FailurePolicy, Registration, Tls};
pub(crate) use discover::{Discover, DiscoverArgocd};
pub(crate) use policy::{
    Actor, AnswerOrRules, DeleteGrant, DryRun, FieldGrant, IgnoreRule, Mode, ModeRule, NamespaceRule, OnError,
    ProtectedKeys, UnmanagedAnswer, UnmanagedRule,
};
pub(crate) use source::{
    Auth, BuildOptions, Git, Helm, LoadRestrictor, Programs, Render, Renderer, Rendering, Repository, Source,
};

/// Configuration of driftwall. Relative paths are relative to the folder of this file.
#[derive(Deserialize, JsonSchema)]
#[schemars(title = "driftwall.yaml")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Config {
    /// How drift is answered: `enforce` denies it, `warn` lets it pass with a warning, `audit` lets it pass and
    /// only records it. `modes` and `mode` of a source say otherwise for a part of the cluster.
    #[schemars(example = &"audit")]
    #[serde(default)]
    pub(crate) mode: Mode,
    /// Address and port of the webhook (HTTPS). A change needs a restart.
    #[schemars(example = &"0.0.0.0:8443")]
    #[serde(default = "listen")]
    pub(crate) listen: String,
    /// Address and port of the probes `/livez` and `/readyz` and of `/metrics` (HTTP). A change needs a restart.
    #[schemars(example = &"0.0.0.0:8080")]
    #[serde(default = "admin")]
    pub(crate) admin: String,
    /// Whether driftwall uses the API server for what only the cluster knows: owners, custom resource
    /// definitions, `BreakGlass` objects. A change needs a restart.
    #[schemars(example = &"auto")]
    #[serde(default)]
    pub(crate) cluster: Cluster,
    /// The name of this cluster, where metrics and logs of several come together: the label `cluster` of every metric,
    /// the field `cluster` of every JSON log line, and an audit annotation. A change needs a restart.
    #[schemars(example = &"prod-eu-1")]
    #[serde(default)]
    pub(crate) cluster_name: String,
    /// The serving certificate: `certFile` and `keyFile`, or `selfManaged`. Needed to serve, not to check. A
    /// change needs a restart.
    pub(crate) tls: Option<Tls>,
    /// The `ValidatingWebhookConfiguration` by which the API server calls driftwall.
    #[serde(default)]
    pub(crate) registration: Registration,
    /// What a `BreakGlass` object may do: let drift pass for a while, in an emergency.
    #[serde(default)]
    pub(crate) break_glass: BreakGlass,
    /// Whether denials, and drift that a `BreakGlass` lets pass, are recorded as Events of the objects.
    #[schemars(example = true)]
    #[serde(default = "events")]
    pub(crate) events: bool,
    /// Well-known controllers that run in this cluster, under the names of their default installations. Name
    /// only what you run: a name that the cluster does not use is free for anybody to take.
    #[schemars(schema_with = "policy::presets", example = ["argocd", "cert-manager"])]
    #[serde(default)]
    pub(crate) presets: Vec<String>,
    /// GitOps tools whose applications driftwall finds by itself: what they deploy needs no source.
    #[serde(default)]
    pub(crate) discover: Discover,
    /// What Git declares: repositories and paths in them.
    pub(crate) sources: Vec<Source>,
    /// Credentials by address, for charts that the charts of sources depend on, and for chart sources without `auth`.
    #[serde(default)]
    pub(crate) repositories: Vec<Repository>,
    /// Modes for some namespaces, kinds and writers. The first rule that matches applies; where none does, `mode` of
    /// the source, else `mode`.
    #[serde(default)]
    pub(crate) modes: Vec<ModeRule>,
    /// Who is who. These rules are tried in order, before the presets.
    #[serde(default)]
    pub(crate) actors: Vec<Actor>,
    /// Fields that are never compared.
    #[serde(default)]
    pub(crate) ignore: Vec<IgnoreRule>,
    /// The answer to a new object that Git does not declare, made by a person: one for all namespaces, or a list of
    /// rules of which the first that matches applies. Where none matches, `allow`.
    #[schemars(extend("default" = "allow"), example = &"warn")]
    #[serde(default)]
    pub(crate) unmanaged: UnmanagedAnswer,
    /// What happens at most when a person adds fields to a declared object: one for all namespaces, or a list
    /// of rules of which the first that matches applies. Where none matches, `deny`.
    #[schemars(extend("default" = "deny"), example = &"warn")]
    #[serde(default)]
    pub(crate) extras: AnswerOrRules,
    /// The answer to a write that cannot be evaluated because something could not be asked: `allow` fails open with a
    /// warning, `deny` fails closed. A write that itself cannot be read is denied in any case.
    #[schemars(example = &"allow")]
    #[serde(default)]
    pub(crate) on_error: OnError,
    /// The answer to drift in a dry run (`--dry-run=server`, `kubectl diff`), which changes nothing.
    #[schemars(example = &"warn")]
    #[serde(default)]
    pub(crate) dry_run: DryRun,
    /// Labels and annotations that no person may set where Git does not, in addition to those that
    /// `driftwall config tables` prints: a list of globs, or `deny`, `warn` and `replace`.
    #[schemars(example = ["acme.example.org/*"])]
    #[serde(default)]
    pub(crate) protected_keys: ProtectedKeys,
    /// If the last successful sync is older than this, drift is only warned about: a duration such as `30m`.
    #[schemars(example = &"30m")]
    #[serde(default = "max_staleness")]
    pub(crate) max_staleness: String,
    /// How repositories are polled and mirrored.
    #[serde(default)]
    pub(crate) git: Git,
    /// How much kustomizations and charts may use while they are rendered.
    #[serde(default)]
    pub(crate) render: Rendering,
    /// Programs that render sources, where they are not to be looked for on `PATH`.
    #[serde(default)]
    pub(crate) programs: Programs,
    /// How long a server keeps serving after SIGTERM: a duration such as `10s`. A change needs a restart.
    #[schemars(example = &"10s")]
    #[serde(default = "drain")]
    pub(crate) drain: String,
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

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cluster {
    /// The cluster that `KUBECONFIG` names, or that this pod runs in; without either, none.
    #[default]
    Auto,
    /// No cluster: only Git.
    Off,
}
