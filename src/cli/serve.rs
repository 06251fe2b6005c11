//! `driftwall serve`: the admission webhook.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::values::number;
use crate::admission::ReviewRecording;
use crate::telemetry::{LogFormat, init_logging};

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Configuration file; it is reloaded when it changes
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only record drift and allow every write, whatever the configuration says
    #[arg(long)]
    audit_only: bool,
    /// Record reviews for `check` and `suggest` into this file, with the values of Secrets replaced
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// How large the recording may become, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, requires = "record", value_parser = number(1..=1 << 20))]
    record_limit: u64,
}

/// How long background work may take to end.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config, audit_only, record, record_limit } = self;
        let _log = init_logging(LogFormat::Auto)?;
        let recording = match record {
            Some(file) => {
                let started = ReviewRecording::start(&file, record_limit << 20);
                Some(started.with_context(|| format!("failed to record reviews to {}", file.display()))?)
            }
            None => None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(crate::serve::serve(config, audit_only, recording));
        // A fetch or a rendering under way has been cancelled; its thread may take longer to notice.
        runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
        result
    }
}
