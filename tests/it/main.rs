//! Everything that needs no control plane, a module for each subject.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test may fail by a panic")]
#![allow(clippy::float_cmp, clippy::large_futures)]
#![allow(clippy::too_many_lines, reason = "a table is as long as its cases")]

#[path = "../common/mod.rs"]
mod common;
mod deploy;
mod desired;
mod diff;
mod docs;
mod harness;
mod module_dependencies;
mod policy;
mod program;
mod server;
mod situations;
mod source;
mod untrusted;
mod webhook_config;
