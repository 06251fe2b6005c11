//! `driftwall check`: evaluates recorded AdmissionReviews offline, by the code that serves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::FAILED;
use super::audit_log::{AuditLog, ReviewInput};
use super::input::{InputValue, display_name, for_each_value, read};
use super::output::{OutputError, print, tell};
use super::snapshot::{load_snapshot, read_config};
use crate::cluster::OfflineLookup;
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
    /// Files of AdmissionReviews, or of an API server's audit log (JSON or JSON lines); `-` is standard input
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
        let config = read_config(&config)?;
        let snapshot = load_snapshot(&config)?;
        let cluster = read_objects(&objects)?;
        let context = EvaluationContext {
            snapshot: &snapshot,
            actors: &config.actors,
            policy: &config.policy,
            cluster: &cluster,
        };
        let mut report =
            Report { output, audit_log: AuditLog::default(), judged: 0, any_denied: false, any_error: false };
        for file in &reviews {
            let bytes = read(file)?;
            let mut printed = Ok(());
            let read = for_each_value(file, &bytes, |value| {
                if printed.is_ok() {
                    printed = report.evaluate(file, value, context);
                }
            });
            printed?;
            match read {
                Ok(0) => tell(format_args!("driftwall: there is no AdmissionReview in {}", display_name(file))),
                Ok(_) => {}
                Err(error) => {
                    tell(format_args!("driftwall: {}", error_chain(&error)));
                    report.any_error = true;
                }
            }
        }
        if report.judged == 0 && !report.any_error {
            return Err(anyhow!("nothing was judged: give files that hold AdmissionReviews"));
        }
        Ok(match report {
            Report { any_error: true, .. } => ExitCode::from(FAILED),
            Report { any_denied: true, .. } => ExitCode::from(1),
            Report { .. } => ExitCode::SUCCESS,
        })
    }
}

/// The objects of these files, in place of a cluster.
pub(super) fn read_objects(files: &[PathBuf]) -> anyhow::Result<OfflineLookup> {
    let mut cluster = OfflineLookup::default();
    for file in files {
        let mut inserted = Ok(());
        let count = for_each_value(file, &read(file)?, |InputValue { line, text }| {
            if inserted.is_ok() {
                inserted = insert_object(&mut cluster, text).map_err(|reason| (line, reason));
            }
        })?;
        inserted.map_err(|(line, reason)| anyhow!("failed to use {}:{line}: {reason}", display_name(file)))?;
        if count == 0 {
            tell(format_args!("driftwall: there is no object in {}", display_name(file)));
        }
    }
    Ok(cluster)
}

fn insert_object(cluster: &mut OfflineLookup, text: &str) -> Result<(), String> {
    // What is no JSON was found before; what is left is nested too deep for an object of Kubernetes.
    let object = serde_json::from_str(text).map_err(|_| "it cannot be an object of a cluster".to_owned())?;
    cluster.insert(&object).map_err(|error| error_chain(&error))
}

struct Report {
    output: Format,
    /// What the events of an audit log said so far.
    audit_log: AuditLog,
    judged: usize,
    any_denied: bool,
    /// Whether any review could not be evaluated.
    any_error: bool,
}

impl Report {
    fn evaluate(
        &mut self,
        file: &Path,
        InputValue { line, text }: InputValue<'_>,
        context: EvaluationContext<'_>,
    ) -> Result<(), OutputError> {
        let text = match self.audit_log.review_input(text) {
            ReviewInput::Review(text) => text,
            ReviewInput::NoWrite => return Ok(()),
            ReviewInput::NotJudgeable(id, reason) => {
                self.any_error = true;
                return self.print_error(&id, &format!("{}:{line}: not judgeable: {reason}", display_name(file)));
            }
        };
        self.judged += 1;
        let write = match admission::decode(text.as_bytes()) {
            Ok(write) => write,
            Err(error) => {
                self.any_error = true;
                let uid = error.uid().unwrap_or_default();
                return self.print_error(uid, &format!("{}:{line}: {error}", display_name(file)));
            }
        };
        let assessment = evaluate(&write, context);
        let decision = decide(&write, &assessment, context.policy, DecisionContext::default());
        self.any_denied |= decision.outcome == Outcome::Deny;
        self.any_error |= assessment.verdict == Verdict::Error;
        match self.output {
            Format::Json => print_json(&json_line(&write, &assessment, &decision)),
            Format::Text => print_text(&write, &assessment, &decision),
        }
    }

    fn print_error(&self, uid: &str, message: &str) -> Result<(), OutputError> {
        match self.output {
            Format::Json => print_json(&Line {
                uid,
                verdict: Verdict::Error.as_str(),
                answer: Outcome::Warn.as_str(),
                allowed: true,
                actor: "",
                mode: "",
                fields: Vec::new(),
                message: message.to_owned(),
            }),
            Format::Text => print(format_args!("error  {message}")),
        }
    }
}

fn json_line<'a>(write: &'a Write<'_>, assessment: &Assessment<'_>, decision: &Decision) -> Line<'a> {
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

fn print_json(line: &Line<'_>) -> Result<(), OutputError> {
    print(serde_json::to_string(line).expect("a line holds only texts"))
}

fn print_text(write: &Write<'_>, assessment: &Assessment<'_>, decision: &Decision) -> Result<(), OutputError> {
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
    print(format_args!(
        "{style}{:<5}{style:#}  {:<9}  {:<13}  {} {} {}  {}  {reason}",
        decision.outcome.as_str(),
        assessment.verdict.as_str(),
        assessment.class.as_str(),
        write.operation,
        resource_name(write),
        object_name(write),
        write.user.name.escape_debug(),
    ))
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
