//! Runs a job on this machine, in a folder with its files.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkout::Checkout;
use super::helm::can_skip_schemas;
use super::helm_process::{HelmProcess, name_helm};
use super::job::{Job, JobError, JobOutput, Runs};
use super::programs::Program;
use super::subprocess::{Completion, Invocation, Limits, run};

/// What jobs run with.
pub(super) struct Executor<'a> {
    /// driftwall itself, which confines the program.
    pub(super) launcher: &'a Path,
    pub(super) program: &'a Program,
    /// The Helm that the program may run.
    pub(super) helm: Option<&'a Program>,
    pub(super) limits: Limits,
    pub(super) allow_network: bool,
}

/// More than a second, so that a template that uses the time renders another one the second time.
const PAUSE: Duration = Duration::from_millis(1_050);

impl Executor<'_> {
    /// Runs a job. Blocks; the program is stopped soon after `cancel` is set.
    pub(super) fn execute(&self, job: &Job, checkout: &Checkout, cancel: &AtomicBool) -> Result<JobOutput, JobError> {
        let first = self.run(job, checkout, cancel)?;
        match job.runs {
            Runs::Once => return Ok(JobOutput { first, second: None }),
            Runs::Twice => {}
            Runs::TwiceApart => pause(cancel),
        }
        let second = self.run(job, checkout, cancel)?;
        let second = if second == first { None } else { Some(second) };
        Ok(JobOutput { first, second })
    }

    fn run(&self, job: &Job, checkout: &Checkout, cancel: &AtomicBool) -> Result<Vec<u8>, JobError> {
        let Self { launcher, program, helm, limits, allow_network } = *self;
        let helm = helm
            .map(|helm| HelmProcess { program: helm.path.clone(), can_skip_schemas: can_skip_schemas(&helm.version) });
        let completion = run(&Invocation {
            launcher,
            program: &program.path,
            arguments: &job.arguments,
            folder: &checkout.root.join(&job.folder),
            home: &checkout.home,
            readable: checkout.readable(),
            limits,
            allow_network,
            helm,
            cancel,
        });
        let not_run = |reason| JobError::NotRun { action: format!("run {}", program.path.display()), reason };
        match completion.map_err(|error| not_run(error.to_string()))? {
            Completion::Succeeded(output) => Ok(output),
            Completion::Cancelled => Err(JobError::Cancelled),
            Completion::Exceeded(exceeded) => Err(JobError::Exceeded(exceeded)),
            Completion::NotStarted(reason) => Err(not_run(reason)),
            Completion::Failed(status, stderr) => Err(match status.signal() {
                Some(signal) => JobError::Killed(signal),
                None => JobError::Failed {
                    status: status.to_string(),
                    stderr: name_helm(&checkout.relative_paths(&stderr)),
                },
            }),
        }
    }
}

fn pause(cancel: &AtomicBool) {
    let end = Instant::now() + PAUSE;
    while Instant::now() < end && !cancel.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}
