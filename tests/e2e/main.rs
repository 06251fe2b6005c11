//! A real kube-apiserver with its controllers, a person at `kubectl`, and the
//! real `driftwall serve` between them, installed from `deploy/` as itself,
//! registered by itself and reached through a Service. `tests/control-plane`
//! provides the programs; without them these tests are left out.
//!
//! The API server that it builds is older than the ones that driftwall supports:
//! what a server lacks is put into the versions that it has, in Git and in what
//! `deploy/` ships.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod accepted;
mod actions;
mod balancer;
mod break_glass;
#[path = "../it/harness/common.rs"]
mod common;
mod controllers;
mod install;
mod keys;
mod kubectl;
mod load;
mod lock_out;
mod metrics;
mod modes;
mod older;
mod plane;
mod process;
mod registration;
mod renewals;
mod replicas;
mod scaling;
mod stage;
mod story;
mod ways_round;
