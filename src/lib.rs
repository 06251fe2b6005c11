//! A wall against configuration drift in Kubernetes: Git says what a cluster
//! should be, and a write that would make the cluster differ from it is denied,
//! warned about or recorded, at the moment of the write.
//!
//! ```text
//! AdmissionReview (bytes)
//!   → review    decodes only the envelope: who, what, which object; the objects stay raw text
//!   → actor     who writes? Git's own hand, the control plane, a known controller, a workload, a person
//!   → desired   what does Git say of this object? one lock-free look-up in an immutable snapshot
//!   → compare   which fields does this write move away from Git?
//!   → judge     the verdict first, then the mode (enforce | warn | audit), then the words
//!   → review    encodes: allowed, status, warnings, audit annotations
//! ```
//!
//! These rooms are pure: no clock, no network, no file, no async. What they
//! need is an argument. `registration` says which writes the API server asks
//! about. `manifest` reads what Git holds. The other rooms touch
//! the outside and are behind the feature `server`: `git` reads repositories,
//! `cluster` knows what only the cluster knows, `server` speaks TLS, `cli` wires
//! them together.

pub mod actor;
pub mod compare;
pub mod desired;
pub mod judge;
pub mod manifest;
pub mod registration;
pub mod review;

#[cfg(feature = "server")]
pub mod certs;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod git;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod telemetry;
