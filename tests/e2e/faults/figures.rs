//! What the API server counts of its calls of driftwall, and the table of all faults.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cluster::{TestCluster, failed_open};
use crate::process::report;

/// Counts of the API server, since it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebhookCalls {
    /// Calls of `writes.driftwall.io`, answered or not.
    called: f64,
    /// Those that were answered with a denial.
    denied: f64,
    /// Writes that were refused because a call failed.
    refused: f64,
    /// Writes that passed although a call failed, of any webhook.
    failed_open: f64,
}

impl WebhookCalls {
    pub(super) fn so_far(cluster: &TestCluster) -> Self {
        let page = cluster.control_plane.admin("kubectl get --raw /metrics");
        let sum = |name: &str, labels: &[&str]| {
            let lines = page.lines().filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{'))
                    && labels.iter().all(|label| line.contains(label))
            });
            lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
        };
        let ours = "name=\"writes.driftwall.io\"";
        let rejections = "apiserver_admission_webhook_rejection_count";
        let fail_open = "apiserver_admission_webhook_fail_open_count";
        Self {
            called: sum("apiserver_admission_webhook_admission_duration_seconds_count", &[ours]),
            denied: sum(rejections, &[ours, "error_type=\"no_error\""]),
            refused: sum(rejections, &["error_type=\"calling_webhook_error\""])
                + sum(rejections, &["error_type=\"apiserver_internal_error\""]),
            failed_open: if page.contains(&format!("# TYPE {fail_open} ")) {
                sum(fail_open, &[])
            } else {
                // Before 1.24 the log only says so.
                f64::from(u32::try_from(failed_open()).unwrap())
            },
        }
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            called: self.called - before.called,
            denied: self.denied - before.denied,
            refused: self.refused - before.refused,
            failed_open: self.failed_open - before.failed_open,
        }
    }
}

/// What became of the admissions during a fault.
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) counts: super::admissions::Counts,
    pub(super) calls: WebhookCalls,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are counts")]
impl Row {
    /// Drift that passed, and other wrong answers.
    pub(super) fn wrong(&self) -> usize {
        self.counts.missed.len() + self.counts.wrong.len()
    }

    /// Writes that passed because the API server got no answer.
    pub(super) fn failed_open(&self) -> usize {
        self.calls.failed_open as usize
    }

    /// Writes that the API server refused because it got no answer.
    pub(super) fn refused(&self) -> usize {
        self.calls.refused as usize
    }

    /// What the clients saw and the API server does not confirm.
    pub(super) fn contradictions(&self) -> Vec<String> {
        let Self { fault, counts, calls } = self;
        let mut found = Vec::new();
        if (calls.called as usize) < counts.reviewed {
            found.push(format!("{fault}: {} writes were to be asked about, {} were", counts.reviewed, calls.called));
        }
        if (calls.denied as usize) < counts.denied {
            found.push(format!("{fault}: {} denials came, the API server knows of {}", counts.denied, calls.denied));
        }
        found
    }
}

/// Prints itself when it is dropped, so that it is seen after a failure too.
#[derive(Default)]
pub(super) struct Table(pub(super) Vec<Row>);

impl Drop for Table {
    fn drop(&mut self) {
        let mut text = format!(
            "{:<34}{:>11}{:>11}{:>11}{:>9}{:>7}{:>10}{:>11}{:>9}\n",
            "fault", "admissions", "denied", "passed", "either", "wrong", "fail-open", "to repeat", "longest"
        );
        for row in &self.0 {
            let counts = &row.counts;
            let longest = format!("{:.1} s", Duration::as_secs_f64(&counts.longest));
            writeln!(
                text,
                "{:<34}{:>11}{:>11}{:>11}{:>9}{:>7}{:>10}{:>11}{longest:>9}",
                row.fault,
                counts.all(),
                counts.denied,
                counts.passed,
                counts.either,
                row.wrong(),
                row.failed_open(),
                counts.failed.len(),
            )
            .unwrap();
        }
        report(&text);
    }
}
