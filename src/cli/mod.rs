//! The commands: one file for each.

mod break_glass;
mod certs;
mod check;
mod client;
mod demo;
mod input;
mod serve;
mod sources;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error_chain::error_chain;
pub(crate) use crate::serve::Failure;

/// A wall against configuration drift in Kubernetes: holds every write against
/// what Git declares.
#[derive(Debug, Parser)]
#[command(name = "driftwall", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// In an emergency, let drift of some objects pass for a while
    BreakGlass(break_glass::BreakGlass),
    /// Make a CA and a serving certificate, for tests and first steps
    Certs(certs::Certs),
    /// Judge recorded AdmissionReviews, offline
    Check(check::Check),
    /// Show on this machine, without a cluster, what driftwall does
    Demo(demo::Demo),
    /// Serve the admission webhook
    Serve(serve::Serve),
    /// Show how the sources of a running server stand
    Sources(sources::Sources),
    /// Print the webhook's registration for what Git declares, as JSON for `kubectl apply`
    Webhook(webhook::Webhook),
}

/// The exit status where something was done wrong, or could not be done.
const FAILED: u8 = 2;

/// Reads the command line and runs the command.
pub fn run() -> ExitCode {
    let Cli { command } = Cli::parse();
    let done = match command {
        Command::BreakGlass(break_glass) => break_glass.run(),
        Command::Certs(certs) => certs.run(),
        Command::Check(check) => check.run(),
        Command::Demo(demo) => demo.run(),
        Command::Serve(serve) => serve.run(),
        Command::Sources(sources) => sources.run(),
        Command::Webhook(webhook) => webhook.run(),
    };
    done.unwrap_or_else(|error| {
        anstream::eprintln!("driftwall: {}", error_chain(&*error));
        ExitCode::from(FAILED)
    })
}
