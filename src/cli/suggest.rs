//! `driftwall suggest`: from audit to enforce. Prints the rules that would let pass what machines drift again and
//! again, and who else drifts what, from a running server or from recorded reviews.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::audit_log::{AuditLog, ReviewInput};
use super::check::read_objects;
use super::client::Client;
use super::input::{InputValue, display_name, for_each_value, read};
use super::output::{print, tell};
use super::snapshot::{load_snapshot, read_config};
use super::values::{number, server_address};
use crate::telemetry::RecurringDrift;
use driftwall_core::admission;
use driftwall_core::drift_memory::{DriftMemory, suggestion};
use driftwall_core::policy::{EvaluationContext, evaluate};

#[derive(Args, Debug)]
pub(super) struct Suggest {
    /// Address of the admin port of a running server, from its own pod or through `kubectl port-forward`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = server_address, conflicts_with_all = ["config", "objects", "reviews"])]
    admin: SocketAddr,
    /// Configuration file, to evaluate recorded reviews instead
    #[arg(long, value_name = "FILE", requires = "reviews")]
    config: Option<PathBuf>,
    /// File of cluster objects (JSON, JSON lines or a List), for owners and CustomResourceDefinitions; may be repeated
    #[arg(long, value_name = "FILE", requires = "config")]
    objects: Vec<PathBuf>,
    /// How often a writer must have drifted a field to be named
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = number(1..=u64::MAX))]
    at_least: u64,
    /// Files of AdmissionReviews, or of an API server's audit log (JSON or JSON lines); `-` is standard input
    #[arg(value_name = "REVIEWS", requires = "config")]
    reviews: Vec<PathBuf>,
}

/// The most writes that are named, of those that could not be judged.
const MAX_TOLD: u64 = 20;

impl Suggest {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { admin, config, objects, at_least, reviews } = self;
        let RecurringDrift { drift, presets, forgotten } = match config {
            Some(config) => recorded(&config, &objects, &reviews)?,
            None => served(admin)?,
        };
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
