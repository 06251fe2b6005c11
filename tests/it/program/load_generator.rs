//! The load generator in a short form: every review is answered, and as it must be.
#![allow(dead_code, reason = "`cargo bench --bench load` uses all of it")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::http_client::localhost_pair;

use client::{Run, Target, send};
use measure::{Plan, measure};
use servers::{Server, Sources};

#[path = "../../../benches/load/client.rs"]
mod client;
#[path = "../../../benches/load/empty_handler.rs"]
mod empty_handler;
#[path = "../../../benches/load/measure.rs"]
mod measure;
#[path = "../../../benches/load/process.rs"]
mod process;
#[path = "../../../benches/load/report.rs"]
mod report;
#[path = "../../../benches/load/repository.rs"]
mod repository;
#[path = "../../../benches/load/reviews.rs"]
mod reviews;
#[path = "../../../benches/load/servers.rs"]
mod servers;

const CONNECTIONS: usize = 4;

/// So many reviews, however long it takes.
fn reviews_at(count: usize, rate: Option<f64>) -> Run {
    Run { connections: CONNECTIONS, rate, duration: Duration::from_mins(5), reviews: count }
}

/// driftwall with the repository that the recordings are of, at the commit that it has.
fn driftwall(repository: &TempDir) -> Server {
    let revision = repository::recorded(repository.path()).unwrap();
    let sources = Sources { repository: repository.path().to_owned(), revision, paths: vec!["apps".to_owned()] };
    Server::driftwall("driftwall", Path::new(env!("CARGO_BIN_EXE_driftwall")), &sources).unwrap()
}

#[test]
fn every_load_is_answered_as_it_must_be() {
    let repository = tempfile::tempdir().unwrap();
    let server = driftwall(&repository);
    for load in reviews::loads().unwrap() {
        assert!(!load.reviews.is_empty(), "{}", load.name);
        let count = if load.mean_bytes() > 1 << 20 { 3 } else { 64 };
        for rate in [None, Some(1e4)] {
            let mut answers = send(&server.target, &load, reviews_at(count, rate)).unwrap();
            assert_eq!((answers.latencies.len(), answers.wrong), (count, 0), "{}", load.name);
            assert_eq!(answers.denied, if load.name == "denials" { count } else { 0 }, "{}", load.name);
            let [least, most] = answers.quantiles([0.0, 1.0]);
            assert!(least <= most, "{}", load.name);
        }
    }
}

#[test]
fn generated_objects_are_declared() {
    let repository = tempfile::tempdir().unwrap();
    let revision = repository::generated(repository.path(), 250, 5).unwrap();
    let paths = (0..5).map(|source| format!("apps/{source}")).collect();
    let sources = Sources { repository: repository.path().to_owned(), revision, paths };
    let server = Server::driftwall("driftwall", Path::new(env!("CARGO_BIN_EXE_driftwall")), &sources).unwrap();
    let mut load = reviews::updates_of_generated(250).unwrap();
    let answers = send(&server.target, &load, reviews_at(250, None)).unwrap();
    assert_eq!((answers.latencies.len(), answers.wrong, answers.denied), (250, 0, 0));
    // Of each one the other direction is drift, so it is known.
    load.reviews = load.reviews.iter().map(|review| review.turned_round().unwrap()).collect();
    let answers = send(&server.target, &load, reviews_at(250, None)).unwrap();
    assert_eq!((answers.latencies.len(), answers.wrong, answers.denied), (250, 0, 250));
}

#[test]
fn the_empty_handler_allows_every_review_by_its_uid() {
    let pair = localhost_pair();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let target = Target { address: listener.local_addr().unwrap(), ca: pair.ca.clone() };
    // It serves until the tests end.
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(empty_handler::serve(listener, &pair)).unwrap();
    });
    for load in reviews::loads().unwrap() {
        let answers = send(&target, &load, reviews_at(16, None)).unwrap();
        assert_eq!((answers.latencies.len(), answers.denied), (16, 0), "{}", load.name);
    }
}

#[test]
fn a_measurement_has_every_figure() {
    let repository = tempfile::tempdir().unwrap();
    let servers = [driftwall(&repository)];
    let load = reviews::loads().unwrap().into_iter().find(|load| load.name == "denials").unwrap();
    let plan = Plan { connections: CONNECTIONS, rounds: 2, turn: Duration::from_millis(100), rate: None };
    let (mut measured, rate) = measure(&servers, &[&load], plan).unwrap();
    assert!(rate > 0.0 && measured[0].peak_kib > 0);
    assert_eq!((measured[0].per_second.len(), measured[0].wrong()), (2, 0));
    report::print(&load, &servers, &mut measured, rate);
}
