//! Decides what comes next in the rotation of the review path: a pure decision.
//!
//! A path is registered once every replica accepts it, and the one before it is accepted
//! until no API server uses it any more: no review meets a replica that does not know its
//! path. What is decided is in the Secret and in the webhook configuration, so another
//! leader can take over at every step.

use std::time::Duration;

/// What the Secret holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObservedPaths {
    /// When the path was created, in Unix time; `None` where there is none.
    pub(super) created_at: Option<i64>,
    /// Whether another one is accepted beside it.
    pub(super) has_former: bool,
}

/// Which path API servers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registered {
    /// The path of the Secret, and they have had it for at least so long.
    Current(Duration),
    /// None: there is no webhook configuration.
    Nothing,
    /// Another one, in one webhook at least.
    Other,
    /// The webhook configuration has not been read yet.
    Unread,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct PathTiming {
    /// How long a path is used.
    pub validity: Duration,
    /// How long every replica must have accepted a path before it takes the place of another
    /// one: longer than a replica that ends serves on, which may be one that does not know it.
    pub settling: Duration,
    /// How long a former path must not have been used before it is no longer accepted.
    pub unused: Duration,
    /// How long a former path is accepted at most: whoever knows it must not keep it by using it.
    pub max_former: Duration,
    /// Between two checks of what is due.
    pub poll_interval: Duration,
    /// Between two readings of the replicas' reports, where nothing waits for them.
    pub read_interval: Duration,
}

impl Default for PathTiming {
    fn default() -> Self {
        Self {
            validity: Duration::from_hours(30 * 24),
            settling: Duration::from_secs(15),
            unused: Duration::from_hours(1),
            max_former: Duration::from_hours(24),
            poll_interval: Duration::from_secs(1),
            read_interval: Duration::from_secs(10),
        }
    }
}

/// What else the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathInputs {
    /// Unix time.
    pub(super) now: i64,
    pub(super) registered: Registered,
    /// For how long every replica that is ready has accepted the path of the Secret; `None`
    /// where one does not, or nothing is known of them.
    pub(super) accepted_for: Option<Duration>,
    /// Unix time at which a replica was asked at the former path last.
    pub(super) former_used_at: Option<i64>,
    pub(super) timing: PathTiming,
}

/// What comes next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathStep {
    /// Create a path, in the place of the one that is in use.
    Create(&'static str),
    /// Accept only the newest path from now on.
    DropFormer(&'static str),
    /// Nothing is to be done.
    None,
    /// Let API servers use the path of the Secret.
    Register,
    /// Wait for something else to happen first.
    Wait(&'static str),
}

/// Decides what comes next.
pub(super) fn next_step(observed: ObservedPaths, inputs: &PathInputs) -> PathStep {
    let PathInputs { now, registered, accepted_for, former_used_at, timing } = *inputs;
    if registered == Registered::Unread {
        // A path that is in use and stored nowhere else would be lost.
        return PathStep::Wait("the webhook configuration to be read");
    }
    let Some(created_at) = observed.created_at else { return PathStep::Create("there is no path") };
    let since = match registered {
        Registered::Current(since) => since,
        Registered::Nothing if accepted_for.is_some() => return PathStep::Register,
        Registered::Other if accepted_for.is_some_and(|since| since >= timing.settling) => return PathStep::Register,
        Registered::Nothing | Registered::Other | Registered::Unread => {
            return PathStep::Wait("every replica to accept the new path");
        }
    };
    if observed.has_former {
        let is_unused = former_used_at.is_none_or(|used_at| now - used_at >= seconds(timing.unused));
        return if since < timing.unused {
            PathStep::None
        } else if is_unused {
            PathStep::DropFormer("no API server uses it")
        } else if now - created_at >= seconds(timing.max_former) {
            PathStep::DropFormer("it was accepted for long enough")
        } else {
            PathStep::None
        };
    }
    if now - created_at >= seconds(timing.validity) {
        return PathStep::Create("the path is old");
    }
    PathStep::None
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 10_000_000;
    const HOUR: i64 = 3600;

    fn current(seconds: u64) -> Registered {
        Registered::Current(Duration::from_secs(seconds))
    }

    #[test]
    fn a_path_is_registered_when_all_accept_it_and_its_predecessor_goes_when_nobody_uses_it() {
        use PathStep::{Create, DropFormer, None as Nothing, Register, Wait};
        const ACCEPT: PathStep = Wait("every replica to accept the new path");
        let accepted = |seconds| Some(Duration::from_secs(seconds));
        // (created how long ago, has a former path, registered, accepted for, former used how long ago)
        for (created, has_former, registered, accepted_for, used, expected) in [
            (None, false, Registered::Unread, None, None, Wait("the webhook configuration to be read")),
            (None, false, Registered::Nothing, None, None, Create("there is no path")),
            (None, false, Registered::Other, None, None, Create("there is no path")),
            (Some(0), false, Registered::Nothing, None, None, ACCEPT),
            (Some(0), false, Registered::Nothing, accepted(0), None, Register),
            (Some(0), true, Registered::Other, None, None, ACCEPT),
            (Some(0), true, Registered::Other, accepted(14), None, ACCEPT),
            (Some(0), true, Registered::Other, accepted(15), None, Register),
            (Some(0), true, Registered::Unread, accepted(15), None, Wait("the webhook configuration to be read")),
            (Some(2 * HOUR), true, current(3599), accepted(9), None, Nothing),
            (Some(2 * HOUR), true, current(3600), accepted(9), None, DropFormer("no API server uses it")),
            (Some(2 * HOUR), true, current(3600), None, Some(HOUR), DropFormer("no API server uses it")),
            (Some(2 * HOUR), true, current(3600), None, Some(HOUR - 1), Nothing),
            (Some(24 * HOUR), true, current(3600), None, Some(0), DropFormer("it was accepted for long enough")),
            (Some(24 * HOUR), true, current(60), None, Some(0), Nothing),
            (Some(24 * HOUR), false, current(60), None, None, Nothing),
            (Some(30 * 24 * HOUR), false, current(0), None, None, Create("the path is old")),
            (Some(30 * 24 * HOUR), true, current(0), None, None, Nothing),
        ] {
            let observed = ObservedPaths { created_at: created.map(|ago: i64| NOW - ago), has_former };
            let inputs = PathInputs {
                now: NOW,
                registered,
                accepted_for,
                former_used_at: used.map(|ago: i64| NOW - ago),
                timing: PathTiming::default(),
            };
            assert_eq!(next_step(observed, &inputs), expected, "{observed:?} {inputs:?}");
        }
    }
}
