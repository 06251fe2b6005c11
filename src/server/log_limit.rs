//! Keeping a repeated log line down.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Says yes once in a while. What a client can bring about at will must not
/// fill the log.
#[derive(Debug)]
pub(super) struct LogLimiter {
    every: Duration,
    last: Mutex<Option<Instant>>,
}

impl LogLimiter {
    pub(super) fn every(every: Duration) -> Self {
        Self { every, last: Mutex::new(None) }
    }

    pub(super) fn now(&self) -> bool {
        // Whoever panicked with the lock held left a whole value behind.
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= self.every);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}
