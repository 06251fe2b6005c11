//! The program as it is run: `serve` over real TLS, on recorded reviews and a
//! real repository; `certs`; `demo`.

// Clippy takes only the functions marked as tests for tests, not what they call.
// Counts are whole, and what a test waits for may be large.

mod cluster;
mod commands;
mod harness;
mod load;
mod recorded;
mod rendered;
mod renewal;
mod verdicts;
