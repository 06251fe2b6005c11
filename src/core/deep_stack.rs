//! Room for recursion: what a writer sends may be nested ten thousand levels deep,
//! and reading, comparing, showing and dropping it must not overflow the stack.

use crate::admission::Write;

/// What one level takes at most, of all that is done with an object; without
/// optimization it takes most.
const LEVEL_BYTES: usize = 32 * 1024;
/// What is needed apart from that.
const BASE_BYTES: usize = 256 * 1024;
/// So deep may anything be on any stack.
const MAX_SHALLOW: usize = 32;

/// Runs `evaluate`, which parses the objects of `write`, with a stack that is large
/// enough for what they hold, up to `max_depth` levels.
pub(crate) fn with_stack_for<T>(write: &Write<'_>, max_depth: usize, evaluate: impl FnOnce() -> T) -> T {
    let outlines = [write.object_outline(), write.old_object_outline()];
    let depth = outlines.into_iter().flatten().map(|outline| outline.shape.depth).max().unwrap_or_default();
    if depth <= MAX_SHALLOW {
        return evaluate();
    }
    stacker::grow(stack_bytes(depth.min(max_depth)), evaluate)
}

/// Whether this thread's stack is large enough for what is nested so deep.
pub(crate) fn has_stack_for(depth: usize) -> bool {
    depth <= MAX_SHALLOW || stacker::remaining_stack().is_some_and(|bytes| bytes >= stack_bytes(depth) / 2)
}

fn stack_bytes(depth: usize) -> usize {
    BASE_BYTES + depth * LEVEL_BYTES
}
