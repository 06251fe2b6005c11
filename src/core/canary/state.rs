//! What is known of the canary: a pure function of what was known and what was found.

use std::time::Duration;

use super::CanaryResult;

/// Between two canaries while all is well.
const INTERVAL: Duration = Duration::from_secs(30);
/// While the API server does not call driftwall, or that is not known.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// After the first canary that fails.
const FIRST_RETRY: Duration = Duration::from_secs(3);

/// So many in a row have to fail. An API server needs a second to notice a new webhook configuration, and a replica
/// that ends breaks off what it was asked.
const FAILURES: u32 = 2;

/// So many before it is said that driftwall is not registered, while nothing is known yet: it registers itself once it
/// has read its sources, which may take a minute.
const FAILURES_AT_FIRST: u32 = 9;

/// What is known of the canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CanaryState {
    result: CanaryResult,
    /// How many failed in a row.
    failures: u32,
}

/// A change that is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryChange {
    /// The API server calls driftwall for the first time, or again.
    Called {
        /// Whether it did not before.
        again: bool,
    },
    /// The API server does not call driftwall, for this reason.
    NotCalled(CanaryResult),
    /// The API server says nothing, so that it is not known any more whether it calls driftwall.
    Unknown,
}

impl CanaryState {
    /// What is known now.
    pub fn result(&self) -> CanaryResult {
        self.result
    }

    /// The state after a canary, and what is to be told of it.
    #[must_use]
    pub fn after(self, found: CanaryResult) -> (Self, Option<CanaryChange>) {
        if found == CanaryResult::Called {
            let change = (self.result != found).then(|| {
                let again = self.result != CanaryResult::Unknown;
                CanaryChange::Called { again }
            });
            return (Self { result: found, failures: 0 }, change);
        }
        let failures = self.failures.saturating_add(1);
        let needed = match (self.result, found) {
            (CanaryResult::Unknown, CanaryResult::NotRegistered) => FAILURES_AT_FIRST,
            _ => FAILURES,
        };
        if failures < needed || found == self.result {
            return (Self { failures, ..self }, None);
        }
        let change = match found {
            CanaryResult::Unknown => CanaryChange::Unknown,
            reason => CanaryChange::NotCalled(reason),
        };
        (Self { result: found, failures }, Some(change))
    }

    /// How long to wait before the next one.
    pub fn wait(&self) -> Duration {
        match self.failures {
            0 => INTERVAL,
            1 => FIRST_RETRY,
            _ => RETRY_INTERVAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CanaryResult::{Called, Certificate, NotRegistered, Timeout, Unknown};

    /// What is known, and what is told, after each of these.
    fn told(found: &[CanaryResult]) -> (CanaryResult, Vec<CanaryChange>) {
        let (mut state, mut told) = (CanaryState::default(), Vec::new());
        for found in found {
            let (next, change) = state.after(*found);
            state = next;
            told.extend(change);
        }
        (state.result(), told)
    }

    #[test]
    fn a_change_is_told_once_and_a_single_failure_is_none() {
        let called = CanaryChange::Called { again: false };
        let again = CanaryChange::Called { again: true };
        let not = CanaryChange::NotCalled;
        for (found, result, changes) in [
            (&[][..], Unknown, vec![]),
            (&[Called, Called], Called, vec![called]),
            (&[Timeout], Unknown, vec![]),
            (&[Timeout, Called], Called, vec![called]),
            (&[Timeout, Timeout, Timeout], Timeout, vec![not(Timeout)]),
            (&[Called, Timeout, Called, Timeout], Called, vec![called]),
            (&[Called, Timeout, Timeout, Called], Called, vec![called, not(Timeout), again]),
            // The second failure says why.
            (&[Called, NotRegistered, Certificate], Certificate, vec![called, not(Certificate)]),
            (&[Timeout, Timeout, Certificate], Certificate, vec![not(Timeout), not(Certificate)]),
            (&[NotRegistered; 8], Unknown, vec![]),
            (&[NotRegistered; 10], NotRegistered, vec![not(NotRegistered)]),
            (&[Called, NotRegistered, NotRegistered], NotRegistered, vec![called, not(NotRegistered)]),
            (&[Unknown, Unknown, Unknown], Unknown, vec![]),
            (&[Called, Unknown], Called, vec![called]),
            (&[Called, Unknown, Unknown, Called], Called, vec![called, CanaryChange::Unknown, called]),
            (&[Timeout, Timeout, Unknown, Timeout], Timeout, vec![not(Timeout), CanaryChange::Unknown, not(Timeout)]),
        ] {
            assert_eq!(told(found), (result, changes), "{found:?}");
        }
    }

    #[test]
    fn after_a_failure_the_next_one_comes_sooner() {
        let waits = |found: &[CanaryResult]| {
            let state = found.iter().fold(CanaryState::default(), |state, found| state.after(*found).0);
            state.wait()
        };
        assert_eq!(waits(&[Called]), INTERVAL);
        assert_eq!(waits(&[Called, Timeout]), FIRST_RETRY);
        assert_eq!(waits(&[Called, Timeout, Timeout]), RETRY_INTERVAL);
        assert_eq!(waits(&[Unknown; 9]), RETRY_INTERVAL);
        assert_eq!(waits(&[Timeout, Timeout, Called]), INTERVAL);
    }
}
