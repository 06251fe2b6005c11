//! Charts from real servers on loopback: a chart repository behind TLS that `helm
//! repo index` has filled, and a registry that `helm push` has.

mod chart_source;
pub(crate) mod dependencies;
pub(crate) mod fixtures;
mod http_repository;
mod oci_registry;
pub(crate) mod registry;
pub(crate) mod web_server;
