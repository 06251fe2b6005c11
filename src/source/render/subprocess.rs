//! ConfigReloader a program on files that others wrote: with a clean environment, in
//! its own process group, for a bounded time and a bounded output.
//!
//! One thread reads both of its pipes, so there is nothing to join and nothing
//! that can hang: when the time is up the group is killed and the pipes are closed.

use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// What is run, and within which bounds.
pub(super) struct Job<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [String],
    /// Where it runs.
    pub(super) folder: &'a Path,
    /// Where it may leave things.
    pub(super) home: &'a Path,
    pub(super) limit: Duration,
    /// Bytes that it may print.
    pub(super) output: usize,
    /// Whether it may reach other machines.
    pub(super) remote: bool,
    pub(super) cancel: &'a AtomicBool,
}

/// What became of a program.
#[derive(Debug)]
pub(super) enum Ended {
    Cancelled,
    Done(Vec<u8>),
    /// With the end of what it said.
    Failed(ExitStatus, String),
    TooLong,
    TooMuch,
}

/// How often a stop is looked for.
const TICK: Duration = Duration::from_millis(50);
/// Bytes that are kept of what a program says went wrong.
const MAX_WORDS: usize = 16 << 10;
/// A proxy that nobody listens at, for programs that may reach no other machine:
/// a second lock behind the look through what they are given.
const NO_PROXY_LISTENS: &str = "http://127.0.0.1:0";
/// What a program that may reach other machines takes over from this one.
const FOR_REMOTE: [&str; 9] = [
    "PATH",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// Runs a program to its end, or to that of its bounds.
pub(super) fn run(job: &Job<'_>) -> std::io::Result<Ended> {
    let mut command = command(job);
    let child = Group { program: command.spawn()?, has_ended: false };
    child.read(job, Instant::now() + job.limit)
}

fn command(job: &Job<'_>) -> Command {
    let mut command = Command::new(job.program);
    command.args(job.arguments).current_dir(job.folder).env_clear().process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in [
        "HOME",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "HELM_CACHE_HOME",
        "HELM_CONFIG_HOME",
        "HELM_DATA_HOME",
    ] {
        command.env(name, job.home);
    }
    command.env("HELM_PLUGINS", job.home.join("plugins"));
    if job.remote {
        command.envs(FOR_REMOTE.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    } else {
        command.envs(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, NO_PROXY_LISTENS)));
    }
    command
}

/// A program and all that it started. What is left of it is killed on drop.
struct Group {
    program: Child,
    /// Whether it was waited for: from then on its number may be another's.
    has_ended: bool,
}

impl Group {
    fn read(mut self, job: &Job<'_>, until: Instant) -> std::io::Result<Ended> {
        let (mut stdout, mut stderr) = (self.program.stdout.take(), self.program.stderr.take());
        let (mut output, mut words) = (Vec::new(), Vec::new());
        let mut chunk = vec![0; 64 << 10];
        loop {
            if job.cancel.load(Ordering::Relaxed) {
                return Ok(Ended::Cancelled);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Ended::TooLong);
            }
            // A child of its own can hold the pipes open after the program's end; nobody waits for that.
            if (stdout.is_none() && stderr.is_none() || self.has_ended()?) && self.wait(job, until)? {
                drain(&mut stdout, &mut output, &mut chunk, job.output)?;
                drain(&mut stderr, &mut words, &mut chunk, MAX_WORDS)?;
                if output.len() > job.output {
                    return Ok(Ended::TooMuch);
                }
                let status = self.end()?;
                let words = || String::from_utf8_lossy(&words).into_owned();
                return Ok(if status.success() { Ended::Done(output) } else { Ended::Failed(status, words()) });
            }
            if stdout.is_none() && stderr.is_none() {
                continue;
            }
            let [is_output, is_words] = ready(stdout.as_ref(), stderr.as_ref(), left.min(TICK))?;
            if is_output && take(&mut stdout, &mut chunk, &mut output)? && output.len() > job.output {
                return Ok(Ended::TooMuch);
            }
            if is_words && take(&mut stderr, &mut chunk, &mut words)? && words.len() > MAX_WORDS {
                words.drain(..words.len() - MAX_WORDS);
            }
        }
    }

    /// Whether the program is done; it stays to be waited for, so that its
    /// number, which is the group's, cannot become another's.
    fn has_ended(&self) -> std::io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid()), options)?.is_some())
    }

    /// Waits a moment for a program that has closed its pipes.
    fn wait(&self, job: &Job<'_>, until: Instant) -> std::io::Result<bool> {
        let until = until.min(Instant::now() + TICK);
        while !job.cancel.load(Ordering::Relaxed) {
            if self.has_ended()? {
                return Ok(true);
            }
            if Instant::now() >= until {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(false)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.program)
    }

    /// Kills what is left of the group and takes the program's status.
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        // There may be nobody left to kill.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.has_ended = true;
        self.program.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.has_ended {
            // Nobody is left to tell.
            let _ = self.end();
        }
    }
}

/// Waits until one of the pipes has something or was closed.
fn ready(
    stdout: Option<&impl std::os::fd::AsFd>,
    stderr: Option<&impl std::os::fd::AsFd>,
    wait: Duration,
) -> std::io::Result<[bool; 2]> {
    let flags = PollFlags::IN;
    let mut pipes: Vec<_> = stdout.iter().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), flags)).collect();
    pipes.extend(stderr.iter().map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), flags)));
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().max(1_000_000).into() };
    match poll(&mut pipes, Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut has = pipes.iter().map(|pipe| !pipe.revents().is_empty());
    Ok([stdout.is_some() && has.next() == Some(true), stderr.is_some() && has.next() == Some(true)])
}

/// Reads what is there, without waiting; a closed pipe is dropped.
fn take(pipe: &mut Option<impl std::io::Read>, chunk: &mut [u8], into: &mut Vec<u8>) -> std::io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    let read = open.read(chunk)?;
    if read == 0 {
        *pipe = None;
    }
    into.extend_from_slice(&chunk[..read]);
    Ok(read > 0)
}

/// Reads what an ended program left in a pipe.
fn drain(
    pipe: &mut Option<impl std::io::Read + std::os::fd::AsFd>,
    into: &mut Vec<u8>,
    chunk: &mut [u8],
    limit: usize,
) -> std::io::Result<()> {
    while into.len() <= limit && pipe.is_some() {
        let [is_ready, _] = ready(pipe.as_ref(), None::<&std::process::ChildStderr>, Duration::from_millis(1))?;
        if !is_ready || !take(pipe, chunk, into)? {
            break;
        }
    }
    Ok(())
}
