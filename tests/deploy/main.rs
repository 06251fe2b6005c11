//! What `deploy/` ships: what a real API server would take, and what it promises.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

mod base;
mod chart;
mod harness;
mod monitoring;
mod registration;
mod rights;
