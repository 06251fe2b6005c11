//! Repositories: mirrored, read and rendered.

mod charts;
mod hostile_repo;
mod links;
pub(crate) mod remote;
pub(crate) mod render;
mod skipped;
