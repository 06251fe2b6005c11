//! The demo on the terminal, as kubectl and the API server would print it.

use anstyle::{AnsiColor, Effects, Style};
use serde_json::Value;

use super::cluster::DemoCluster;
use crate::cli::output::{OutputError, print};

/// The webhook's name, which the API server prints before a denial.
const WEBHOOK: &str = "writes.driftwall.io";

const BOLD: Style = Style::new().effects(Effects::BOLD);
const DIM: Style = Style::new().effects(Effects::DIMMED);
const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

pub(super) fn opening(cluster: &DemoCluster) -> Result<(), OutputError> {
    print(format_args!("{BOLD}Git declares the Deployment prod/python-app-prod with replicas: 3.{BOLD:#}"))?;
    print(format_args!("{DIM}repository  {}, branch main", cluster.repository().display()))?;
    print(format_args!("server      https://{}/validate{DIM:#}", cluster.webhook))
}

pub(super) fn chapter(mode: &str, title: &str) -> Result<(), OutputError> {
    print(format_args!("\n{BOLD}mode: {mode}{BOLD:#}  {DIM}{title}{DIM:#}"))
}

/// A user's command, and its output.
pub(super) fn command(command: &str, response: &Value) -> Result<(), OutputError> {
    print(format_args!("\n{BOLD}$ {command}{BOLD:#}"))?;
    let status = &response["status"];
    for warning in response["warnings"].as_array().into_iter().flatten() {
        print(format_args!("{YELLOW}Warning:{YELLOW:#} {}", text(warning)))?;
    }
    if response["allowed"] == true {
        print(format_args!("{GREEN}allowed{GREEN:#}{}", annotations(response)))
    } else {
        let (reason, message) = (text(&status["reason"]), text(&status["message"]));
        print(format_args!(
            "{RED}Error from server ({reason}):{RED:#} admission webhook \"{WEBHOOK}\" denied the request: {message}"
        ))
    }
}

/// What a controller does, and the answer that it gets.
pub(super) fn event(description: &str, response: &Value) -> Result<(), OutputError> {
    let (style, answer) = if response["allowed"] == true { (GREEN, "allowed") } else { (RED, "denied") };
    print(format_args!("\n{BOLD}# {description}{BOLD:#}\n{style}{answer}{style:#}{}", annotations(response)))
}

/// A command that driftwall is not asked about.
pub(super) fn done(command: &str, output: &str) -> Result<(), OutputError> {
    print(format_args!("\n{BOLD}$ {command}{BOLD:#}\n{output}"))
}

/// The reviews by verdict, as the server counted them.
pub(super) fn counters(metrics: &str) -> Result<(), OutputError> {
    print(format_args!("\n{BOLD}The same as metrics{BOLD:#}  {DIM}on the admin port, /metrics{DIM:#}"))?;
    let reviews = metrics.lines().filter(|line| line.starts_with("driftwall_reviews_total{"));
    // Some series are there before their first review.
    for line in reviews.filter(|line| !line.ends_with(" 0")) {
        print(line)?;
    }
    Ok(())
}

/// The audit annotations, under the keys that the API server gives them.
fn annotations(response: &Value) -> String {
    let annotations = response["auditAnnotations"].as_object().into_iter().flatten();
    let texts: Vec<_> = annotations.map(|(key, value)| format!("{WEBHOOK}/{key}={}", text(value))).collect();
    if texts.is_empty() { String::new() } else { format!("   {DIM}{}{DIM:#}", texts.join(" ")) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
