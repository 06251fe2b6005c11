//! What the cluster knows: a live one that is asked, or the objects that a file
//! gives in its place.

mod home;
mod live;
mod recorded;
mod registrar;

pub use home::{ConnectError, Home};
pub use live::Live;
pub use recorded::{Recorded, RecordedError};
pub use registrar::{Inputs, Observer, Plan, Registrar, State};
