//! The command line: one file per command.

mod applications;
mod audit_log;
mod break_glass;
mod certs;
mod check;
mod client;
mod config;
mod demo;
mod input;
mod output;
mod render_child;
mod renderer;
mod serve;
mod snapshot;
mod sources;
mod suggest;
mod tables;
mod values;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error_chain::error_chain;

/// Blocks configuration drift in Kubernetes: an admission webhook that compares
/// every write with what Git declares.
#[derive(Debug, Parser)]
#[command(name = "driftwall", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// In an emergency, allow drift of some objects for a limited time
    BreakGlass(break_glass::BreakGlass),
    /// Create a CA and a serving certificate, for tests and first steps
    Certs(certs::Certs),
    /// Evaluate recorded AdmissionReviews offline
    Check(check::Check),
    /// Check a configuration file, or print the schema of one
    Config(config::Config),
    /// Show what driftwall does, on this machine and without a cluster
    Demo(demo::Demo),
    /// Become a program that renders, with limits; driftwall itself runs this
    #[command(hide = true)]
    RenderChild(render_child::RenderChild),
    /// Render kustomizations and charts for other driftwalls, apart from everything secret
    Renderer(renderer::Renderer),
    /// Serve the admission webhook
    Serve(serve::Serve),
    /// Show the status of a running server's sources
    Sources(sources::Sources),
    /// Print the rules that would let recurring drift of machines pass, before it is denied
    Suggest(suggest::Suggest),
    /// Print the webhook configuration for what Git declares, as JSON for `kubectl apply`
    Webhook(webhook::Webhook),
}

/// The exit status of a command that failed.
const FAILED: u8 = 2;

/// Reads the command line and runs the command.
pub fn run() -> ExitCode {
    if let Some(status) = render_child::helm() {
        return status;
    }
    let Cli { command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => error.exit(),
        // `--help` and `--version`. Whoever redirects into a file must not go on with half of it.
        Err(text) => match output::write(text.render().ansi()) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => {
                output::tell(format_args!("driftwall: {error}"));
                return ExitCode::from(FAILED);
            }
        },
    };
    let result = match command {
        Command::BreakGlass(break_glass) => break_glass.run(),
        Command::Certs(certs) => certs.run(),
        Command::Check(check) => check.run(),
        Command::Config(config) => config.run(),
        Command::Demo(demo) => demo.run(),
        Command::RenderChild(render_child) => render_child.run(),
        Command::Renderer(renderer) => renderer.run(),
        Command::Serve(serve) => serve.run(),
        Command::Sources(sources) => sources.run(),
        Command::Suggest(suggest) => suggest.run(),
        Command::Webhook(webhook) => webhook.run(),
    };
    match result {
        Ok(status) => status,
        Err(error) => {
            output::tell(format_args!("driftwall: {}", error_chain(&*error)));
            ExitCode::from(FAILED)
        }
    }
}
