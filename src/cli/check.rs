//! `driftwall check`: evaluates recorded AdmissionReviews offline, by the code that serves.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::FAILED;
use super::input::{for_each_value, read};
use super::snapshot::load_snapshot;
use crate::cluster::OfflineLookup;
use crate::config::Config;
use crate::error_chain::error_chain;
use driftwall_core::admission::{self, Write};
use driftwall_core::decision::{Decision, DecisionContext, decide};
use driftwall_core::policy::{Assessment, EvaluationContext, Outcome, Verdict, Violation, evaluate};

#[derive(Args, Debug)]
pub(super) struct Check {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// File of cluster objects (JSON, JSON lines or a List), for owners and CustomResourceDefinitions;
    /// may be repeated
    #[arg(long, value_name = "FILE")]
    objects: Vec<PathBuf>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    /// Files of AdmissionReviews (JSON or JSON lines); `-` is standard input
    #[arg(required = true, value_name = "REVIEWS")]
    reviews: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// One JSON object per review
    Json,
    /// One line per review
    Text,
}

/// A line of `-o json`. Scripts rely on these names.
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
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config, objects, output, reviews } = self;
        let config = Config::read(&config)?;
        let snapshot = load_snapshot(&config)?;
        let mut cluster = OfflineLookup::default();
        for file in &objects {
            let mut inserted = Ok(());
            for_each_value(file, &read(file)?, |text| {
                if inserted.is_ok() {
                    inserted = insert_object(&mut cluster, text);
                }
            })?;
            inserted.with_context(|| format!("failed to use the objects of {}", file.display()))?;
        }
        let context = EvaluationContext {
            snapshot: &snapshot,
            actors: &config.actors,
            policy: &config.policy,
            cluster: &cluster,
        };
        let mut report = Report { output, any_denied: false, any_error: false };
        for file in &reviews {
            let bytes = read(file)?;
            if let Err(error) = for_each_value(file, &bytes, |text| report.evaluate(text, context)) {
                anstream::eprintln!("driftwall: {}", error_chain(&error));
                report.any_error = true;
            }
        }
        Ok(match report {
            Report { any_error: true, .. } => ExitCode::from(FAILED),
            Report { any_denied: true, .. } => ExitCode::from(1),
            Report { .. } => ExitCode::SUCCESS,
        })
    }
}

fn insert_object(cluster: &mut OfflineLookup, text: &str) -> anyhow::Result<()> {
    cluster.insert(&serde_json::from_str(text)?)?;
    Ok(())
}

struct Report {
    output: Format,
    any_denied: bool,
    /// Whether any review could not be evaluated.
    any_error: bool,
}

impl Report {
    fn evaluate(&mut self, text: &str, context: EvaluationContext<'_>) {
        let write = match admission::decode(text.as_bytes()) {
            Ok(write) => write,
            Err(error) => {
                self.any_error = true;
                let uid = error.uid().unwrap_or_default();
                return self.print_error(uid, &error.to_string());
            }
        };
        let assessment = evaluate(&write, context);
        let decision = decide(&write, &assessment, context.policy, DecisionContext::default());
        self.any_denied |= decision.outcome == Outcome::Deny;
        self.any_error |= assessment.verdict == Verdict::Error;
        match self.output {
            Format::Json => print(&line(&write, &assessment, &decision)),
            Format::Text => print_text(&write, &assessment, &decision),
        }
    }

    fn print_error(&self, uid: &str, message: &str) {
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
        (None, Violation::NotEvaluated(reason) | Violation::NotReadable(reason)) => reason.clone(),
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

/// Prints to standard output. That its reader went away (`| head`) is no error.
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
    let fields: Vec<_> = assessment.findings.iter().map(|finding| finding.path.to_string()).collect();
    let reason = match &assessment.violation {
        Violation::NotEvaluated(reason) | Violation::NotReadable(reason) => reason.clone(),
        _ => fields.join(", "),
    };
    let _ = writeln!(
        anstream::stdout(),
        "{style}{:<5}{style:#}  {:<9}  {:<13}  {} {} {}  {}  {reason}",
        decision.outcome.as_str(),
        assessment.verdict.as_str(),
        assessment.class.as_str(),
        write.operation,
        resource_name(write),
        object_name(write),
        write.user.name.escape_debug(),
    );
}

/// The resource as kubectl writes it, such as `deployments/scale.apps`.
fn resource_name(write: &Write<'_>) -> String {
    let resource = &write.resource;
    let mut name = resource.plural.to_string();
    for (separator, part) in [('/', &resource.subresource), ('.', &resource.group)] {
        if !part.is_empty() {
            name.push(separator);
            name.push_str(part);
        }
    }
    name
}

/// Namespace and name. A client chooses them, and must not be able to forge an
/// output line of its own with a line break.
fn object_name(write: &Write<'_>) -> String {
    let name = write.name.escape_debug();
    if write.namespace.is_empty() { name.to_string() } else { format!("{}/{name}", write.namespace.escape_debug()) }
}
