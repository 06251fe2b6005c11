//! What both test binaries use.

pub(crate) mod git;
pub(crate) mod programs;
pub(crate) mod recordings;
pub(crate) mod tls;
