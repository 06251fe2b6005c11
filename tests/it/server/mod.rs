//! The server over real connections: TLS on loopback, free ports.

// Clippy takes only the functions marked as tests for tests, not what they call.

mod admin;
mod drain;
mod harness;
mod limits;
mod requests;
mod signals;
mod tls;
