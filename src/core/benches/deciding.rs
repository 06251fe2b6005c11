//! How long it takes to decide a review:
//!
//!     cargo bench -p driftwall-core
//!
//! `docs/performance.md` says what each line means. `cargo test` decides each review once.

// Clippy takes only the functions marked as tests for tests.
#![allow(missing_docs, clippy::unwrap_used)]

mod reviews;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reviews::{Decider, cases, skip};

/// Declared objects beside which each review is decided.
const OBJECTS: usize = 1000;
/// Numbers of declared objects, for what depends on them.
const COUNTS: [usize; 3] = [10, 1000, 100_000];

fn each_review(criterion: &mut Criterion) {
    let decider = Decider::new(OBJECTS);
    let mut group = criterion.benchmark_group("decide");
    for case in cases() {
        assert_eq!(decider.answer(&case.review).0, case.verdict, "{}", case.name);
        group.throughput(Throughput::Bytes(case.review.len() as u64));
        group.bench_function(case.name, |bencher| bencher.iter(|| decider.answer(black_box(&case.review))));
    }
    group.finish();
}

fn envelope(criterion: &mut Criterion) {
    let all = cases();
    let exempt = all.iter().find(|case| case.name == "exempt").unwrap();
    let mut group = criterion.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(exempt.review.len() as u64));
    group.bench_function("skipped", |bencher| bencher.iter(|| skip(black_box(&exempt.review))));
    group.bench_function("decoded", |bencher| {
        bencher.iter(|| driftwall_core::admission::decode(black_box(&exempt.review)).unwrap().dry_run);
    });
    group.finish();
}

fn declared_objects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("declared objects");
    // Unoptimized, as in a test, the largest takes minutes to read.
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    for objects in COUNTS.into_iter().filter(|objects| is_measured || *objects <= OBJECTS) {
        let decider = Decider::new(objects);
        for case in cases().iter().filter(|case| matches!(case.name, "denial" | "undeclared" | "update")) {
            let name = format!("{} with {objects}", case.name);
            group.bench_function(name, |bencher| bencher.iter(|| decider.answer(black_box(&case.review))));
        }
    }
    group.finish();
}

criterion_group!(benches, each_review, envelope, declared_objects);
criterion_main!(benches);
