//! Charts from real servers on loopback: a chart repository behind TLS that `helm
//! repo index` has filled, and a registry that `helm push` has.

mod fixtures;
mod http_repository;
mod oci_registry;
mod registry;
mod web_server;
