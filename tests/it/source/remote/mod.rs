//! Mirrors of repositories on real servers: git's own `http-backend` behind TLS,
//! OpenSSH's `sshd`, and plain folders, all on loopback and on free ports.

// Clippy takes only the functions marked as tests for tests, not what they call.

mod damage;
mod follow;
mod gone;
mod https;
mod moves;
mod origin;
mod place;
mod secrets;
mod ssh;
mod sshd;
mod web;
