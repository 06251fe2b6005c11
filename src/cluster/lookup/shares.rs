//! Who may look something up: the server of an API group that does not answer
//! must not take the look-ups of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::ttl_cache::TtlCache;

/// Look-ups under way at once; a cluster that needs more is in trouble.
const MAX_CONCURRENT: usize = 64;
/// Those of groups that another server than the API server itself may serve.
const MAX_EXTENDED: usize = 48;
/// Those of such groups that have not answered yet: anybody can name one in an owner reference.
const MAX_UNPROVEN: usize = 16;
/// Those of one group.
const MAX_PER_GROUP: usize = 16;

/// For how long an answer proves that a group is served.
const PROVEN_TTL: Duration = Duration::from_mins(10);
/// Groups that are remembered as proven.
const MAX_PROVEN: usize = 512;

/// The places for look-ups.
pub(super) struct LookupShares {
    all: Arc<Semaphore>,
    extended: Arc<Semaphore>,
    unproven: Arc<Semaphore>,
    /// The shares of the groups in which somebody looks something up, or waits to.
    by_group: Mutex<HashMap<String, Weak<Semaphore>>>,
    proven: TtlCache<String, ()>,
}

/// A place, until it is dropped.
pub(super) struct LookupPlace {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl LookupShares {
    pub(super) fn new() -> Self {
        let [all, extended, unproven] =
            [MAX_CONCURRENT, MAX_EXTENDED, MAX_UNPROVEN].map(|places| Arc::new(Semaphore::new(places)));
        Self { all, extended, unproven, by_group: Mutex::default(), proven: TtlCache::new(MAX_PROVEN) }
    }

    /// Waits for a place for a look-up in `group`.
    pub(super) async fn place(&self, group: &str) -> Result<LookupPlace, AcquireError> {
        let mut shares = vec![self.share_of(group)];
        // The API server itself serves the groups without a dot.
        if group.contains('.') {
            let is_proven = self.proven.get(&group.to_owned()).is_some_and(|(age, ())| age < PROVEN_TTL);
            if !is_proven {
                shares.push(Arc::clone(&self.unproven));
            }
            shares.push(Arc::clone(&self.extended));
        }
        shares.push(Arc::clone(&self.all));
        let mut permits = Vec::with_capacity(shares.len());
        for share in shares {
            permits.push(share.acquire_owned().await?);
        }
        Ok(LookupPlace { _permits: permits })
    }

    fn share_of(&self, group: &str) -> Arc<Semaphore> {
        let mut by_group = self.by_group.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = by_group.get(group).and_then(Weak::upgrade) {
            return share;
        }
        by_group.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(MAX_PER_GROUP));
        by_group.insert(group.to_owned(), Arc::downgrade(&share));
        share
    }

    /// Notes that somebody answered for `group`.
    pub(super) fn has_answered(&self, group: &str) {
        if group.contains('.') {
            self.proven.insert(group.to_owned(), ());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// A place, if there is one at once.
    async fn take(shares: &LookupShares, group: &str) -> Option<LookupPlace> {
        timeout(Duration::ZERO, shares.place(group)).await.ok()?.ok()
    }

    /// Takes places in `group` until none is left.
    async fn take_all(shares: &LookupShares, group: &str) -> Vec<LookupPlace> {
        let mut places = Vec::new();
        while let Some(place) = take(shares, group).await {
            places.push(place);
        }
        places
    }

    #[tokio::test]
    async fn groups_that_do_not_answer_leave_places_to_those_that_do() {
        let shares = LookupShares::new();
        shares.has_answered("example.org");
        let mut held = Vec::new();
        for number in 0..64 {
            held.extend(take_all(&shares, &format!("slow{number}.example.org")).await);
        }
        assert_eq!(held.len(), MAX_UNPROVEN);
        for group in ["", "apps", "example.org"] {
            assert!(take(&shares, group).await.is_some(), "{group}");
        }
    }

    #[tokio::test]
    async fn groups_that_stop_answering_leave_places_to_the_api_servers_own() {
        let shares = LookupShares::new();
        let mut held = Vec::new();
        for number in 0..8 {
            let group = format!("slow{number}.example.org");
            shares.has_answered(&group);
            let taken = take_all(&shares, &group).await;
            assert!(taken.len() <= MAX_PER_GROUP);
            held.extend(taken);
        }
        assert_eq!(held.len(), MAX_EXTENDED);
        assert_eq!(take_all(&shares, "apps").await.len(), MAX_PER_GROUP);
        drop(held);
        assert_eq!(take_all(&shares, "slow0.example.org").await.len(), MAX_PER_GROUP);
        // Groups in which nothing is looked up any more are forgotten.
        let held = take(&shares, "batch").await;
        assert_eq!(shares.by_group.lock().unwrap().len(), 1);
        drop(held);
    }
}
