//! The configuration and what Git declares, read once for the commands that need no server.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::output::tell;
use crate::config::Config;
use crate::source;
use driftwall_core::desired::Snapshot;

/// Reads a configuration; what is to be noted of it is told.
pub(super) fn read_config(file: &Path) -> anyhow::Result<Config> {
    let config = Config::read(file)?;
    for note in &config.notes {
        tell(format_args!("driftwall: {}:{note}", file.display()));
    }
    Ok(config)
}

/// Reads every source once.
pub(super) fn load_snapshot(config: &Config) -> anyhow::Result<Snapshot> {
    source::render::set_parallel(config.render_parallel);
    let mut contents = Vec::new();
    for spec in &config.sources {
        let cancel = Arc::default();
        let loaded = source::latest_commit(spec, &cancel).and_then(|commit| source::load(spec, &commit, None, &cancel));
        let loaded = loaded.with_context(|| format!("failed to read the source {}", spec.name))?;
        for (reason, places) in loaded.contents.skipped.iter() {
            let (count, names, advice) = (places.count, places.names().join(", "), reason.message());
            tell(format_args!("driftwall: source {}: {count} skipped: {names}: {advice}", spec.name));
        }
        contents.push(loaded.contents);
    }
    let snapshot = Snapshot::new(contents);
    for contest in snapshot.contests() {
        tell(format_args!("driftwall: {contest}; it is warned about, never denied"));
    }
    Ok(snapshot)
}
