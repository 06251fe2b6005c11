//! What the webhook configuration is built from, in addition to the snapshot.

use std::collections::{BTreeMap, BTreeSet};

use super::review_path::ReviewPath;
use crate::actor::{ActorRules, GitopsTool};

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
    /// The path at which it receives reviews.
    pub path: ReviewPath,
    /// What the API server does when the webhook cannot be called: `Ignore` or `Fail`.
    pub failure_policy: &'static str,
    /// How long the API server waits for an answer.
    pub timeout_seconds: u8,
    /// driftwall's own namespace.
    pub own_namespace: String,
    /// Namespaces whose writes are not sent, but for those by which a person lets
    /// something run as an exempt account: driftwall's own, and the control plane's.
    pub excluded_namespaces: Vec<String>,
    /// Namespaces in which the creation of any object that Git does not declare is
    /// sent; `None` where it may be any namespace.
    pub strict_namespaces: Option<Vec<String>>,
    /// Whether writes to `BreakGlass` objects are sent, so that one that is not valid is denied.
    pub break_glass: bool,
    /// The Service's name in the canary's label, where the canary is sent.
    pub canary: Option<String>,
    /// Whether the API server knows `matchConditions`; an older one drops them in silence.
    pub match_conditions: bool,
    /// What of the rules for writers decides which writes are sent.
    pub writers: Writers,
    /// What the API server has of the kinds that Git declares. For a kind that is not here and that Git
    /// does not define, all resources of its group and version are sent.
    pub served: ServedKinds,
}

/// What of the rules for writers decides which writes are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    /// The GitOps tools in use.
    pub tools: BTreeSet<GitopsTool>,
    /// Whether service accounts may count as persons.
    pub may_be_accounts: bool,
}

impl Writers {
    /// What these rules say.
    pub fn of(actors: &ActorRules) -> Self {
        Self { tools: actors.tools().clone(), may_be_accounts: actors.may_make_accounts_persons() }
    }
}

/// What the API server has of kinds, by group and kind.
pub type ServedKinds = BTreeMap<(String, String), ServedKind>;

/// What the API server has of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// The resource's name in URLs.
    pub plural: String,
    /// The versions that it serves.
    pub versions: BTreeSet<String>,
}

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
    /// A URL that the API server can reach from where it runs. Its path is replaced by the one at
    /// which reviews are received, unless it has one of its own.
    Url(String),
}
