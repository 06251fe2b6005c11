//! `driftwall sources`: the status of a running server's sources.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use anstyle::{AnsiColor, Effects, Style};
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::applications;
use super::client::Client;
use super::output::print;
use super::values::server_address;
use driftwall_core::desired::short_commit;

#[derive(Args, Debug)]
pub(super) struct Sources {
    /// Address of the server's admin port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = server_address)]
    admin: SocketAddr,
    /// Output format
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

/// What the admin port says of a source. A server of another version may leave
/// fields out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SourceStatus {
    name: String,
    repo: String,
    revision: String,
    commit: String,
    objects: u64,
    age_seconds: Option<f64>,
    error: Option<String>,
    disputed_fields: Vec<String>,
    contested_objects: Vec<String>,
    skipped: Vec<Skipped>,
}

/// What of a source is not read, for one reason.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Skipped {
    message: String,
    count: usize,
    places: Vec<String>,
}

impl Sources {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { admin, output } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let page = runtime.block_on(Client::get(admin, "/sources"));
        let page = page.with_context(|| format!("failed to ask the admin port {admin}"))?;
        let sources: Vec<SourceStatus> = serde_json::from_slice(&page)
            .map_err(|_| anyhow!("failed to read the answer of {admin}: is that driftwall's admin port?"))?;
        // A server of another version may know nothing of applications.
        let found = runtime.block_on(Client::get(admin, "/applications")).ok();
        let found: Value = found.and_then(|page| serde_json::from_slice(&page).ok()).unwrap_or_default();
        match output {
            Format::Json => print(format_args!("{:#}", all_as_json(&page, &found)?))?,
            Format::Text => {
                let mut table = Vec::new();
                write_table(&mut table, &sources)?;
                applications::print(&mut table, &found)?;
                print(String::from_utf8_lossy(&table).trim_end())?;
            }
        }
        let all_healthy = sources.iter().all(|source| source.error.is_none() && !source.commit.is_empty());
        Ok(if all_healthy { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

/// Sources and applications in one array, each with its grade.
fn all_as_json(sources: &[u8], found: &Value) -> anyhow::Result<Value> {
    let mut all: Vec<Value> = serde_json::from_slice(sources)?;
    for source in all.iter_mut().filter_map(Value::as_object_mut) {
        source.insert("grade".to_owned(), "git".into());
    }
    all.extend(found["applications"].as_array().into_iter().flatten().cloned());
    Ok(Value::Array(all))
}

fn write_table(out: &mut impl Write, sources: &[SourceStatus]) -> io::Result<()> {
    let mut rows = vec![["NAME", "REVISION", "COMMIT", "SYNCED", "OBJECTS", "REPO"].map(str::to_owned)];
    for source in sources {
        let synced = source.age_seconds.map_or("never".to_owned(), |age| format!("{age:.0}s ago"));
        let commit = if source.commit.is_empty() { "none" } else { short_commit(&source.commit) }.to_owned();
        let objects = source.objects.to_string();
        rows.push([source.name.clone(), source.revision.clone(), commit, synced, objects, source.repo.clone()]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    for (index, row) in rows.iter().enumerate() {
        let is_header = index == 0;
        let style = if is_header { Style::new().effects(Effects::BOLD) } else { Style::new() };
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{style}{}{style:#}", cells.join("  ").trim_end())?;
        if !is_header {
            write_problems(out, &sources[index - 1])?;
        }
    }
    Ok(())
}

fn write_problems(out: &mut impl Write, source: &SourceStatus) -> io::Result<()> {
    let (red, yellow) = (AnsiColor::Red.on_default(), AnsiColor::Yellow.on_default());
    if let Some(error) = &source.error {
        writeln!(out, "  {red}error{red:#}  {error}")?;
    }
    for object in &source.contested_objects {
        writeln!(out, "  {yellow}contested{yellow:#} {object}")?;
    }
    for field in &source.disputed_fields {
        writeln!(out, "  {yellow}disputed{yellow:#}  a GitOps tool writes another value to {field}")?;
    }
    for Skipped { message, count, places } in &source.skipped {
        writeln!(out, "  {yellow}skipped{yellow:#}   {count}: {message}")?;
        for place in places {
            writeln!(out, "            {place}")?;
        }
        let others = count.saturating_sub(places.len());
        if others > 0 {
            writeln!(out, "            and {others} more")?;
        }
    }
    Ok(())
}
