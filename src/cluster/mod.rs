//! What the cluster knows: a live one that is asked, or the objects that a file
//! gives in its place; and what driftwall keeps of its own there.

mod api_error;
pub mod break_glass;
mod certificates;
mod context;
mod events;
mod leader_election;
mod lookup;
mod offline;
#[cfg(test)]
mod testing;
mod webhook_config;

pub use certificates::{CertificateManager, CertificateSpec, RotationTiming};
pub use context::{ClusterContext, ConnectError};
pub use events::{EventRecord, InvolvedObject, Recorder};
pub use leader_election::{ElectionTiming, LeaderElector};
pub use lookup::ApiLookup;
pub use offline::{OfflineLookup, OfflineLookupError};
pub use webhook_config::{
    ControllerInputs, Desired, Observer, RegisteredCa, WebhookConfigController, WebhookConfigState, WebhookSpec,
    poll_registered_ca,
};

use crate::error_chain::error_chain;

/// Who owns the fields that driftwall writes.
const FIELD_MANAGER: &str = "driftwall";

/// An error as one line, in the API server's own words where it has some.
fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => error_chain(other),
    }
}
