//! A real kube-apiserver with its controllers, a person at `kubectl`, and the
//! real `driftwall serve` between them. `tests/control-plane` provides the
//! programs; without them these tests are left out. `DRIFTWALL_CLUSTER=1 tests/run`
//! runs them.
//!
//! The API server is older than the ones that driftwall supports: what it lacks
//! is put into the versions that it has, in Git and in the webhook's rules.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod actions;
mod break_glass;
#[path = "../common/mod.rs"]
mod common;
mod controllers;
mod keys;
mod kubectl;
mod modes;
mod older;
mod plane;
mod process;
mod stage;
mod story;
