//! driftwall, the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftwall::memory::give_back_what_is_freed();
    driftwall::cli::run()
}
