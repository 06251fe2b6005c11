//! The fields that drift in one write, as they are found. Who writes decides how many there are,
//! how deep they are and what is in them, so a bounded number is named, and the rest is counted.

use std::cmp::Reverse;

use serde_json::Value;

use super::assessment::Finding;
use super::evaluation::Evaluation;
use super::mode::Outcome;
use crate::desired::SourceLocation;
use crate::diff::DifferenceRef;

/// The most fields that are named: a write can change a hundred thousand.
const MAX_NAMED: usize = 1000;

/// Bytes of memory that what is named may take, about; one field more can be as large as a write.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Fields that drift: of the answers that they may get, the strictest is always that of a named one.
#[derive(Default)]
pub(super) struct Findings {
    named: Vec<Finding>,
    bytes: usize,
    /// The softest answer of those that are named.
    softest: Outcome,
    more: usize,
}

impl Findings {
    /// Adds a difference, which may get at most this answer. What is not named is not copied.
    pub(super) fn add(
        &mut self,
        evaluation: &Evaluation<'_, '_>,
        difference: DifferenceRef<'_>,
        location: Option<SourceLocation>,
        max_outcome: Outcome,
    ) {
        let max_outcome = evaluation.undisputed(difference.path, max_outcome);
        if self.is_named(max_outcome) {
            self.push(evaluation.named(difference, location, max_outcome));
        } else {
            self.more += 1;
        }
    }

    /// Adds a field; one that would make the answer stricter takes the place of another.
    pub(super) fn push(&mut self, finding: Finding) {
        // What is too far down is named by what it is in, once.
        if self.named.last().is_some_and(|last| is_same_place(last, &finding)) {
            return;
        }
        if !self.is_named(finding.max_outcome) {
            self.more += 1;
            return;
        }
        if self.is_full() {
            // The last of the softest.
            let replaced = self.named.iter().rposition(|named| named.max_outcome == self.softest);
            if let Some(replaced) = replaced {
                self.bytes -= size(&self.named.remove(replaced));
                self.more += 1;
            }
        }
        self.bytes += size(&finding);
        self.named.push(finding);
        self.softest = self.named.iter().map(|named| named.max_outcome).min().unwrap_or_default();
    }

    /// Whether nothing drifts.
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Those that are named, in the order in which they were found.
    pub(super) fn named_mut(&mut self) -> &mut [Finding] {
        &mut self.named
    }

    /// Those that are named, and how many more there are. Where there are more, the strictest come first.
    pub(super) fn finish(self) -> (Vec<Finding>, usize) {
        let Self { mut named, more, .. } = self;
        if more > 0 {
            named.sort_by_key(|finding| Reverse(finding.max_outcome));
        }
        (named, more)
    }

    /// Whether a field that may get this answer is named.
    fn is_named(&self, max_outcome: Outcome) -> bool {
        !self.is_full() || max_outcome > self.softest
    }

    fn is_full(&self) -> bool {
        self.named.len() >= MAX_NAMED || self.bytes > MAX_BYTES
    }
}

fn is_same_place(one: &Finding, other: &Finding) -> bool {
    let is_cut = other.path.elements().len() == Finding::MAX_LEVELS;
    is_cut && one.change == other.change && one.max_outcome == other.max_outcome && one.path == other.path
}

/// Bytes of memory that a finding takes, about.
fn size(finding: &Finding) -> usize {
    let values = [&finding.new, &finding.declared].into_iter().flatten();
    size_of::<Finding>() + finding.path.size() + values.map(size_of_value).sum::<usize>()
}

/// The same of a value, which is cut to a few levels.
fn size_of_value(value: &Value) -> usize {
    let inside: usize = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size_of_value).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| 64 + name.len() + size_of_value(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inside
}
