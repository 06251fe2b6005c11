//! A wall against configuration drift in Kubernetes.

pub mod manifest;

#[cfg(feature = "server")]
pub mod certs;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod telemetry;
