//! Rendering: kustomizations and charts with the real programs, and everything
//! that can go wrong with programs that are not.
#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

#[path = "../common/mod.rs"]
mod common;

mod bounds;
mod checkout;
mod corpus;
mod harness;
mod helm;
mod kustomize;
