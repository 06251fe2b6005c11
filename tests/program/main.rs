//! The program as it is run: `serve` over real TLS, on recorded reviews and a
//! real repository; `certs`; `demo`.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic)]
// Counts are whole, and what a test waits for may be large.
#![allow(clippy::float_cmp, clippy::large_futures)]

#[path = "../server/client.rs"]
#[allow(dead_code, reason = "the server's tests use the rest")]
mod client;
mod cluster;
mod commands;
#[path = "../common/mod.rs"]
mod common;
mod harness;
mod load;
mod rendered;
mod renewal;
mod verdicts;
