//! What happens around driftwall while the cluster is written to: no admission is lost, and none is wrong.

mod admissions;
mod causes;
mod figures;
mod stage;

use std::time::Instant;

use crate::cluster::{failed_open, test_cluster};
use crate::process::report;

use self::admissions::{Admissions, Counts};
use self::figures::{Row, Table, WebhookCalls};
use self::stage::Stage;

/// A fault, and how it is caused.
struct Fault {
    name: &'static str,
    cause: fn(&mut Stage<'_>, &Admissions),
}

#[rustfmt::skip]
const FAULTS: [Fault; 9] = [
    Fault { name: "rolling restart", cause: causes::rolling_restart },
    Fault { name: "certificate rotation", cause: causes::certificate_rotation },
    Fault { name: "path rotation", cause: causes::path_rotation },
    Fault { name: "configuration swap", cause: causes::configuration_swap },
    Fault { name: "Git fails", cause: causes::git_fails },
    Fault { name: "Git is silent", cause: causes::git_is_silent },
    Fault { name: "renderer away", cause: causes::renderer_away },
    Fault { name: "broken commit", cause: causes::broken_commit },
    Fault { name: "definition changed", cause: causes::definition_changed },
];

/// Enough writes that every writer has met the fault and what comes after it.
const SHORT: usize = 250;
const LONG: usize = 10_000;

#[test]
fn no_admission_is_lost_or_wrong_whatever_happens() {
    run_all(SHORT);
}

#[test]
#[ignore = "takes half an hour"]
fn no_admission_of_ten_thousand_is_lost_or_wrong_whatever_happens() {
    let asked = std::env::var("DRIFTWALL_TEST_ADMISSIONS").ok();
    run_all(asked.map_or(LONG, |number| number.parse().expect("DRIFTWALL_TEST_ADMISSIONS is a number")));
}

/// Causes each fault, with so many admissions at least.
fn run_all(admissions: usize) {
    let Some(mut cluster) = test_cluster() else { return };
    let only = std::env::var("DRIFTWALL_TEST_FAULT").ok();
    let mut table = Table::default();
    let mut failures = Vec::new();
    let mut stage = Stage::set_up(&mut cluster);
    let is_asked =
        |fault: &&Fault| only.as_ref().is_none_or(|only| only.split(',').any(|one| fault.name.contains(one)));
    for fault in FAULTS.iter().filter(is_asked) {
        let begun = Instant::now();
        stage.begin();
        let before = WebhookCalls::so_far(stage.cluster);
        let writes = Admissions::start(stage.cluster);
        writes.wait_for_more(2 * writes.writers());
        (fault.cause)(&mut stage, &writes);
        // Whoever waited meanwhile has its answer, and each writes again.
        writes.wait_for_more(4 * writes.writers());
        writes.wait_until(admissions);
        let counts = writes.stop();
        let calls = WebhookCalls::so_far(stage.cluster).since(before);
        report(&format!("{}: {:.1} s", fault.name, begun.elapsed().as_secs_f64()));
        let row = Row { fault: fault.name, counts, calls };
        let found = check(&row);
        for failure in &found {
            report(failure);
        }
        failures.extend(found);
        table.0.push(row);
    }
    stage.take_down();
    cluster.failed_open = failed_open();
    drop(table);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as it should be.
fn check(row: &Row) -> Vec<String> {
    let mut found = row.contradictions();
    let Counts { denied, passed, missed, wrong, failed, .. } = &row.counts;
    for what in [missed, wrong, failed] {
        found.extend(what.iter().map(|what| format!("{}: {what}", row.fault)));
    }
    if *denied == 0 || *passed == 0 {
        found.push(format!("{}: {denied} denied, {passed} passed", row.fault));
    }
    if (row.failed_open(), row.refused()) != (0, 0) {
        found.push(format!("{}: {} passed unasked, {} refused", row.fault, row.failed_open(), row.refused()));
    }
    found
}
