//! Repositories: mirrored, read and rendered.

mod hostile_repo;
mod remote;
mod render;
