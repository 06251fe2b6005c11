//! How much rendering may use.

use super::file_format;
use super::values::{KeyProblem, KeyProblems, bytes, positive_duration};
use crate::source::render::Limits;

/// Less, and neither `kubectl` nor `helm` starts.
const MIN_MEMORY: u64 = 128 << 20;

/// The limits of each program that renders.
pub(super) fn limits(written: &file_format::Rendering, problems: &mut KeyProblems) -> Option<Limits> {
    let time = problems.check(positive_duration("render.timeout", &written.timeout, "1m"));
    let memory = problems.check(memory(&written.memory));
    Some(Limits { time: time?, memory: memory?, ..Limits::default() })
}

fn memory(written: &str) -> Result<u64, KeyProblem> {
    let bytes = bytes("render.memory", written)?;
    if bytes < MIN_MEMORY {
        return Err(KeyProblem::new("render.memory", "kubectl and helm need more to start; write 128Mi or more"));
    }
    Ok(bytes)
}
