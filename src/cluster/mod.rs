//! What the cluster knows: a live one that is asked, or the objects that a file
//! gives in its place; and what driftwall keeps of its own there.

mod break_glass;
mod certificates;
mod context;
mod events;
mod leader_election;
mod lookup;
mod offline;
#[cfg(test)]
mod testing;
mod webhook_config;

pub use break_glass::{BreakError, Breaking, Broken, break_glass, follow_glass};
pub use certificates::{Certificates, Pace, Wanted};
pub use context::{ClusterContext, ConnectError};
pub use events::{EventRecord, InvolvedObject, Recorder};
pub use leader_election::{Lease, Terms};
pub use lookup::Live;
pub use offline::{Recorded, RecordedError};
pub use webhook_config::{Inputs, Observer, Order, Plan, Registrar, State, Trusted, follow_registered};

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
