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

#[derive(Clone, Copy, Debug)]
struct Denial {
    at: Instant,
    /// For so long the same change by the same writer needs no new sync.
    pause: Duration,
}

/// The first repetition is likely a person who has pushed meanwhile: it has a sync at once.
const FIRST_PAUSE: Duration = Duration::ZERO;
/// Each further one pauses twice as long, from here…
const SECOND_PAUSE: Duration = Duration::from_secs(4);
/// …to here: a loop costs one sync in that time.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Denials of one change that come within this time waited for the same sync.
const SAME_SYNC: Duration = Duration::from_secs(1);
/// The most denials that are remembered. With more of them, some cost a sync again.
const MAX_DENIALS: usize = 4096;

impl RecentDenials {
    /// Whether the same writer's same change was denied a moment ago.
    pub(super) fn contains(&self, write: &Write<'_>, assessment: &Assessment<'_>) -> bool {
        let denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        denials.get(&self.key(write, assessment)).is_some_and(|denial| denial.at.elapsed() < denial.pause)
    }

    /// Remembers a denial that a sync went before.
    pub(super) fn insert(&self, write: &Write<'_>, assessment: &Assessment<'_>) {
        let key = self.key(write, assessment);
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if denials.len() >= MAX_DENIALS {
            denials.retain(|_, denial| denial.at.elapsed() < LONGEST_PAUSE);
        }
        let pause = match denials.get(&key) {
            // Those that waited for the same sync are one denial.
            Some(before) if before.at.elapsed() < SAME_SYNC => return,
            Some(before) if before.at.elapsed() < 2 * LONGEST_PAUSE => next_pause(before.pause),
            _ => FIRST_PAUSE,
        };
        if denials.len() < MAX_DENIALS || denials.contains_key(&key) {
            denials.insert(key, Denial { at: Instant::now(), pause });
        }
    }

    fn key(&self, write: &Write<'_>, assessment: &Assessment<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        let resource = &write.resource;
        (&*write.user.name, &*resource.group, &*resource.plural, &*resource.subresource).hash(&mut hasher);
        (&*write.namespace, &assessment.name, write.operation.as_str()).hash(&mut hasher);
        for finding in &assessment.findings {
            let value = finding.new.as_ref().map(ToString::to_string);
            (finding.path.to_string(), value).hash(&mut hasher);
        }
        hasher.finish()
    }
}

fn next_pause(pause: Duration) -> Duration {
    (2 * pause).clamp(SECOND_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_change_pauses_longer_each_time_up_to_a_bound() {
        let mut pauses = vec![FIRST_PAUSE];
        for _ in 0..5 {
            pauses.push(next_pause(pauses[pauses.len() - 1]));
        }
        assert_eq!(pauses.iter().map(Duration::as_secs).collect::<Vec<_>>(), [0, 4, 8, 16, 30, 30]);
    }
}
