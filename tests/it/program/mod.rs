//! The program as it is run: `serve` over TLS, with recorded reviews and a Git repository; the other commands.

// Clippy takes only the functions marked as tests for tests, not what they call.
// Counts are whole, and what a test waits for may be large.

mod answers;
mod commands;
mod day_in_audit;
mod flags;
mod load;
mod load_generator;
mod many_sources;
mod memory;
mod metrics;
mod owner_lookup;
mod pushes;
mod recorded_reviews;
mod reload;
mod rendered_source;
mod serve_process;
mod suggest;
