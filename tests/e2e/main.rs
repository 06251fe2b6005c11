//! driftwall in a real cluster: kube-apiserver with its controllers, a person with `kubectl`, and `driftwall serve`,
//! installed from `deploy/`, registered by itself and reached through a Service. `tests/control-plane` provides the
//! programs; without them these tests are left out.
//!
//! The suite runs on several versions of Kubernetes. What a server lacks, and what it does in another way, is found
//! out by asking it (`server_apis`), never from its version.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]

mod autoscaling;
mod break_glass;
mod bypass;
mod canary;
mod cluster;
#[path = "../common/mod.rs"]
mod common;
mod control_plane;
mod controllers;
mod discovery;
mod enforcement;
mod fail_closed;
mod faults;
mod git_server;
mod https_server;
mod install;
mod kubectl;
mod load_balancer;
mod metrics_api;
mod modes;
mod mutating_admission;
mod pki;
mod process;
mod recorded_actions;
mod replicas;
mod restore;
mod rights;
mod runbook;
mod server_apis;
mod shipped_manifests;
mod situations;
mod webhook_config;
