//! `driftwall config`: what a configuration may say, and whether a file can be used.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::FAILED;
use super::output::{print, tell};
use super::snapshot::load_snapshot;
use crate::config::{Config as Configuration, json_schema};

#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a configuration file can be used, and what is wrong with it otherwise
    Check {
        /// The configuration
        file: PathBuf,
        /// Read the sources too, and tell which rules match nothing that they declare
        #[arg(long)]
        sources: bool,
    },
    /// Print the JSON Schema of the configuration, for editors and pipelines
    Schema,
    /// Print what driftwall knows of other programs: protected keys, hand-overs, runtime annotations, presets
    Tables,
}

impl Config {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Check { file, sources: reads_sources } => {
                let config = match Configuration::read(&file) {
                    Ok(config) => config,
                    Err(error) => {
                        for line in error.lines() {
                            tell(line);
                        }
                        return Ok(ExitCode::from(FAILED));
                    }
                };
                for note in &config.notes {
                    tell(format_args!("{}:{note}", file.display()));
                }
                if reads_sources {
                    tell_unmatched_rules(&config, &file)?;
                }
                let mode = config.policy.mode.as_str();
                let (sources, presets) = (config.sources.len(), config.presets.len());
                let (sources, presets) = (counted(sources, "source"), counted(presets, "preset"));
                print(format_args!("{} can be used: mode {mode}, {sources}, {presets}", file.display()))?;
            }
            Command::Schema => print(format_args!("{:#}", json_schema()))?,
            Command::Tables => print(super::tables::tables().trim_end())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn tell_unmatched_rules(config: &Configuration, file: &Path) -> anyhow::Result<()> {
    let snapshot = load_snapshot(config)?;
    if !config.discovery.is_off() {
        tell("driftwall: what Argo CD and Flux deploy is known in the cluster only: there the log names such rules");
        return Ok(());
    }
    for problem in config.unmatched_rules(&snapshot) {
        tell(format_args!("{}:{problem}", file.display()));
    }
    Ok(())
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
