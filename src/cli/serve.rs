//! `driftwall serve`: the admission webhook.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::telemetry::{LogFormat, init_logging};

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Configuration file; it is reloaded when it changes
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Only record drift and allow every write, whatever the configuration says
    #[arg(long)]
    audit_only: bool,
}

/// How long background work may take to end.
const RUNTIME_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config, audit_only } = self;
        init_logging(LogFormat::Auto)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let result = runtime.block_on(crate::serve::serve(config, audit_only));
        // A fetch or a rendering under way has been cancelled; its thread may take longer to notice.
        runtime.shutdown_timeout(RUNTIME_SHUTDOWN_TIMEOUT);
        result
    }
}
