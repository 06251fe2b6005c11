//! driftwall, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftwall::cli::run()
}
