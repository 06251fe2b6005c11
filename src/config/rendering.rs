//! How much rendering may use.

use std::path::Path;

use super::file_format;
use super::values::{KeyProblem, KeyProblems, bytes, positive_duration};
use crate::source::render::{Limits, Renderer};

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

/// The renderer, if there is one.
pub(super) fn renderer(
    written: Option<file_format::Renderer>,
    folder: &Path,
    problems: &mut KeyProblems,
) -> Option<Renderer> {
    let file_format::Renderer { address, ca_file, cert_file, key_file } = written?;
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parts.filter(|(host, _)| !host.is_empty() && !host.contains('/')) else {
        let message = format!("`{address}` is no name and port; write driftwall-renderer.driftwall.svc:8444");
        problems.add("render.renderer.address", message);
        return None;
    };
    let at = |file: String| folder.join(file);
    Some(Renderer { host: host.to_owned(), port, ca: at(ca_file), cert: at(cert_file), key: at(key_file) })
}
