//! What a program died of: which limit it ran into.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::subprocess::Limits;

/// A limit, with its value, that a program exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exceeded {
    /// It computed longer than this, all its threads together.
    ComputingTime(Duration),
    /// It wrote more bytes into files.
    Files(u64),
    /// It needed more bytes of memory.
    Memory(u64),
    /// It printed more bytes.
    Output(usize),
    /// It started more processes.
    Processes(usize),
    /// It did not end in this time.
    Time(Duration),
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ComputingTime(limit) => write!(f, "computed for more than {} s", limit.as_secs()),
            Self::Files(limit) => write!(f, "wrote more than {} MiB into files", limit >> 20),
            Self::Memory(limit) => write!(f, "needed more than {} MiB of memory", limit >> 20),
            Self::Output(limit) => write!(f, "printed more than {} MiB", limit >> 20),
            Self::Processes(0) => f.write_str("started another program, which it may not"),
            Self::Processes(limit) => write!(f, "started more than {limit} programs"),
            Self::Time(limit) => write!(f, "did not finish within {} s", limit.as_secs_f32()),
        }
    }
}

impl Exceeded {
    /// Whether another try may succeed: a machine is slow at times, while too much
    /// memory is too much every time.
    pub(super) fn is_transient(self) -> bool {
        match self {
            Self::ComputingTime(_) | Self::Time(_) => true,
            Self::Files(_) | Self::Memory(_) | Self::Output(_) | Self::Processes(_) => false,
        }
    }
}

/// How Go says that it got no memory. It does so in several ways, depending on what
/// it wanted the memory for.
const NO_MEMORY: [&str; 4] = [
    "out of memory",
    "cannot allocate memory",
    "failed to reserve page summary memory",
    "failed to create new OS thread",
];

/// The limit that a program which ended by itself had run into, by its status and
/// what it printed as errors.
pub(super) fn exceeded_limit(status: ExitStatus, errors: &str, limits: Limits, file_limit: u64) -> Option<Exceeded> {
    let computing_time = Exceeded::ComputingTime(limits.time.saturating_mul(2));
    // A shell reports a signal that ended its child by its own status, 128 higher.
    match status.signal().or_else(|| status.code().map(|code| code - 128)) {
        Some(libc::SIGXCPU) => return Some(computing_time),
        Some(libc::SIGXFSZ) => return Some(Exceeded::Files(file_limit)),
        _ => {}
    }
    // Go's own words: a chart can print text as well, but not as an error at the start of a line.
    errors.lines().find_map(|line| {
        let is_fatal = line.starts_with("fatal error: ") || line.starts_with("runtime: ");
        match line {
            line if is_fatal && NO_MEMORY.iter().any(|words| line.contains(words)) => {
                Some(Exceeded::Memory(limits.memory))
            }
            // Go's words, and a shell's.
            line if line.contains(": fork/exec ") || line.ends_with(": Cannot fork") => Some(Exceeded::Processes(0)),
            line if line.starts_with("SIGXCPU: ") => Some(computing_time),
            line if line.starts_with("SIGXFSZ: ") || line.ends_with(": file too large") => {
                Some(Exceeded::Files(file_limit))
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_found_in_what_go_prints() {
        let limits = Limits::default();
        let status = ExitStatus::from_raw(2 << 8);
        for (errors, expected) in [
            ("fatal error: runtime: out of memory\n", Some(Exceeded::Memory(limits.memory))),
            ("x\nruntime: out of memory: cannot allocate 4194304-byte block\n", Some(Exceeded::Memory(limits.memory))),
            ("fatal error: runtime: cannot allocate memory\n\nruntime stack:\n", Some(Exceeded::Memory(limits.memory))),
            ("fatal error: out of memory allocating heap arena map\n", Some(Exceeded::Memory(limits.memory))),
            ("/bin/x: 1: Cannot fork\n", Some(Exceeded::Processes(0))),
            ("SIGXCPU: cpu limit exceeded\n", Some(Exceeded::ComputingTime(limits.time * 2))),
            ("SIGXFSZ: file size limit exceeded\n", Some(Exceeded::Files(7))),
            ("Error: execution error at (c/templates/a.yaml:1:4): out of memory\n", None),
            ("fatal error: all goroutines are asleep - deadlock!\n", None),
        ] {
            assert_eq!(exceeded_limit(status, errors, limits, 7), expected, "{errors}");
        }
        let killed = |signal| exceeded_limit(ExitStatus::from_raw(signal), "", limits, 7);
        assert_eq!(killed(libc::SIGXFSZ), Some(Exceeded::Files(7)));
        assert_eq!(killed((128 + libc::SIGXFSZ) << 8), Some(Exceeded::Files(7)), "by a shell");
        assert_eq!(killed(libc::SIGKILL), None);
    }
}
