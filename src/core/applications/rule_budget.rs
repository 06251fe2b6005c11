//! How much of the rules of one application is kept: whoever may write an Application may write a million of them.

use super::ignored::DifferenceRule;

/// Bytes that the rules of one application may take; real ones have some hundreds, a few of them compiled.
const MAX_BYTES: usize = 256 * 1024;

/// What is left of it.
#[derive(Debug)]
pub(super) struct RuleBudget {
    bytes_left: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Default for RuleBudget {
    fn default() -> Self {
        Self { bytes_left: MAX_BYTES }
    }
}

impl RuleBudget {
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), TooMuch> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(TooMuch)?;
        Ok(())
    }

    /// The same for texts, and for what they are kept in.
    pub(super) fn take_texts(&mut self, texts: &[String]) -> Result<(), TooMuch> {
        let bytes = texts.iter().map(|text| text.len() + size_of::<String>()).sum::<usize>();
        self.take(bytes + size_of::<DifferenceRule>())
    }
}
