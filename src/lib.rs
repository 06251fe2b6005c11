//! driftwall blocks configuration drift in Kubernetes: Git says what a cluster
//! should be, and a write that would make the cluster differ from it is denied,
//! warned about or recorded, at the moment of the write.
//!
//! The deciding code is the crate `driftwall_core`; this one does the rest, in modules:
//!
//! ```text
//! cli        the commands
//! serve      start, reload, wiring of `driftwall serve`
//! admission  the handler: a review in, an answer, log line and event out
//! server     TLS, connections, limits, probes, drain
//! renderer   `driftwall renderer`, which renders for other driftwalls
//! source     repositories: mirrors, rendering, polling, the snapshot store
//! discovery  what Argo CD and Flux deploy, found by watching their objects
//! cluster    the Kubernetes API: look-ups, events, leader election, certificates, webhook configuration
//! config     the configuration file
//! telemetry  metrics and logs
//! certs      making and inspecting certificates
//! memory     how the allocator is set
//! ```

pub mod admission;
pub mod certs;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod discovery;
mod error_chain;
mod jitter;
pub mod memory;
mod plain_words;
pub mod renderer;
pub mod serve;
pub mod server;
pub mod source;
pub mod telemetry;
