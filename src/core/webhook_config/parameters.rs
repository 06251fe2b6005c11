//! What the webhook configuration is built from, in addition to the snapshot.

use std::collections::BTreeMap;

/// What the webhook configuration is built from, in addition to the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookParameters {
    /// The name of the `ValidatingWebhookConfiguration`.
    pub name: String,
    /// Its labels, in addition to the one that names the program.
    pub labels: BTreeMap<String, String>,
    /// The CA of the serving certificate, PEM in base64; `None` leaves `caBundle` to others.
    pub ca_bundle: Option<String>,
    /// Where the webhook is reached.
    pub endpoint: Endpoint,
    /// What the API server does when the webhook cannot be called: `Ignore` or `Fail`.
    pub failure_policy: &'static str,
    /// How long the API server waits for an answer.
    pub timeout_seconds: u8,
    /// Namespaces whose writes are never sent: driftwall's own, and the control plane's.
    pub excluded_namespaces: Vec<String>,
    /// Namespaces in which the creation of any object that Git does not declare is
    /// sent; `None` where it may be any namespace.
    pub strict_namespaces: Option<Vec<String>>,
    /// Whether writes to `BreakGlass` objects are sent, so that one that is not valid is denied.
    pub break_glass: bool,
    /// Whether the API server knows `matchConditions`; an older one drops them in silence.
    pub match_conditions: bool,
    /// The plurals of the kinds that Git declares and does not define. For a kind
    /// that is not here, all resources of its group and version are sent.
    pub plurals: Plurals,
}

/// Plurals, by group and kind.
pub type Plurals = BTreeMap<(String, String), String>;

/// Where the webhook is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// A URL that the API server can reach from where it runs.
    Url(String),
}
