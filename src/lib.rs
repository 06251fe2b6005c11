//! A wall against configuration drift in Kubernetes.

pub mod manifest;
