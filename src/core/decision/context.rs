//! What softens an answer, whatever the write.

use std::time::Duration;

use jiff::Timestamp;

use crate::policy::BreakGlasses;

/// What softens an answer, whatever the write.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecisionContext<'a> {
    /// The last successful sync with Git is older than `maxStaleness`, so that
    /// nothing may be denied because of what it read.
    pub is_stale: bool,
    /// How long ago that sync was.
    pub age: Option<Duration>,
    /// What break-glass allows; `None` where it is not in use.
    pub break_glass: Option<BreakGlassContext<'a>>,
}

/// Which `BreakGlass` objects there are, at a moment.
#[derive(Clone, Copy, Debug)]
pub struct BreakGlassContext<'a> {
    /// All of them.
    pub break_glasses: &'a BreakGlasses,
    /// The moment.
    pub now: Timestamp,
}
