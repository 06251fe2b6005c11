//! The output of a plan's job: kept from before, or rendered in its turn.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use super::checkout::Checkout;
use super::error::RenderError;
use super::execute::Executor;
use super::job::{Job, JobError, JobOutput};
use super::kept::{KEPT_BYTES, KeptOutputs};
use super::queue::{DEFAULT_PLACES, RenderQueue};
use super::{RenderPlan, helm};
use driftwall_core::text;

// One of each for the whole process: its programs share one machine, and what was
// rendered stays right whatever configuration is loaded.
pub(super) static QUEUE: LazyLock<RenderQueue> = LazyLock::new(|| RenderQueue::new(DEFAULT_PLACES));
static KEPT: LazyLock<KeptOutputs> = LazyLock::new(|| KeptOutputs::new(KEPT_BYTES));

/// From now on at most so many renderings run at once in this process.
pub fn set_parallel(renderings: usize) {
    QUEUE.set_places(renderings);
}

impl RenderPlan<'_, '_> {
    /// What the job prints; what it printed before, where that is kept.
    pub(super) fn output(&self, job: &Job, source: &str, cancel: &AtomicBool) -> Result<Arc<JobOutput>, RenderError> {
        let key = self.key();
        // What is fetched from elsewhere can change without any change here.
        let may_keep = !self.options.allow_remote;
        let kept = || if may_keep { KEPT.get(&key) } else { None };
        if let Some(output) = kept() {
            return Ok(output);
        }
        let Some(_place) = QUEUE.wait(source, &key, cancel) else {
            return Err(self.failure(JobError::Cancelled));
        };
        // Another source may have had the same rendered meanwhile.
        if let Some(output) = kept() {
            return Ok(output);
        }
        let output = Arc::new(self.execute(job, cancel)?);
        if may_keep {
            KEPT.insert(&key, &output);
        }
        Ok(output)
    }

    fn execute(&self, job: &Job, cancel: &AtomicBool) -> Result<JobOutput, RenderError> {
        if let Some(renderer) = &self.options.renderer {
            let result = renderer.run(job, &self.selection, &self.files, self.options.limits, cancel)?;
            return result.map_err(|error| self.failure(error));
        }
        let io = |action: &str| {
            let action = action.to_owned();
            |reason| RenderError::Io { action, reason }
        };
        let mut checkout = Checkout::create().map_err(io("create a temporary folder"))?;
        checkout.write_inputs(job).map_err(io("write the values"))?;
        self.selection.copy_to(&self.files, &mut checkout)?;
        let executor = Executor {
            launcher: self.options.programs.launcher(),
            program: &self.program,
            helm: self.helm.as_ref(),
            limits: self.options.limits,
            allow_network: self.options.allow_remote,
        };
        executor.execute(job, &checkout, cancel).map_err(|error| self.failure(error))
    }

    fn failure(&self, error: JobError) -> RenderError {
        let (file, program) = (self.file.clone(), self.program.name);
        match error {
            JobError::Cancelled => RenderError::Cancelled { file, program },
            JobError::Exceeded(limit) => RenderError::Exceeded { file, program, limit },
            JobError::Killed(signal) => RenderError::Killed { file, program, signal },
            JobError::NotRun { action, reason } => RenderError::Io { action, reason: std::io::Error::other(reason) },
            JobError::Failed { status, stderr } => {
                if let Some(missing) = helm::missing_dependencies(&stderr) {
                    return RenderError::MissingDependencies { file, missing };
                }
                let stderr = last_lines(&stderr).unwrap_or(status);
                RenderError::ProgramFailed { file, program: self.program.to_string(), stderr }
            }
        }
    }
}

/// The last lines of what a program printed as errors: as much as fits into a message.
fn last_lines(stderr: &str) -> Option<String> {
    const MAX_LINES: usize = 8;
    const MAX_LINE_CHARS: usize = 400;
    let lines: Vec<_> = stderr.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    let last = &lines[lines.len().saturating_sub(MAX_LINES)..];
    // Tabs are no control characters to replace: Go's error messages indent with them.
    let cut: Vec<_> = last.iter().map(|line| text::truncate(&line.replace('\t', " "), MAX_LINE_CHARS)).collect();
    Some(cut.join("\n"))
}
