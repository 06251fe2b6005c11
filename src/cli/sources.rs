//! `driftwall sources`: how the sources of a running server stand.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anstyle::{AnsiColor, Effects, Style};
use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Failure;
use super::client::Client;

#[derive(Args, Debug)]
pub(super) struct Sources {
    /// The server's admin port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    admin: SocketAddr,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A JSON array
    Json,
    /// A table
    Text,
}

impl Sources {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { admin, output } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let page = runtime.block_on(Client::get(admin, "/sources"));
        let page = page.map_err(|error| format!("failed to ask the admin port {admin}: {error}"))?;
        let sources: Vec<Value> = serde_json::from_slice(&page)?;
        let mut out = anstream::stdout();
        match output {
            Format::Json => writeln!(out, "{:#}", Value::from(sources.clone()))?,
            Format::Text => table(&mut out, &sources)?,
        }
        let is_well = |source: &Value| source["error"].is_null() && source["commit"] != "";
        Ok(if sources.iter().all(is_well) { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn table(out: &mut impl std::io::Write, sources: &[Value]) -> std::io::Result<()> {
    let text = |source: &Value, field: &str| source[field].as_str().unwrap_or_default().to_owned();
    let rows = sources.iter().map(|source| {
        let age = source["ageSeconds"].as_f64().map_or("never".to_owned(), |age| format!("{age:.0}s"));
        let commit = text(source, "commit");
        let commit = commit.get(..7).unwrap_or("none").to_owned();
        [
            text(source, "name"),
            text(source, "revision"),
            commit,
            age,
            source["objects"].to_string(),
            text(source, "repo"),
        ]
    });
    let titles = ["NAME", "REVISION", "COMMIT", "SEEN", "OBJECTS", "REPO"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    for (number, row) in rows.iter().enumerate() {
        let style = if number == 0 { Style::new().effects(Effects::BOLD) } else { Style::new() };
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{style}{}{style:#}", cells.join("  ").trim_end())?;
        let Some(source) = number.checked_sub(1).and_then(|index| sources.get(index)) else { continue };
        let (red, yellow) = (AnsiColor::Red.on_default(), AnsiColor::Yellow.on_default());
        if let Some(error) = source["error"].as_str() {
            writeln!(out, "  {red}error{red:#}  {error}")?;
        }
        for doubt in source["disputedFields"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            writeln!(out, "  {yellow}doubt{yellow:#}  Git's own hand writes {doubt} otherwise")?;
        }
    }
    Ok(())
}
