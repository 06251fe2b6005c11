//! A place to parse large text in: parsing takes many times the memory of the text.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Text up to this size is parsed without waiting, in bytes.
const SMALL: usize = 256 << 10;

/// The one place of this process. A text in small values takes fifty times its size
/// for the moment in which it becomes objects: thirty repositories that change at
/// once must not take it thirty times.
static PLACE: Mutex<()> = Mutex::new(());

/// The right to hold parsed objects of a large text; it ends when it is dropped.
#[derive(Debug, Default)]
pub(super) struct ReadingPlace {
    _guard: Option<MutexGuard<'static, ()>>,
}

impl ReadingPlace {
    /// Waits until nobody else parses large text, where this text is large too.
    pub(super) fn wait_for(bytes: usize) -> Self {
        let guard = (bytes > SMALL).then(|| PLACE.lock().unwrap_or_else(PoisonError::into_inner));
        Self { _guard: guard }
    }
}
