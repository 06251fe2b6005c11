//! What happens around driftwall while the cluster is written to: no admission is lost, and none is wrong.

mod admissions;
mod causes;
mod certificates;
mod clients;
mod figures;
mod stage;

use std::time::Instant;

use crate::cluster::{failed_open, test_cluster};
use crate::process::report;

use self::admissions::{Admissions, Counts};
use self::figures::{Row, Table, WebhookCalls};
use self::stage::Stage;

/// A fault, how it is caused, and what it may cost.
struct Fault {
    name: &'static str,
    cause: fn(&mut Stage<'_>, &Admissions),
    cost: Cost,
}

/// What a fault may cost at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// Each write gets the answer that it would have had.
    Nothing,
    /// Writes about which the killed replica was being asked, or the API server opened a connection to it
    /// before its end was noticed, pass unasked. The API server does not repeat a call.
    PassedUnasked,
    /// The same writes are refused, and their clients have to repeat them.
    Repeated,
}

#[rustfmt::skip]
const FAULTS: [Fault; 15] = [
    Fault { name: "rolling restart", cause: causes::rolling_restart, cost: Cost::Nothing },
    Fault { name: "certificate rotation", cause: causes::certificate_rotation, cost: Cost::Nothing },
    Fault { name: "path rotation", cause: causes::path_rotation, cost: Cost::Nothing },
    Fault { name: "configuration swap", cause: causes::configuration_swap, cost: Cost::Nothing },
    Fault { name: "Git fails", cause: causes::git_fails, cost: Cost::Nothing },
    Fault { name: "Git is silent", cause: causes::git_is_silent, cost: Cost::Nothing },
    Fault { name: "renderer away", cause: causes::renderer_away, cost: Cost::Nothing },
    Fault { name: "broken commit", cause: causes::broken_commit, cost: Cost::Nothing },
    Fault { name: "definition changed", cause: causes::definition_changed, cost: Cost::Nothing },
    Fault { name: "overload, three times", cause: causes::overload, cost: Cost::Nothing },
    Fault { name: "slow clients", cause: causes::slow_clients, cost: Cost::Nothing },
    Fault { name: "thousands of idle connections", cause: causes::idle_connections, cost: Cost::Nothing },
    Fault { name: "one of two killed, Ignore", cause: causes::killed, cost: Cost::PassedUnasked },
    Fault { name: "one of two killed, Fail", cause: causes::killed_under_fail, cost: Cost::Repeated },
    Fault { name: "none", cause: causes::none, cost: Cost::Nothing },
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
    let is_short = admissions == SHORT;
    if is_short {
        cluster.replicas.log_filter = "debug";
    }
    let mut stage = Stage::set_up(&mut cluster, admissions);
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
        let found = check(&row, fault.cost);
        for failure in &found {
            report(failure);
        }
        failures.extend(found);
        table.0.push(row);
    }
    if is_short && only.is_none() {
        stage.assert_paths_are_secret();
    }
    stage.take_down();
    cluster.failed_open = failed_open();
    drop(table);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not as it should be.
fn check(row: &Row, cost: Cost) -> Vec<String> {
    let mut found = row.contradictions();
    let Counts { denied, passed, missed, wrong, failed, .. } = &row.counts;
    found.extend(wrong.iter().map(|wrong| format!("{}: {wrong}", row.fault)));
    if *denied == 0 || *passed == 0 {
        found.push(format!("{}: {denied} denied, {passed} passed", row.fault));
    }
    let lost = row.failed_open();
    if cost != Cost::PassedUnasked && lost != 0 {
        found.push(format!("{}: {lost} passed unasked", row.fault));
    }
    if cost != Cost::PassedUnasked || missed.len() > lost {
        found.extend(missed.iter().map(|missed| format!("{}: {missed}", row.fault)));
    }
    if cost != Cost::Repeated {
        found.extend(failed.iter().map(|failed| format!("{}: {failed}", row.fault)));
    }
    if failed.len() > row.refused() {
        found.push(format!("{}: {} failed, {} for want of an answer", row.fault, failed.len(), row.refused()));
    }
    found
}
