//! Random variation of intervals, so that replicas and connections that begin
//! together do not act together.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// A random duration of at least `shortest` and at most `longest`.
pub(crate) fn between(shortest: Duration, longest: Duration) -> Duration {
    // Each `RandomState` has keys of its own, which suffices to spread intervals.
    let random = RandomState::new().hash_one(()) % 1_001;
    let thousandths = u32::try_from(random).expect("a number below 1001 fits");
    shortest + longest.saturating_sub(shortest) / 1_000 * thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_duration_stays_between_its_bounds_and_varies() {
        let (shortest, longest) = (Duration::from_secs(90), Duration::from_secs(110));
        let drawn: Vec<_> = std::iter::repeat_with(|| between(shortest, longest)).take(100).collect();
        assert!(drawn.iter().all(|duration| (shortest..=longest).contains(duration)), "{drawn:?}");
        assert!(drawn.iter().any(|duration| *duration != drawn[0]), "{drawn:?}");
        assert_eq!(between(shortest, shortest), shortest);
    }
}
