//! What `deploy/` ships is valid and keeps its promises.

mod alerts;
mod chart;
mod chart_values;
mod kustomization;
mod manifests;
mod monitoring;
mod rbac;
mod renderer;
mod webhook_config;
