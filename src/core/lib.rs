//! The deciding code of driftwall: whether a write to a Kubernetes cluster
//! drifts from what Git declares, and what the answer is.
//!
//! ```text
//! AdmissionReview (bytes)
//!   → admission  decodes the envelope only: who, what, which object; the objects stay raw text
//!   → actor      classifies the writer: a GitOps tool, the control plane, a known controller, a workload, a person
//!   → desired    finds what Git declares of this object, in an immutable snapshot, without a lock
//!                (`applications`: what of it Argo CD and Flux list as theirs)
//!   → ownership  tells what the writer brought from what admission added
//!   → diff       finds the fields that this write moves away from Git
//!   → policy     evaluates: the verdict first, then the mode (enforce, warn or audit)
//!   → message    words the denial or the warnings
//!   → admission  encodes the answer: allowed, status, warnings, audit annotations
//! ```
//!
//! `manifest` parses what Git holds, `webhook_config` says which writes the API server
//! asks about, and `canary` whether it does. There is no clock, network, file or async in this crate: what
//! it needs is an argument.

pub mod actor;
pub mod admission;
pub mod applications;
pub mod canary;
pub mod decision;
mod deep_stack;
pub mod desired;
pub mod diff;
pub mod drift_memory;
pub mod glob;
pub mod go_duration;
mod label_selector;
pub mod manifest;
pub mod message;
mod ownership;
pub mod policy;
pub mod skipped;
pub mod source_state;
pub mod text;
pub mod webhook_config;
