//! Keeping repeated log lines down: at most one in a while, or one for each change.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Allows one log line per interval. What a client can trigger at will must not
/// fill the log.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    interval: Duration,
    last: Mutex<Option<Instant>>,
}

impl LogLimiter {
    pub(crate) fn every(interval: Duration) -> Self {
        Self { interval, last: Mutex::new(None) }
    }

    /// Whether a line may be logged now; the next one may only after the interval.
    pub(crate) fn allows(&self) -> bool {
        // A panic with the lock held cannot leave half a value, so a poisoned lock is as good as any.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= self.interval);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// Allows a log line only where a condition that is checked again and again
/// differs from what was seen last.
#[derive(Debug, Default)]
pub(crate) struct LogChanges {
    /// What is wrong; empty while nothing is.
    last: String,
}

impl LogChanges {
    /// Whether this problem is another one than the last.
    pub(crate) fn is_new(&mut self, problem: &str) -> bool {
        let is_new = self.last != problem;
        if is_new {
            problem.clone_into(&mut self.last);
        }
        is_new
    }

    /// Notes that nothing is wrong; whether something was.
    pub(crate) fn recovered(&mut self) -> bool {
        !std::mem::take(&mut self.last).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_allowed_per_interval() {
        let hourly = LogLimiter::every(Duration::from_hours(1));
        assert!(hourly.allows());
        assert!(!hourly.allows());
        let unlimited = LogLimiter::every(Duration::ZERO);
        assert!(unlimited.allows() && unlimited.allows());
    }

    #[test]
    fn a_problem_is_new_until_it_is_seen_and_again_after_a_recovery() {
        let mut log = LogChanges::default();
        assert!(!log.recovered());
        assert!(log.is_new("a"));
        assert!(!log.is_new("a"));
        assert!(log.is_new("b"));
        assert!(log.recovered());
        assert!(log.is_new("b"));
    }
}
