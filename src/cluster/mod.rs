//! What the cluster knows: today the objects that a file gives, in place of a
//! live cluster.

mod recorded;

pub use recorded::{Recorded, RecordedError};
