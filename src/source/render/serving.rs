//! What a renderer does with a job that another driftwall sent.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::sync::atomic::AtomicBool;

use super::RenderError;
use super::archive::unpack;
use super::checkout::Checkout;
use super::execute::Executor;
use super::job::{JobError, JobOutput, Tool};
use super::output::QUEUE;
use super::programs::{OfferedPrograms, Program, Programs};
use super::subprocess::Limits;

/// What jobs of others run with.
#[derive(Clone, Debug, Default)]
pub struct JobRunner {
    /// Where the programs are.
    pub programs: Programs,
    /// How much each may use.
    pub limits: Limits,
}

impl JobRunner {
    /// The programs that are there.
    pub fn programs(&self) -> OfferedPrograms {
        OfferedPrograms::new(self.programs.for_charts().ok(), self.programs.for_kustomizations().ok())
    }

    /// Unpacks an archive and runs the job in it; `name` identifies it. Blocks until it
    /// has had its turn.
    ///
    /// # Errors
    ///
    /// Of the job, to be sent back.
    pub fn run(&self, name: &str, mut archive: File, cancel: &AtomicBool) -> Result<JobOutput, JobError> {
        let not_run = |action: &str, reason: String| JobError::NotRun { action: action.to_owned(), reason };
        let Some(_place) = QUEUE.wait(name, name, cancel) else { return Err(JobError::Cancelled) };
        let unpacked = (|| {
            archive.seek(SeekFrom::Start(0))?;
            let mut checkout = Checkout::create()?;
            let job = unpack(archive, &mut checkout)?;
            Ok((checkout, job))
        })();
        let (checkout, job) =
            unpacked.map_err(|error: std::io::Error| not_run("unpack the files", error.to_string()))?;
        let program = self.program(job.tool).map_err(|error| not_run("find the program", error.to_string()))?;
        let helm = if job.helm { Some(self.program(Tool::Helm)) } else { None };
        let helm = helm.transpose().map_err(|error| not_run("find the program", error.to_string()))?;
        let (launcher, limits) = (self.programs.launcher(), self.limits);
        let executor = Executor { launcher, program: &program, helm: helm.as_ref(), limits, allow_network: false };
        executor.execute(&job, &checkout, cancel)
    }

    fn program(&self, tool: Tool) -> Result<Program, RenderError> {
        match tool {
            Tool::Helm => self.programs.for_charts(),
            Tool::Kustomize => self.programs.for_kustomizations(),
        }
    }
}
