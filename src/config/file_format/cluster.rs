//! What is written of driftwall's own part in a cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Tls {
    /// Whether driftwall creates a CA and its serving certificate itself, keeps both in a Secret of its namespace
    /// and renews them when a third of their validity is left. Excludes `certFile` and `keyFile`.
    #[schemars(example = true)]
    #[serde(default)]
    pub(crate) self_managed: bool,
    /// How long a self-managed CA is valid: a duration, at least `certificateValidity`.
    #[schemars(extend("x-old-name" = "authorityLife"), example = &"8760h")]
    #[serde(default = "ca_validity")]
    pub(crate) ca_validity: String,
    /// How long a self-managed serving certificate is valid: a duration, at least `10s`.
    #[schemars(extend("x-old-name" = "certificateLife"), example = &"2160h")]
    #[serde(default = "certificate_validity")]
    pub(crate) certificate_validity: String,
    /// PEM file of the serving certificate and its chain. It is read again when it changes.
    #[schemars(length(min = 1), example = &"/tls/tls.crt")]
    pub(crate) cert_file: Option<String>,
    /// PEM file of the key of `certFile`.
    #[schemars(length(min = 1), example = &"/tls/tls.key")]
    pub(crate) key_file: Option<String>,
    /// PEM file of a CA: only clients with a certificate of this CA are answered. Without it, all clients are.
    #[schemars(length(min = 1), example = &"/clients/ca.crt")]
    pub(crate) client_ca_file: Option<String>,
    /// Name by which `render.renderer` is reached: driftwall then creates and renews its certificate, and the one by
    /// which driftwall shows it who it is, in the Secrets `<registration.service>-renderer` and
    /// `<registration.service>-renderer-client`. Requires `selfManaged`.
    #[schemars(example = &"driftwall-renderer.driftwall.svc")]
    pub(crate) renderer: Option<String>,
}

/// A year.
fn ca_validity() -> String {
    "8760h".into()
}

/// Ninety days.
fn certificate_validity() -> String {
    "2160h".into()
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Registration {
    /// Whether driftwall creates and updates the `ValidatingWebhookConfiguration` itself, for the kinds that Git
    /// declares. With `false`, apply what `driftwall webhook` prints.
    #[schemars(example = true)]
    pub(crate) manage: bool,
    /// Name of the `ValidatingWebhookConfiguration`, and of the `ClusterRole` that owns it. A change needs a restart.
    #[schemars(length(min = 1), example = &"driftwall")]
    pub(crate) name: String,
    /// Name of the Service in front of the webhook, in driftwall's namespace. The Deployment has the same name;
    /// the Lease and the Secret of certificates are named after it. A change needs a restart.
    #[schemars(length(min = 1), example = &"driftwall")]
    pub(crate) service: String,
    /// Port of the Service. A change needs a restart.
    #[schemars(range(min = 1, max = 65535), example = 443)]
    pub(crate) port: u16,
    /// Where the API server reaches the webhook without a Service. A change needs a restart.
    #[schemars(example = &"https://driftwall.example:8443/validate")]
    pub(crate) url: Option<String>,
    /// File with the path at which reviews are received, where driftwall does not register itself: a slash and
    /// characters that nobody can guess, such as `echo /$(openssl rand -hex 16)` prints. Further lines are accepted
    /// too, while you change from one path to another. It is read again when it changes. Without it, the path is
    /// `/validate`. With `manage`, driftwall creates the path itself, keeps it in the Secret
    /// `<registration.service>-path` and replaces it every 30 days.
    #[schemars(length(min = 1), example = &"/path/path")]
    pub(crate) path_file: Option<String>,
    /// What the API server does with a write when it cannot call driftwall.
    #[schemars(example = &"Ignore")]
    pub(crate) failure_policy: FailurePolicy,
    /// How many seconds the API server waits for an answer.
    #[schemars(range(min = 1, max = 30), example = 5)]
    pub(crate) timeout_seconds: u8,
    /// Namespaces whose writes are not sent to driftwall, beside driftwall's own namespace.
    #[schemars(extend("x-old-name" = "leaveOut"), example = ["kube-system"])]
    pub(crate) exclude_namespaces: Vec<String>,
    /// Whether driftwall restores its webhook configuration when somebody removes or changes it. To disable
    /// driftwall then, set this to `false` first.
    #[schemars(extend("x-old-name" = "restore"), example = false)]
    pub(crate) self_heal: bool,
    /// Whether driftwall finds out by itself whether the API server calls it: every 30 s one replica applies the
    /// ConfigMap `<registration.service>-canary` by dry run. Has no effect without `manage`.
    #[schemars(example = true)]
    pub(crate) canary: bool,
}

#[derive(Clone, Copy, Deserialize, JsonSchema, Serialize)]
pub(crate) enum FailurePolicy {
    /// The write passes, not evaluated.
    Ignore,
    /// The write fails.
    Fail,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct BreakGlass {
    /// Whether `BreakGlass` objects have an effect.
    #[schemars(example = true)]
    pub(crate) enabled: bool,
    /// How long a `BreakGlass` may last at most: a duration.
    #[schemars(extend("x-old-name" = "longest"), example = &"4h")]
    pub(crate) max_duration: String,
}

impl Default for Registration {
    fn default() -> Self {
        Self {
            manage: false,
            name: "driftwall".into(),
            service: "driftwall".into(),
            port: 443,
            url: None,
            path_file: None,
            failure_policy: FailurePolicy::Ignore,
            timeout_seconds: 5,
            exclude_namespaces: vec!["kube-system".into()],
            self_heal: false,
            canary: true,
        }
    }
}

impl Default for BreakGlass {
    fn default() -> Self {
        Self { enabled: true, max_duration: "4h".into() }
    }
}
