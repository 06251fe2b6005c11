//! The paths at which reviews are received. Requests at any other path are strangers':
//! none of their body is read, and they are only counted.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use driftwall_core::webhook_config::{AcceptedPath, ReviewPath};
use tokio::sync::watch;

/// The paths at which reviews are received; they can change while the server serves.
#[derive(Clone)]
pub struct ReviewPaths {
    accepted: watch::Receiver<Vec<AcceptedPath>>,
    former_used_at: Arc<AtomicI64>,
}

impl ReviewPaths {
    /// Follows what is accepted, and notes in `former_used_at` when a former path was used last:
    /// Unix time.
    pub fn new(accepted: watch::Receiver<Vec<AcceptedPath>>, former_used_at: Arc<AtomicI64>) -> Self {
        Self { accepted, former_used_at }
    }

    /// One path that never changes.
    pub fn fixed(path: ReviewPath) -> Self {
        let (_, accepted) = watch::channel(vec![AcceptedPath { path, is_former: false }]);
        Self::new(accepted, Arc::default())
    }

    /// Whether a request's path is one of them. How long that takes tells nothing about them:
    /// hashes of equal length are compared, and all of them.
    pub(super) fn accept(&self, path: &str) -> bool {
        let hash = |path: &str| digest(&SHA256, path.as_bytes());
        let asked = hash(path);
        let (mut is_accepted, mut is_former) = (false, false);
        for accepted in self.accepted.borrow().iter() {
            let is_same = verify_slices_are_equal(hash(accepted.path.as_str()).as_ref(), asked.as_ref()).is_ok();
            is_accepted |= is_same;
            is_former |= is_same & accepted.is_former;
        }
        if is_former {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.former_used_at.store(i64::try_from(now).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
        is_accepted
    }
}

impl fmt::Debug for ReviewPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReviewPaths")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_accepted_as_long_as_it_is_listed_and_the_use_of_a_former_one_is_noted() {
        let accepted = |path, is_former| AcceptedPath { path: ReviewPath::unguessable(path), is_former };
        let (sender, receiver) = watch::channel(vec![accepted(1, false)]);
        let used = Arc::new(AtomicI64::new(0));
        let paths = ReviewPaths::new(receiver, Arc::clone(&used));
        let accepts = |path: u128| paths.accept(ReviewPath::unguessable(path).as_str());
        assert!(accepts(1) && !accepts(2) && !paths.accept("/validate") && !paths.accept(""));
        sender.send_replace(vec![accepted(2, false), accepted(1, true)]);
        assert!(accepts(2));
        assert_eq!(used.load(Ordering::Relaxed), 0);
        assert!(accepts(1));
        assert!(used.load(Ordering::Relaxed) > 0);
        sender.send_replace(vec![accepted(2, false)]);
        assert!(accepts(2) && !accepts(1));
    }
}
