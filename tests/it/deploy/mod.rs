//! What `deploy/` ships: what a real API server would take, and what it promises.

mod chart;
mod kustomization;
mod manifests;
mod monitoring;
mod rbac;
mod webhook_config;
