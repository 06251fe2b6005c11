//! What the cluster knows: a live one that is asked, or the objects that a file
//! gives in its place; and what driftwall keeps of its own there.

mod breaking;
mod certificates;
mod events;
mod glass;
mod home;
mod lease;
mod live;
mod recorded;
mod registered;
mod registrar;
#[cfg(test)]
mod small;

pub use breaking::{BreakError, Breaking, Broken, break_glass};
pub use certificates::{Certificates, Pace, Wanted};
pub use events::{Happening, Recorder, Regarding};
pub use glass::follow as follow_glass;
pub use home::{ConnectError, Home};
pub use lease::{Lease, Terms};
pub use live::Live;
pub use recorded::{Recorded, RecordedError};
pub use registered::{Trusted, follow as follow_registered};
pub use registrar::{Inputs, Observer, Order, Plan, Registrar, State};

/// Who owns the fields that driftwall writes.
const FIELD_MANAGER: &str = "driftwall";

/// An error as one line, in the API server's own words where it has some.
fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => {
            let mut text = other.to_string();
            let mut next = std::error::Error::source(other);
            while let Some(error) = next {
                let words = error.to_string();
                if !text.contains(&words) {
                    text.push_str(": ");
                    text.push_str(&words);
                }
                next = error.source();
            }
            text
        }
    }
}
