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

mod api_versions;
mod autoscaling;
mod break_glass;
mod bypass;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod control_plane;
mod controllers;
mod enforcement;
mod fail_closed;
mod install;
mod kubectl;
mod load_balancer;
mod metrics_api;
mod modes;
mod pki;
mod process;
mod recorded_actions;
mod replicas;
mod shipped_manifests;
mod webhook_config;
mod write_load;
mod zero_downtime;
