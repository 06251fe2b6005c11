//! Decides one review again and again, for a profiler:
//!
//!     cargo build --release -p driftwall-core --example decide
//!     perf record target/release/examples/decide denial 100000
//!
//! Without arguments, it prints the reviews that there are. `src/core/benches/instructions` counts
//! what each costs.

// Clippy takes only the functions marked as tests for tests.
#![allow(clippy::unwrap_used)]

#[path = "../benches/reviews/mod.rs"]
mod reviews;

use std::hint::black_box;

use reviews::{Decider, cases, skip};

/// Declared objects beside the review's own.
const OBJECTS: usize = 1000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(wanted) = arguments.next() else {
        println!("skipped");
        for case in cases() {
            println!("{}", case.name);
        }
        return;
    };
    let times: usize = arguments.next().map_or(1, |text| text.parse().unwrap());
    let all = cases();
    if wanted == "skipped" {
        let exempt = all.iter().find(|case| case.name == "exempt").unwrap();
        for _ in 0..times {
            black_box(skip(black_box(&exempt.review)));
        }
        return;
    }
    let case = all.iter().find(|case| case.name == wanted).unwrap();
    let decider = Decider::new(OBJECTS);
    for _ in 0..times {
        let (verdict, _) = black_box(decider.answer(black_box(&case.review)));
        assert_eq!(verdict, case.verdict);
    }
}
