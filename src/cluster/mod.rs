//! What the cluster knows: a live one that is asked, or the objects that a file
//! gives in its place.

mod live;
mod recorded;

pub use live::{ConnectError, Live};
pub use recorded::{Recorded, RecordedError};
