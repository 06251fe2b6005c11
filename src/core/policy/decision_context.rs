//! What softens an answer, whatever the write.

use std::time::Duration;

use jiff::Timestamp;

use super::break_glass::ActiveBreakGlasses;

/// What softens an answer, whatever the write.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecisionContext<'a> {
    /// The last successful look at Git is older than `maxStaleness`: an old truth is no truth.
    pub stale: bool,
    /// How old that look is.
    pub age: Option<Duration>,
    /// What may be done in an emergency, where anything may.
    pub emergency: Option<BreakGlassContext<'a>>,
}

/// What is broken of the glass, at a moment.
#[derive(Clone, Copy, Debug)]
pub struct BreakGlassContext<'a> {
    /// All that is broken.
    pub break_glasses: &'a ActiveBreakGlasses,
    /// The moment.
    pub now: Timestamp,
}
