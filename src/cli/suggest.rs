//! `driftwall suggest`: from audit to enforce. Prints the rules that would let pass what machines drift again and
//! again, and who else drifts what, from a running server or from recorded reviews.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};

use super::audit_log::{AuditLog, ReviewInput};
use super::check::read_objects;
use super::client::Client;
use super::input::{InputValue, display_name, for_each_value, read};
use super::output::{print, tell};
use super::snapshot::{load_snapshot, read_config};
use super::values::{number, server_address};
use crate::telemetry::RecurringDrift;
use driftwall_core::admission;
use driftwall_core::drift_memory::{DriftMemory, suggestion, taken_together};
use driftwall_core::policy::{EvaluationContext, evaluate};

#[derive(Args, Debug)]
pub(super) struct Suggest {
    /// Address of the admin port of a running server, from its own pod or through `kubectl port-forward`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = server_address, conflicts_with_all = ["config", "objects", "reviews", "seen"])]
    admin: SocketAddr,
    /// Configuration file, to evaluate recorded reviews instead
    #[arg(long, value_name = "FILE", requires = "reviews")]
    config: Option<PathBuf>,
    /// File of cluster objects (JSON, JSON lines or a List), for owners and CustomResourceDefinitions; may be repeated
    #[arg(long, value_name = "FILE", requires = "config")]
    objects: Vec<PathBuf>,
    /// File of what servers have seen, as `-o json` prints it, one after the other; `-` is standard input. May be repeated
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "objects", "reviews"])]
    seen: Vec<PathBuf>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
    /// How often a writer must have drifted a field to be named
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = number(1..=u64::MAX))]
    at_least: u64,
    /// Files of AdmissionReviews, or of an API server's audit log (JSON or JSON lines); `-` is standard input
    #[arg(value_name = "REVIEWS", requires = "config")]
    reviews: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// What was seen, for `--seen`
    Json,
    /// Entries of the configuration
    Yaml,
}

/// The most writes that are named, of those that could not be judged.
const MAX_TOLD: u64 = 20;

impl Suggest {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { admin, config, objects, seen, output, at_least, reviews } = self;
        let recurring = match config {
            Some(config) => recorded(&config, &objects, &reviews)?,
            None if seen.is_empty() => served(admin)?,
            None => seen_by_all(&seen)?,
        };
        if output == Format::Json {
            print(serde_json::to_string(&recurring)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let RecurringDrift { drift, presets, forgotten } = recurring;
        if forgotten > 0 {
            tell(format_args!(
                "driftwall: drift that was seen {forgotten} times was too rare or too much to be remembered"
            ));
        }
        let text = suggestion(&drift, &presets, at_least);
        if text.is_empty() {
            tell(format_args!("driftwall: nobody drifted anything {at_least} times or more"));
        } else {
            print(text.trim_end())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a running server has seen.
fn served(admin: SocketAddr) -> anyhow::Result<RecurringDrift> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let page = runtime.block_on(Client::get(admin, "/drift"));
    let page = page.with_context(|| format!("failed to ask the admin port {admin}"))?;
    serde_json::from_slice(&page)
        .map_err(|_| anyhow!("failed to read the answer of {admin}: is that the admin port of this version's server?"))
}

/// What several servers have seen.
fn seen_by_all(files: &[PathBuf]) -> anyhow::Result<RecurringDrift> {
    let mut all = RecurringDrift::default();
    for file in files {
        let mut wrong = None;
        for_each_value(file, &read(file)?, |InputValue { line, text }| match serde_json::from_str(text) {
            Ok(RecurringDrift { drift, presets, forgotten }) => {
                all.drift.extend(drift);
                // All replicas have one configuration.
                all.presets = presets;
                all.forgotten = all.forgotten.saturating_add(forgotten);
            }
            Err(_) => wrong = wrong.or(Some(line)),
        })?;
        if let Some(line) = wrong {
            bail!("failed to use {}:{line}: give what `driftwall suggest -o json` printed", display_name(file));
        }
    }
    Ok(RecurringDrift { drift: taken_together(all.drift), ..all })
}

/// What recorded reviews come to.
fn recorded(config: &Path, objects: &[PathBuf], reviews: &[PathBuf]) -> anyhow::Result<RecurringDrift> {
    let config = read_config(config)?;
    let snapshot = load_snapshot(&config)?;
    let cluster = read_objects(objects)?;
    let context =
        EvaluationContext { snapshot: &snapshot, actors: &config.actors, policy: &config.policy, cluster: &cluster };
    let mut memory = DriftMemory::default();
    let mut audit_log = AuditLog::default();
    let (mut judged, mut not_judged) = (0_u64, 0_u64);
    for file in reviews {
        let mut record = |text: &str| match audit_log.review_input(text) {
            ReviewInput::NoWrite => Ok(()),
            ReviewInput::NotJudgeable(_, reason) => Err(format!("not judgeable: {reason}")),
            ReviewInput::Review(text) => match admission::decode(text.as_bytes()) {
                Ok(write) => {
                    judged += 1;
                    memory.record(&write, &evaluate(&write, context), &config.actors, None);
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
        };
        for_each_value(file, &read(file)?, |InputValue { line, text }| {
            if let Err(reason) = record(text) {
                not_judged += 1;
                if not_judged <= MAX_TOLD {
                    tell(format_args!("driftwall: {}:{line}: {reason}", display_name(file)));
                }
            }
        })?;
    }
    if not_judged > 0 {
        tell(format_args!("driftwall: {not_judged} of {} writes could not be judged", judged + not_judged));
    }
    if judged == 0 {
        bail!("nothing was judged: give files that hold AdmissionReviews, or an audit log of level RequestResponse");
    }
    let presets = config.actors.presets().map(str::to_owned).collect();
    Ok(RecurringDrift { drift: memory.recurrences(), presets, forgotten: memory.forgotten() })
}
