//! What was rendered before, by the key of all that it was rendered from: files,
//! options and the program's version. Bounded by bytes; what was not used for
//! longest goes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::job::JobOutput;

/// Outputs by their keys.
#[derive(Debug)]
pub(super) struct KeptOutputs {
    limit: usize,
    state: Mutex<KeptState>,
}

#[derive(Debug, Default)]
struct KeptState {
    outputs: HashMap<String, Kept>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    output: Arc<JobOutput>,
    used: u64,
}

/// The most bytes that are kept: what a thousand ordinary charts render.
pub(super) const KEPT_BYTES: usize = 24 << 20;

impl KeptOutputs {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<JobOutput>> {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let kept = state.outputs.get_mut(key)?;
        kept.used = clock;
        Some(Arc::clone(&kept.output))
    }

    /// Keeps an output, unless it alone is too large.
    pub(super) fn insert(&self, key: &str, output: &Arc<JobOutput>) {
        let mut state = self.state();
        if output.size() > self.limit / 4 || state.outputs.contains_key(key) {
            return;
        }
        state.clock += 1;
        let kept = Kept { output: Arc::clone(output), used: state.clock };
        state.bytes += output.size();
        state.outputs.insert(key.to_owned(), kept);
        while state.bytes > self.limit {
            let oldest = state.outputs.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            let Some(kept) = oldest.and_then(|key| state.outputs.remove(&key)) else { break };
            state.bytes -= kept.output.size();
        }
    }

    fn state(&self) -> MutexGuard<'_, KeptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(bytes: usize) -> Arc<JobOutput> {
        Arc::new(JobOutput { first: vec![b'a'; bytes], second: None })
    }

    #[test]
    fn the_output_that_was_not_used_for_longest_goes_first() {
        let kept = KeptOutputs::new(100);
        for key in ["a", "b", "c", "d"] {
            kept.insert(key, &output(25));
        }
        assert!(kept.get("a").is_some());
        kept.insert("e", &output(20));
        assert!(kept.get("b").is_none(), "the oldest");
        for key in ["a", "c", "d", "e"] {
            assert!(kept.get(key).is_some(), "{key}");
        }
        kept.insert("f", &output(26));
        assert!(kept.get("f").is_none(), "one output may not take all the room");
        assert_eq!(kept.state().bytes, 95);
    }
}
