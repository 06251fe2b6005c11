//! What a program that renders may do. driftwall starts itself once more for each
//! program ([`become_program`]): that process limits itself, and then becomes the
//! program. So nothing of the limits depends on the program.
//!
//! | limit | by | where it holds |
//! | --- | --- | --- |
//! | memory, CPU time, sizes of files | `setrlimit` | everywhere |
//! | no network, no other process (but Helm, where kustomize runs it) | seccomp | Linux with seccomp: practically everywhere |
//! | only the files that are named | Landlock | Linux 5.13 and newer, where it is switched on |
//!
//! Where the kernel has no seccomp or Landlock, the program runs without that limit.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, Scope, path_beneath_rules,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use serde::{Deserialize, Serialize};

use super::helm_process::HelmProcess;

/// What a program may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// How many bytes of memory it may write to.
    pub memory: u64,
    /// How many seconds it may compute, all its threads together.
    pub cpu_seconds: u64,
    /// The largest file that it may write, in bytes.
    pub file_size: u64,
    /// Files and folders that it may read. No program of them may be run.
    pub readable: Vec<PathBuf>,
    /// The programs that may be run, beside those of the system.
    pub runnable: Vec<PathBuf>,
    /// Folders in which it may write as well.
    pub writable: Vec<PathBuf>,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it may start other programs.
    pub processes: bool,
    /// The Helm that it may start in any case.
    pub helm: Option<HelmProcess>,
    /// The process that waits for it: it dies with that one.
    pub parent: u32,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// The process that waited for it is gone.
    #[error("failed to start the program: nobody waits for it any more")]
    ParentGone,
    /// A limit could not be set.
    #[error("failed to limit the program: {0}")]
    Limit(#[from] rustix::io::Errno),
    /// The files could not be limited.
    #[error("failed to limit the program's files: {0}")]
    Files(#[from] RulesetError),
    /// The program cannot be run.
    #[error("failed to run {program}: {reason}")]
    Run {
        /// The program.
        program: String,
        /// The operating system's reason.
        reason: io::Error,
    },
}

/// The exit status of a program that could not be started.
pub const NOT_STARTED: u8 = 125;

/// Address space beyond the memory. Go reserves more than it uses: `helm` and
/// `kubectl` need about 1.5 GiB of it, whatever they do with it.
const RESERVED_ADDRESSES: u64 = 4 << 30;
/// The most files that may be open at once.
const OPEN_FILES: u64 = 1_024;
/// Where programs and their libraries are. Nothing of a cluster or a person is there.
const SYSTEM_FOLDERS: [&str; 9] =
    ["/bin", "/etc/ld.so.cache", "/lib", "/lib32", "/lib64", "/nix/store", "/sbin", "/usr", "/run/current-system"];
/// What a program that uses the network reads beside: names, addresses and CAs.
const NETWORK_FOLDERS: [&str; 2] = ["/etc", "/run/systemd/resolve"];
/// Devices that hold nothing.
const DEVICES: [&str; 4] = ["/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"];
/// The newest version of Landlock whose rights are known here; an older kernel has fewer.
const LANDLOCK: ABI = ABI::V6;

/// Limits this process and makes it the program; returns only if that fails. This
/// process must have one thread.
pub fn become_program(confinement: &Confinement, program: &OsString, arguments: &[OsString]) -> ConfinementError {
    let failed = |reason| ConfinementError::Run { program: program.to_string_lossy().into_owned(), reason };
    let mut command = Command::new(program);
    command.args(arguments);
    let launcher = match &confinement.helm {
        None => None,
        Some(helm) => {
            let launcher = HelmProcess::launcher();
            match launcher.and_then(|launcher| helm.prepare(&launcher, &mut command).map(|()| launcher)) {
                Ok(launcher) => Some(launcher),
                Err(reason) => return failed(reason),
            }
        }
    };
    match confinement.apply(launcher.as_ref()) {
        Ok(()) => failed(command.exec()),
        Err(error) => error,
    }
}

impl Confinement {
    /// Limits this process. `launcher` may be run as well.
    fn apply(&self, launcher: Option<&File>) -> Result<(), ConfinementError> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that.
        if getppid().map(Pid::as_raw_pid) != i32::try_from(self.parent).ok() {
            return Err(ConfinementError::ParentGone);
        }
        let cpu = self.cpu_seconds.max(1);
        // At the first limit the program gets a signal that says why, at the second it is killed.
        limit(Resource::Cpu, cpu, cpu + 5)?;
        for (resource, most) in [
            (Resource::Core, 0),
            (Resource::Fsize, self.file_size),
            (Resource::Nofile, OPEN_FILES),
            // Memory that is only reserved does not count here, but below.
            (Resource::Data, self.memory),
            (Resource::As, self.memory.saturating_add(RESERVED_ADDRESSES)),
        ] {
            limit(resource, most, most)?;
        }
        self.limit_files(launcher)?;
        self.refuse_system_calls();
        Ok(())
    }

    fn limit_files(&self, launcher: Option<&File>) -> Result<(), RulesetError> {
        let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(LANDLOCK))?;
        if !self.network {
            ruleset = ruleset.handle_access(AccessNet::from_all(LANDLOCK))?;
        }
        let read = AccessFs::from_read(LANDLOCK);
        let network = if self.network { NETWORK_FOLDERS.as_slice() } else { &[] };
        ruleset
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            // A path that does not exist needs no rule.
            .add_rules(path_beneath_rules(SYSTEM_FOLDERS.iter().chain(network), read))?
            .add_rules(path_beneath_rules(&self.readable, AccessFs::ReadFile | AccessFs::ReadDir))?
            .add_rules(path_beneath_rules(&self.runnable, read))?
            .add_rules(
                launcher
                    .map(|file| Ok::<_, RulesetError>(PathBeneath::new(file, AccessFs::Execute | AccessFs::ReadFile))),
            )?
            .add_rules(path_beneath_rules(DEVICES, AccessFs::ReadFile | AccessFs::WriteFile))?
            .add_rules(path_beneath_rules(&self.writable, AccessFs::from_all(LANDLOCK)))?
            .restrict_self()?;
        Ok(())
    }

    /// Without sockets there is no network. `helm`, `kubectl` and `kustomize` are one
    /// process, so that nobody has to count how fast one becomes many. A program that
    /// may start others cannot leave its group, which is killed as a whole.
    fn refuse_system_calls(&self) {
        let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
            [libc::SYS_io_uring_setup, libc::SYS_ptrace, libc::SYS_setpgid, libc::SYS_setsid, libc::SYS_unshare]
                .map(|call| (call, Vec::new()))
                .into();
        if !self.network {
            refused.insert(libc::SYS_socket, Vec::new());
        }
        refuse(refused, libc::EPERM);
        match (self.processes, &self.helm) {
            (true, _) => {}
            (false, None) => refuse_processes(),
            // Go's way to start a program: its thread waits until that is another program.
            (false, Some(_)) => refuse_clones_without(libc::CLONE_THREAD | libc::CLONE_VFORK),
        }
    }
}

/// From now on this process, whatever it becomes, can start no other.
pub(super) fn refuse_processes() {
    refuse_clones_without(libc::CLONE_THREAD);
}

/// Refuses new processes and threads, unless they are made with one of these flags of `clone`.
fn refuse_clones_without(flags: i32) {
    let flags = flags.unsigned_abs().into();
    let has_none = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flags), 0);
    let Ok(rule) = has_none.and_then(|condition| SeccompRule::new(vec![condition])) else { return };
    #[allow(unused_mut, reason = "other machines have no more than `clone`")]
    let mut refused = BTreeMap::from([(libc::SYS_clone, vec![rule])]);
    #[cfg(target_arch = "x86_64")]
    refused.extend([(libc::SYS_fork, Vec::new()), (libc::SYS_vfork, Vec::new())]);
    // Its arguments are in memory, where no filter can look; without it, programs use `clone`.
    refuse(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS);
    refuse(refused, libc::EPERM);
}

/// Makes system calls fail with an error number. A kernel without seccomp refuses
/// that: best effort, see above.
fn refuse(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) {
    let Ok(architecture) = std::env::consts::ARCH.try_into() else { return };
    let action = SeccompAction::Errno(error.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture);
    if let Ok(program) = filter.and_then(TryInto::<BpfProgram>::try_into) {
        let _ = apply_filter(&program);
    }
}

/// Sets a limit, or keeps the lower one that is there already.
fn limit(resource: Resource, soft: u64, hard: u64) -> Result<(), rustix::io::Errno> {
    let highest = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    setrlimit(resource, Rlimit { current: Some(soft.min(highest)), maximum: Some(hard.min(highest)) })
}
