//! Repositories: mirrored, read and rendered.

mod charts;
mod hostile_repo;
mod links;
mod remote;
mod render;
mod skipped;
