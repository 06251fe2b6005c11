//! `BreakGlass` objects: made by a command, watched by a server.

mod create;
mod watch;

pub use create::{BreakError, Breaking, Broken, break_glass};
pub use watch::follow as follow_glass;
