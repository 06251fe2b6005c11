//! The Kubernetes API: what driftwall looks up in the cluster, and what it keeps
//! there of its own (Events, leases, its certificate, its webhook configuration).

mod any_change;
mod api_discovery;
mod api_error;
pub mod break_glass;
mod canary;
mod certificates;
mod context;
mod events;
mod kubeconfig;
mod leader_election;
mod lookup;
mod offline;
mod replica_reports;
mod review_path;
mod secret_store;
#[cfg(test)]
mod testing;
mod webhook_config;

pub use api_discovery::ApiDiscovery;
pub(crate) use api_error::ApiError;
pub use canary::{CanaryObserver, CanarySender, CanarySettings, CanaryStatus};
pub use certificates::{CertificateManager, CertificateSpec, RotationTiming};
pub use context::ClusterContext;
pub(crate) use context::client_of_kubeconfig;
pub use events::{EventRecord, InvolvedObject, Recorder};
pub use leader_election::{ElectionTiming, LeaderElector};
pub use lookup::ApiLookup;
pub use offline::{OfflineLookup, OfflineLookupError};
pub use replica_reports::ReplicaReports;
pub use review_path::{PathTiming, ReviewPathManager};
pub use webhook_config::{
    ControllerInputs, DesiredWebhookConfig, Observer, RegisteredCa, RegisteredPaths, RegisteredWebhooks,
    WebhookConfigController, WebhookConfigState, WebhookSpec, poll_registered,
};

/// The field manager of what driftwall writes.
const FIELD_MANAGER: &str = "driftwall";
