//! The applications of GitOps tools that a running server has found, as a table.

use std::io::Write;

use anstyle::{AnsiColor, Effects, Style};
use serde::Deserialize;
use serde_json::Value;

/// What the admin port says. A server of another version may leave fields out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Found {
    applications: Vec<Application>,
    watches: Vec<Watch>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Application {
    name: String,
    grade: String,
    grade_reason: String,
    other_cluster: Option<String>,
    applied_revision: String,
    newest_revision: String,
    objects: u64,
    sync_status: String,
    sync_message: String,
    is_automatic: bool,
    is_paused: bool,
    notes: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Watch {
    name: String,
    is_in_step: bool,
    error: Option<String>,
}

/// Characters of a revision that are shown.
const MAX_REVISION: usize = 24;

/// Prints what was found; nothing, where nothing is looked for.
pub(super) fn print(out: &mut impl Write, found: &Value) -> std::io::Result<()> {
    let Found { applications, watches } = Found::deserialize(found).unwrap_or_default();
    if watches.is_empty() {
        return Ok(());
    }
    let mut rows = vec![["APPLICATION", "GRADE", "APPLIED", "NEWEST", "OBJECTS", "SYNC"].map(str::to_owned)];
    for application in &applications {
        let Application { name, grade, applied_revision, newest_revision, objects, .. } = application;
        let [applied, newest] = [applied_revision, newest_revision].map(|revision| shown(revision));
        rows.push([name.clone(), grade.clone(), applied, newest, objects.to_string(), sync(application)]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    writeln!(out)?;
    for (index, row) in rows.iter().enumerate() {
        let style = if index == 0 { Style::new().effects(Effects::BOLD) } else { Style::new() };
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{style}{}{style:#}", cells.join("  ").trim_end())?;
        if index > 0 {
            print_notes(out, &applications[index - 1])?;
        }
    }
    let (red, yellow) = (AnsiColor::Red.on_default(), AnsiColor::Yellow.on_default());
    for Watch { name, is_in_step, error } in &watches {
        match error {
            Some(error) => writeln!(out, "  {red}error{red:#}  {name}: {error}")?,
            None if !is_in_step => writeln!(out, "  {yellow}reading{yellow:#} {name}")?,
            None => {}
        }
    }
    Ok(())
}

fn print_notes(out: &mut impl Write, application: &Application) -> std::io::Result<()> {
    let yellow = AnsiColor::Yellow.on_default();
    let Application { grade, grade_reason, other_cluster, sync_message, notes, .. } = application;
    if grade != "applied" {
        let cluster = other_cluster.as_ref().map(|cluster| format!(" ({cluster})")).unwrap_or_default();
        writeln!(out, "  {yellow}not compared{yellow:#}  {grade_reason}{cluster}")?;
    }
    if !sync_message.is_empty() && application.sync_status != "Ready" {
        writeln!(out, "  {yellow}tool{yellow:#}  {sync_message}")?;
    }
    for note in notes {
        writeln!(out, "  {yellow}not understood{yellow:#}  {note}")?;
    }
    Ok(())
}

fn sync(application: &Application) -> String {
    let mut words = vec![application.sync_status.as_str()];
    if application.is_paused {
        words.push("paused");
    } else if !application.is_automatic {
        words.push("manual");
    }
    words.retain(|word| !word.is_empty());
    words.join(", ")
}

/// A revision as short as it can be told from others.
fn shown(revision: &str) -> String {
    let is_commit = revision.len() >= 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let limit = if is_commit { 7 } else { MAX_REVISION };
    match revision.char_indices().nth(limit) {
        Some((end, _)) => revision[..end].to_owned(),
        None => revision.to_owned(),
    }
}
