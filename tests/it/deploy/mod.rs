//! What `deploy/` ships: what a real API server would take, and what it promises.

mod base;
mod chart;
mod harness;
mod monitoring;
mod registration;
mod rights;
