//! `driftwall check`: recorded AdmissionReviews, judged offline by the same
//! code that serves.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::input::{read, values};
use super::{FAILED, Failure};
use crate::cluster::OfflineLookup;
use crate::config::Config;
use crate::source;
use driftwall_core::admission::{self, Write};
use driftwall_core::decision::{Decision, decide};
use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{Assessment, DecisionContext, EvaluationContext, Outcome, Verdict, Violation, evaluate};

#[derive(Args, Debug)]
pub(super) struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The cluster's objects (JSON, JSON lines or a List): owners and CustomResourceDefinitions;
    /// once for each file
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    /// AdmissionReviews (JSON or JSON lines); `-` is standard input
    #[arg(required = true, value_name = "REVIEWS")]
    reviews: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// JSON lines
    Json,
    /// A line a review
    Text,
}

/// A line of `-o json`. These names are a contract.
#[derive(Serialize)]
struct Line<'a> {
    uid: &'a str,
    verdict: &'a str,
    answer: &'a str,
    allowed: bool,
    actor: &'a str,
    mode: &'a str,
    fields: Vec<String>,
    message: String,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { config, objects, output, reviews } = self;
        let config = Config::read(&config)?;
        let snapshot = snapshot(&config)?;
        let mut cluster = OfflineLookup::default();
        for file in &objects {
            let mut bad = None;
            values(file, &read(file)?, |text| {
                let taken = serde_json::from_str(text).map_err(Failure::from);
                let taken = taken.and_then(|object| cluster.insert(&object).map_err(Failure::from));
                bad = bad.take().or(taken.err());
            })?;
            if let Some(error) = bad {
                return Err(format!("{}: {error}", file.display()).into());
            }
        }
        let context = EvaluationContext {
            snapshot: &snapshot,
            actors: &config.actors,
            policy: &config.policy,
            cluster: &cluster,
        };
        let mut report = Report { output, denied: false, unjudged: false };
        for file in &reviews {
            let content = read(file)?;
            if let Err(error) = values(file, &content, |text| report.evaluate(text, context)) {
                anstream::eprintln!("driftwall: {error}");
                report.unjudged = true;
            }
        }
        Ok(match report {
            Report { unjudged: true, .. } => ExitCode::from(FAILED),
            Report { denied: true, .. } => ExitCode::from(1),
            Report { .. } => ExitCode::SUCCESS,
        })
    }
}

/// Reads every source once.
pub(super) fn snapshot(config: &Config) -> Result<Snapshot, Failure> {
    let contents = config.sources.iter().map(|source| {
        let cancel = Arc::default();
        let contents = source::tip(source, &cancel).and_then(|commit| source::read(source, &commit, None, &cancel));
        contents.map(|reading| reading.contents).map_err(|error| format!("source {}: {error}", source.name))
    });
    Ok(Snapshot::new(contents.collect::<Result<_, _>>()?)?)
}

struct Report {
    output: Format,
    denied: bool,
    unjudged: bool,
}

impl Report {
    fn evaluate(&mut self, text: &str, context: EvaluationContext<'_>) {
        let write = match admission::decode(text.as_bytes()) {
            Ok(write) => write,
            Err(error) => {
                self.unjudged = true;
                let uid = error.uid().unwrap_or_default();
                return self.unreadable(uid, &error.to_string());
            }
        };
        let assessment = evaluate(&write, context);
        let decision = decide(&write, &assessment, context.policy, DecisionContext::default());
        self.denied |= decision.outcome == Outcome::Deny;
        self.unjudged |= assessment.verdict == Verdict::Error;
        match self.output {
            Format::Json => print(&line(&write, &assessment, &decision)),
            Format::Text => print_text(&write, &assessment, &decision),
        }
    }

    fn unreadable(&self, uid: &str, message: &str) {
        match self.output {
            Format::Json => print(&Line {
                uid,
                verdict: Verdict::Error.as_str(),
                answer: Outcome::Warn.as_str(),
                allowed: true,
                actor: "",
                mode: "",
                fields: Vec::new(),
                message: message.to_owned(),
            }),
            Format::Text => anstream::println!("error  {message}"),
        }
    }
}

fn line<'a>(write: &'a Write<'_>, assessment: &Assessment<'_>, decision: &Decision) -> Line<'a> {
    let message = match (&decision.answer.denial, &assessment.violation) {
        (Some(denial), _) => denial.message.clone(),
        (None, Violation::NotEvaluated(reason)) => reason.clone(),
        (None, _) => decision.answer.warnings.join("\n"),
    };
    Line {
        uid: &write.uid,
        verdict: assessment.verdict.as_str(),
        answer: decision.outcome.as_str(),
        allowed: decision.answer.denial.is_none(),
        actor: assessment.class.as_str(),
        mode: decision.mode.as_str(),
        fields: assessment.findings.iter().map(|finding| finding.path.to_string()).collect(),
        message,
    }
}

/// A reader of the output that goes away is no error of ours.
fn print(line: &Line<'_>) {
    let text = serde_json::to_string(line).expect("a line holds only texts");
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn print_text(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) {
    let style = match decision.outcome {
        Outcome::Allow => Style::new(),
        Outcome::Deny => AnsiColor::Red.on_default().bold(),
        Outcome::Warn => AnsiColor::Yellow.on_default(),
    };
    let resource = &write.resource;
    let dot = if resource.group.is_empty() { "" } else { "." };
    let sub = if resource.subresource.is_empty() { "" } else { "/" };
    let slash = if write.namespace.is_empty() { "" } else { "/" };
    let fields: Vec<_> = assessment.findings.iter().map(|finding| finding.path.to_string()).collect();
    let why = match &assessment.violation {
        Violation::NotEvaluated(reason) => reason.clone(),
        _ => fields.join(", "),
    };
    let _ = writeln!(
        anstream::stdout(),
        "{style}{:<5}{style:#}  {:<9}  {:<13}  {} {}{sub}{}{dot}{} {}{slash}{}  {}  {why}",
        decision.outcome.as_str(),
        assessment.verdict.as_str(),
        assessment.class.as_str(),
        write.operation,
        resource.plural,
        resource.subresource,
        resource.group,
        write.namespace.escape_debug(),
        write.name.escape_debug(),
        // A name is the client's: it must not write a line of its own.
        write.user.name.escape_debug(),
    );
}
