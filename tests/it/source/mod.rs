//! Repositories: mirrored, read and rendered.

mod charts;
mod hostile_repo;
mod remote;
mod render;
