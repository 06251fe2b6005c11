//! The story on the terminal, as kubectl and the API server would print it.

use anstream::println;
use anstyle::{AnsiColor, Effects, Style};
use serde_json::Value;

use super::stage::Stage;

/// The webhook's name, which the API server puts before a denial.
const WEBHOOK: &str = "writes.driftwall.io";

const BOLD: Style = Style::new().effects(Effects::BOLD);
const DIM: Style = Style::new().effects(Effects::DIMMED);
const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

pub(super) fn opening(stage: &Stage) {
    println!("{BOLD}Git declares the Deployment prod/python-app-prod with replicas: 3.{BOLD:#}");
    println!("{DIM}repository  {}, branch main", stage.repository().display());
    println!("server      https://{}/validate{DIM:#}", stage.webhook);
}

pub(super) fn chapter(mode: &str, what: &str) {
    println!("\n{BOLD}mode: {mode}{BOLD:#}  {DIM}{what}{DIM:#}");
}

/// A person's command, and what they see.
pub(super) fn command(command: &str, response: &Value) {
    println!("\n{BOLD}$ {command}{BOLD:#}");
    let status = &response["status"];
    for warning in response["warnings"].as_array().into_iter().flatten() {
        println!("{YELLOW}Warning:{YELLOW:#} {}", text(warning));
    }
    if response["allowed"] == true {
        println!("{GREEN}allowed{GREEN:#}{}", notes(response));
    } else {
        let (reason, message) = (text(&status["reason"]), text(&status["message"]));
        println!(
            "{RED}Error from server ({reason}):{RED:#} admission webhook \"{WEBHOOK}\" denied the request: {message}"
        );
    }
}

/// A controller's work.
pub(super) fn event(what: &str, response: &Value) {
    let (style, answer) = if response["allowed"] == true { (GREEN, "allowed") } else { (RED, "denied") };
    println!("\n{BOLD}# {what}{BOLD:#}\n{style}{answer}{style:#}{}", notes(response));
}

/// A command that driftwall has no part in.
pub(super) fn done(command: &str, output: &str) {
    println!("\n{BOLD}$ {command}{BOLD:#}\n{output}");
}

/// What the server counted meanwhile.
pub(super) fn counted(metrics: &str) {
    println!("\n{BOLD}counted{BOLD:#}  {DIM}at /metrics{DIM:#}");
    for line in metrics.lines().filter(|line| line.starts_with("driftwall_reviews_total{")) {
        println!("{line}");
    }
}

/// The audit annotations, under the keys that the API server gives them.
fn notes(response: &Value) -> String {
    let notes = response["auditAnnotations"].as_object().into_iter().flatten();
    let notes: Vec<_> = notes.map(|(key, value)| format!("{WEBHOOK}/{key}={}", text(value))).collect();
    if notes.is_empty() { String::new() } else { format!("   {DIM}{}{DIM:#}", notes.join(" ")) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
