//! Mirrors of repositories on real servers: git's own `http-backend` behind TLS,
//! OpenSSH's `sshd`, and plain folders, all on loopback and on free ports.

// Clippy takes only the functions marked as tests for tests, not what they call.

mod damaged_mirror;
pub(crate) mod git_http_server;
mod https;
mod mirror_size;
mod polling;
pub(crate) mod repository;
mod revisions;
mod secrets;
mod shared_repository;
mod ssh;
mod ssh_certificates;
mod ssh_servers;
mod sshd;
pub(crate) mod transports;
mod unreachable;
