//! `driftwall serve`: the admission webhook.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::telemetry::{LogFormat, init_logging};

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// The configuration; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Record drift and let everything pass, whatever the configuration says
    #[arg(long)]
    audit_only: bool,
}

/// What work in the background gets to end by itself.
const FAREWELL: Duration = Duration::from_secs(2);

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { config, audit_only } = self;
        init_logging(LogFormat::Auto)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let ended = runtime.block_on(crate::serve::serve(config, audit_only));
        // A look at a server or a rendering that is under way is called off, and not waited for.
        runtime.shutdown_timeout(FAREWELL);
        ended
    }
}
