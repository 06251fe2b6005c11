//! What the tests of several rooms need.

pub(crate) mod common;
pub(crate) mod world;
