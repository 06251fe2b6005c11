//! `BreakGlass` objects: made by a command, watched by a server.

mod create;
mod watch;

pub use create::{CreateError, Created, Request, create};
pub use watch::watch;
