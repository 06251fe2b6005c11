//! A wall against configuration drift in Kubernetes.

pub mod actor;
pub mod compare;
pub mod manifest;
pub mod review;
