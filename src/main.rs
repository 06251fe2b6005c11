//! driftwall, the program.

fn main() {}
