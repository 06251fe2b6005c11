//! The deciding code of driftwall: whether a write to a Kubernetes cluster
//! drifts from what Git declares, and what the answer is.
//!
//! ```text
//! AdmissionReview (bytes)
//!   → admission  decodes the envelope only: who, what, which object; the objects stay raw text
//!   → actor      who writes? a GitOps tool, the control plane, a known controller, a workload, a person
//!   → desired    what does Git declare of this object? one lock-free look-up in an immutable snapshot
//!   → diff       which fields does this write move away from Git?
//!   → policy     the verdict first, then the mode (enforce | warn | audit)
//!   → message    the words of a denial or warning
//!   → admission  encodes: allowed, status, warnings, audit annotations
//! ```
//!
//! `manifest` reads what Git holds, and `webhook_config` says which writes the
//! API server asks about. There is no clock, network, file or async in this
//! crate: what it needs is an argument.

pub mod actor;
pub mod admission;
pub mod decision;
pub mod desired;
pub mod diff;
pub mod glob;
pub mod go_duration;
pub mod manifest;
pub mod message;
pub mod policy;
pub mod text;
pub mod webhook_config;
