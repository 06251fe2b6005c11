//! What changes about driftwall while the cluster is being written to, and no write notices.

use rustix::process::Signal;
use serde_json::json;

use crate::load::{Counts, Load, WRITERS, asked};
use crate::process::until;
use crate::stage::{Stage, passed_over, stage};

/// Enough writes that all of them have met the change.
const AFTERWARDS: usize = 100;

/// Runs a change under load, on two replicas: every write gets the answer that it should.
fn unnoticed(stage: &mut Stage, change: impl FnOnce(&mut Stage, &Load)) {
    stage.cluster.replicas.number(2);
    let load = Load::begin(stage);
    change(stage, &load);
    load.go_on(AFTERWARDS);
    let (Counts { allowed, denied, passed, failed: seen }, called, failed) = load.end(stage);
    assert_eq!((passed, seen), (0, Vec::new()));
    assert!(allowed > 0 && denied > 0, "{allowed} allowed, {denied} denied");
    #[allow(clippy::cast_precision_loss, reason = "they are few")]
    let writes = (allowed + denied) as f64;
    assert!(called >= writes && failed < 1.0, "{called} calls for {writes} writes, {failed} failed");
    assert_eq!(passed_over(), stage.passed_over);
}

#[test]
fn a_rolling_restart_is_not_noticed() {
    let Some(mut stage) = stage() else { return };
    unnoticed(&mut stage, |stage, load| {
        for _ in 0..2 {
            // As the Deployment does it: one more, then one less.
            stage.cluster.replicas.add();
            load.go_on(20);
            stage.cluster.replicas.end(Signal::TERM);
        }
    });
}

#[test]
fn another_configuration_is_not_noticed() {
    let Some(mut stage) = stage() else { return };
    let shipped = stage.cluster.replicas.config();
    unnoticed(&mut stage, |stage, load| {
        let mut other = shipped.clone();
        other["modes"] = json!([{"namespaces": ["staging-*"], "mode": "audit"}]);
        stage.cluster.replicas.configure(other);
        load.go_on(50);
        stage.cluster.replicas.configure(shipped);
    });
}

#[test]
fn a_killed_replica_costs_no_client_an_error() {
    let Some(mut stage) = stage() else { return };
    stage.cluster.replicas.number(2);
    let load = Load::begin(&stage);
    let (before, _) = asked(&stage);
    stage.cluster.replicas.end(Signal::KILL);
    until("its end is noticed", || (stage.cluster.replicas.balancer.ready() == 1).then_some(()));
    // What was under way when it was noticed is answered by now.
    load.go_on(2 * WRITERS);
    let (meanwhile, _) = asked(&stage);
    let lost = passed_over() - stage.passed_over;
    load.go_on(AFTERWARDS);
    let (Counts { allowed, denied, passed, failed }, ..) = load.end(&stage);
    let meanwhile = meanwhile - before;
    println!("{lost} of {meanwhile} calls failed");
    assert_eq!(failed, Vec::<String>::new());
    assert!(allowed > 0 && denied > 0, "{allowed} allowed, {denied} denied");
    assert!(passed <= lost, "{lost} passed over, and {passed} of drift");
    let after = passed_over() - stage.passed_over;
    stage.passed_over += after;
    assert_eq!(after, lost, "writes pass without an answer long after the end");
}
