//! Runs a program on files that others wrote: confined, with a clean environment, in
//! its own process group, for a bounded time and a bounded output.
//!
//! One thread reads both of its pipes, so there is nothing to join and nothing
//! that can hang: when the time is up the group is killed and the pipes are closed.

use std::ffi::OsStr;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::confinement::{Confinement, NOT_STARTED};
use super::end::{Exceeded, exceeded_limit};
use super::helm_process::HelmProcess;
use super::usage::{files_below, processes_in_group};

/// A program to run, and its limits.
pub(super) struct Invocation<'a> {
    /// driftwall itself, which confines the program; see [`super::confinement`].
    pub(super) launcher: &'a Path,
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [String],
    /// Its working directory.
    pub(super) folder: &'a Path,
    /// Its home and temporary folder, where it may leave files.
    pub(super) home: &'a Path,
    /// What it may read beside.
    pub(super) readable: Vec<PathBuf>,
    pub(super) limits: Limits,
    /// Whether it may use the network, and start other programs for that, such as Git.
    pub(super) allow_network: bool,
    /// The Helm that it may run.
    pub(super) helm: Option<HelmProcess>,
    pub(super) cancel: &'a AtomicBool,
}

/// How much a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// The most bytes that it may print.
    pub output: usize,
    /// The most bytes of memory that it may write to. `helm` and `kubectl` start
    /// with 96 MiB and take more in steps of 64 MiB.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_mins(1), output: 64 << 20, memory: 384 << 20 }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(super) enum Completion {
    Cancelled,
    /// It used more than it may.
    Exceeded(Exceeded),
    /// With what it printed as errors: the start and the end of it.
    Failed(ExitStatus, String),
    /// Why it could not be run.
    NotStarted(String),
    /// With its output.
    Succeeded(Vec<u8>),
}

/// How often cancellation is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// How often processes and files are counted.
const COUNT_INTERVAL: Duration = Duration::from_millis(200);
/// The most processes that a program may be at once, where it may start any.
const MAX_PROCESSES: usize = 64;
/// The largest file, and the most bytes of all files, that a program may leave in
/// its home.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// The most bytes that are kept of the start and of the end of what a program
/// prints as errors: Go says at the start what it died of.
const MAX_STDERR: usize = 16 << 10;
/// A proxy at which nothing listens, for programs that may not use the network: a
/// second barrier, behind the check of what the files refer to.
const DEAD_PROXY: &str = "http://127.0.0.1:0";
/// The variables that a program inherits which may use the network.
const NETWORK_VARIABLES: [&str; 9] = [
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

/// Runs a program until it ends, or exceeds its limits.
pub(super) fn run(invocation: &Invocation<'_>) -> std::io::Result<Completion> {
    let mut command = command(invocation)?;
    let group = ProcessGroup { program: command.spawn()?, has_ended: false };
    group.wait_for_output(invocation, Instant::now() + invocation.limits.time)
}

fn command(invocation: &Invocation<'_>) -> std::io::Result<Command> {
    let Invocation { launcher, program, arguments, folder, home, readable, limits, allow_network, helm, .. } =
        invocation;
    let helm_program = helm.as_ref().map(|helm| helm.program.clone());
    let confinement = Confinement {
        memory: limits.memory,
        // Two threads that compute all the time; see GOMAXPROCS.
        cpu_seconds: limits.time.as_secs().saturating_mul(2).saturating_add(2),
        file_size: MAX_FILE_BYTES,
        readable: readable.clone(),
        runnable: [program.to_path_buf()].into_iter().chain(helm_program).collect(),
        writable: vec![home.to_path_buf()],
        network: *allow_network,
        processes: *allow_network,
        helm: helm.clone(),
        parent: std::process::id(),
    };
    let mut command = Command::new(launcher);
    command.args(["render-child", "--confinement", &serde_json::to_string(&confinement)?, "--"]);
    command.arg(program).args(arguments.iter().map(OsStr::new));
    command.current_dir(folder).env_clear().process_group(0);
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
        command.env(name, home);
    }
    command.env("HELM_PLUGINS", home.join("plugins"));
    // Go collects garbage sooner where it gets near the limit, and dies without a long trace.
    command.env("GOMEMLIMIT", (limits.memory / 10 * 6).to_string()).env("GOGC", "50");
    command.env("GOMAXPROCS", "2").env("GOTRACEBACK", "none");
    if *allow_network {
        command.envs(NETWORK_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    } else {
        command.envs(["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map(|name| (name, DEAD_PROXY)));
    }
    Ok(command)
}

/// A program and all that it started. What still runs of it is killed on drop.
struct ProcessGroup {
    program: Child,
    /// Whether its status was taken: from then on its process id may be another process's.
    has_ended: bool,
}

impl ProcessGroup {
    fn wait_for_output(mut self, invocation: &Invocation<'_>, deadline: Instant) -> std::io::Result<Completion> {
        let (mut stdout, mut stderr) = (self.program.stdout.take(), self.program.stderr.take());
        let (mut output, mut errors) = (Vec::new(), ErrorOutput::default());
        let mut chunk = vec![0; 64 << 10];
        let mut last_count = Instant::now();
        let limits = invocation.limits;
        let output_too_large = || Ok(Completion::Exceeded(Exceeded::Output(limits.output)));
        loop {
            if invocation.cancel.load(Ordering::Relaxed) {
                return Ok(Completion::Cancelled);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Completion::Exceeded(Exceeded::Time(limits.time)));
            }
            if last_count.elapsed() >= COUNT_INTERVAL {
                if let Some(exceeded) = self.count(invocation.home) {
                    return Ok(Completion::Exceeded(exceeded));
                }
                last_count = Instant::now();
            }
            // A child of the program can hold the pipes open after the program's end; that is not waited for.
            if (stdout.is_none() && stderr.is_none() || self.has_ended()?) && self.wait(invocation, deadline)? {
                read_rest(&mut stdout, &mut output, &mut chunk, limits.output)?;
                read_rest(&mut stderr, &mut errors.end, &mut chunk, MAX_STDERR)?;
                if output.len() > limits.output {
                    return output_too_large();
                }
                let status = self.end()?;
                return Ok(completion(status, output, &errors.into_text(), limits));
            }
            if stdout.is_none() && stderr.is_none() {
                continue;
            }
            let [has_output, has_errors] = ready(stdout.as_ref(), stderr.as_ref(), left.min(CHECK_INTERVAL))?;
            if has_output && read_available(&mut stdout, &mut chunk, &mut output)? && output.len() > limits.output {
                return output_too_large();
            }
            if has_errors && read_available(&mut stderr, &mut chunk, &mut errors.end)? {
                errors.shorten();
            }
        }
    }

    /// Which of what has to be counted from outside is too much.
    fn count(&self, home: &Path) -> Option<Exceeded> {
        if processes_in_group(self.pid().as_raw_pid()) > MAX_PROCESSES {
            return Some(Exceeded::Processes(MAX_PROCESSES));
        }
        (files_below(home) > MAX_FILE_BYTES).then_some(Exceeded::Files(MAX_FILE_BYTES))
    }

    /// Whether the program has ended. Its status is not taken, so that its process
    /// id, which is the group's, cannot become another process's.
    fn has_ended(&self) -> std::io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid()), options)?.is_some())
    }

    /// Waits a moment for the end of a program that has closed its pipes.
    fn wait(&self, invocation: &Invocation<'_>, deadline: Instant) -> std::io::Result<bool> {
        let deadline = deadline.min(Instant::now() + CHECK_INTERVAL);
        while !invocation.cancel.load(Ordering::Relaxed) {
            if self.has_ended()? {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(false)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.program)
    }

    /// Kills what still runs of the group and takes the program's status.
    fn end(&mut self) -> std::io::Result<ExitStatus> {
        // The group may be empty by now.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.has_ended = true;
        self.program.wait()
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.has_ended {
            // A destructor cannot report an error.
            let _ = self.end();
        }
    }
}

/// What a program prints as errors, without the middle of a long text.
#[derive(Default)]
struct ErrorOutput {
    start: Vec<u8>,
    end: Vec<u8>,
}

impl ErrorOutput {
    fn shorten(&mut self) {
        if self.end.len() <= MAX_STDERR {
            return;
        }
        if self.start.is_empty() {
            self.start = self.end[..MAX_STDERR / 4].to_vec();
        }
        self.end.drain(..self.end.len() - MAX_STDERR);
    }

    fn into_text(self) -> String {
        String::from_utf8_lossy(&[self.start, self.end].concat()).into_owned()
    }
}

fn completion(status: ExitStatus, output: Vec<u8>, errors: &str, limits: Limits) -> Completion {
    if status.success() {
        return Completion::Succeeded(output);
    }
    if status.code() == Some(NOT_STARTED.into()) {
        return Completion::NotStarted(errors.trim().to_owned());
    }
    match exceeded_limit(status, errors, limits, MAX_FILE_BYTES) {
        Some(exceeded) => Completion::Exceeded(exceeded),
        None => Completion::Failed(status, errors.to_owned()),
    }
}

/// Waits until one of the pipes has data or is closed; whether each has.
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

/// Reads the data that is there; a closed pipe is dropped. Whether there was any.
fn read_available(
    pipe: &mut Option<impl std::io::Read>,
    chunk: &mut [u8],
    into: &mut Vec<u8>,
) -> std::io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    let read = open.read(chunk)?;
    if read == 0 {
        *pipe = None;
    }
    into.extend_from_slice(&chunk[..read]);
    Ok(read > 0)
}

/// Reads what a program that has ended left in a pipe.
fn read_rest(
    pipe: &mut Option<impl std::io::Read + std::os::fd::AsFd>,
    into: &mut Vec<u8>,
    chunk: &mut [u8],
    limit: usize,
) -> std::io::Result<()> {
    while into.len() <= limit && pipe.is_some() {
        let [is_ready, _] = ready(pipe.as_ref(), None::<&std::process::ChildStderr>, Duration::from_millis(1))?;
        if !is_ready || !read_available(pipe, chunk, into)? {
            break;
        }
    }
    Ok(())
}
