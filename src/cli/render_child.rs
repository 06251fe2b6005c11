//! `driftwall render-child`: becomes a program that renders, with limits. Only
//! driftwall itself runs it; see `source::render`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::source::render::{NOT_STARTED, become_helm, become_program};

#[derive(Args, Debug)]
pub(super) struct RenderChild {
    /// What the program may do, as JSON
    #[arg(long)]
    confinement: String,
    /// The program, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Becomes Helm, where kustomize has started this program for that; `None` otherwise.
pub(super) fn helm() -> Option<ExitCode> {
    let error = become_helm(std::env::args_os().skip(1))?;
    anstream::eprintln!("{error}");
    Some(ExitCode::from(NOT_STARTED))
}

impl RenderChild {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { confinement, command } = self;
        let confinement = serde_json::from_str(&confinement).context("failed to parse --confinement")?;
        let (program, arguments) = command.split_first().context("failed to find a program to run")?;
        let error = become_program(&confinement, program, arguments);
        super::output::tell(error);
        Ok(ExitCode::from(NOT_STARTED))
    }
}
