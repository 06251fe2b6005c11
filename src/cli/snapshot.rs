//! What Git declares, read once for the commands that need no server.

use std::sync::Arc;

use anyhow::Context as _;

use crate::config::Config;
use crate::source;
use driftwall_core::desired::Snapshot;

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
            anstream::eprintln!("driftwall: source {}: {count} skipped: {names}: {advice}", spec.name);
        }
        contents.push(loaded.contents);
    }
    let snapshot = Snapshot::new(contents);
    for contest in snapshot.contests() {
        anstream::eprintln!("driftwall: {contest}; it is warned about, never denied");
    }
    Ok(snapshot)
}
