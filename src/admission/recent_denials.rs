//! Denials of the last moments: a pipeline that repeats a refused write must not
//! have the repository asked each time, and a person who has pushed must not wait.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use driftwall_core::admission::Write;
use driftwall_core::policy::Assessment;

/// Which changes, by whom, were denied after a sync.
#[derive(Debug, Default)]
pub(super) struct RecentDenials {
    hasher: RandomState,
    denials: Mutex<HashMap<u64, Denial>>,
}

/// A change that was denied, by the commit by which it was.
#[derive(Clone, Copy, Debug)]
struct Denial {
    /// When a sync last went before its denial.
    synced: Instant,
    /// When it was last tried.
    tried: Instant,
    /// Whether a repetition that came at once has had a sync of its own.
    has_repeated: bool,
}

/// Who tries again only after this time has likely changed something meanwhile: that has a sync.
const UNHURRIED: Duration = Duration::from_secs(3);
/// A change that is tried again and again faster than that costs one sync in this time.
const LOOP_INTERVAL: Duration = Duration::from_secs(30);
/// The most denials that are remembered. With more of them, some cost a sync again.
const MAX_DENIALS: usize = 4096;

/// Which evaluation of a review it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Where the review arrives: what needs more than that is evaluated again, as if for the first time.
    AtOnce,
    First,
    /// After the refresh that the first one asked for.
    Final,
}

impl RecentDenials {
    /// Whether a refresh is to go before the denial. A write counts as tried once, however often it is evaluated.
    pub(super) fn is_refreshed_first(
        &self,
        write: &Write<'_>,
        assessment: &Assessment<'_>,
        step: Step,
        is_loading: bool,
    ) -> bool {
        match step {
            Step::Final => false,
            Step::AtOnce if is_loading || self.would_need_sync(write, assessment) => true,
            // A loop has no sync of its own, but it waits for the commit that is being read: else it passes meanwhile.
            Step::AtOnce | Step::First => self.needs_sync(write, assessment) || is_loading,
        }
    }

    /// Counts a try, and tells whether a sync is to go before the denial of this change: always, but where it is tried in a
    /// loop.
    fn needs_sync(&self, write: &Write<'_>, assessment: &Assessment<'_>) -> bool {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        match denials.get_mut(&self.key(write, assessment)) {
            Some(denial) => denial.is_tried(Instant::now()),
            None => true,
        }
    }

    /// The same, of a try that is not counted: the answer comes of another one.
    fn would_need_sync(&self, write: &Write<'_>, assessment: &Assessment<'_>) -> bool {
        let denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        let denial = denials.get(&self.key(write, assessment)).copied();
        denial.is_none_or(|mut denial| denial.is_tried(Instant::now()))
    }

    /// Remembers a denial that a sync went before.
    pub(super) fn insert(&self, write: &Write<'_>, assessment: &Assessment<'_>) {
        let (key, now) = (self.key(write, assessment), Instant::now());
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(denial) = denials.get_mut(&key) {
            denial.synced = now;
            return;
        }
        if denials.len() >= MAX_DENIALS {
            denials.retain(|_, denial| now.duration_since(denial.tried) < LOOP_INTERVAL);
        }
        if denials.len() < MAX_DENIALS {
            denials.insert(key, Denial { synced: now, tried: now, has_repeated: false });
        }
    }

    fn key(&self, write: &Write<'_>, assessment: &Assessment<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let resource = &write.resource;
        (&*write.user.name, &*resource.group, &*resource.plural, &*resource.subresource).hash(&mut hasher);
        (&*write.namespace, &assessment.name, write.operation.as_str()).hash(&mut hasher);
        // Of another commit a denial says nothing.
        assessment.source.map(|source| &source.commit).hash(&mut hasher);
        for finding in &assessment.findings {
            let value = finding.new.as_ref().map(ToString::to_string);
            (finding.path.to_string(), value).hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Denial {
    /// Counts another try; whether that one needs a sync.
    fn is_tried(&mut self, now: Instant) -> bool {
        let is_unhurried = now.duration_since(self.tried) >= UNHURRIED;
        self.tried = now;
        if is_unhurried {
            self.has_repeated = false;
        } else if self.has_repeated && now.duration_since(self.synced) < LOOP_INTERVAL {
            return false;
        } else {
            // The first may be a script that has pushed between two tries.
            self.has_repeated = true;
        }
        self.synced = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which of these times, in milliseconds after a denial, a repetition has a sync.
    fn synced(times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut denial = Denial { synced: start, tried: start, has_repeated: false };
        times.into_iter().filter(|time| denial.is_tried(start + Duration::from_millis(*time))).collect()
    }

    #[test]
    fn a_loop_costs_one_sync_in_thirty_seconds_after_its_first_repetition() {
        let fifty_a_second = (1..=5_000).map(|number| number * 20);
        assert_eq!(synced(fifty_a_second), [20, 30_020, 60_020, 90_020]);
    }

    #[test]
    fn who_takes_a_moment_has_a_sync_each_time() {
        assert_eq!(synced([5_000, 10_000, 60_000, 63_000]), [5_000, 10_000, 60_000, 63_000]);
        // And so has a script that pushes between two tries, then or later.
        assert_eq!(synced([50, 5_000, 5_050]), [50, 5_000, 5_050]);
        assert_eq!(synced([50, 100, 150, 4_000, 4_050, 4_100]), [50, 4_000, 4_050]);
    }
}
