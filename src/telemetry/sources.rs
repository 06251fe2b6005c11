//! The metrics of the sources, read at the time of a scrape.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::health::{MirrorHealth, SkippedHealth, SourceHealth};
use super::labels::{SkippedLabels, SourceInfoLabels, SourceLabel};

/// Registers what is known of each source, and the mirrors of their repositories.
pub(super) fn register_sources(registry: &mut Registry, sources: Vec<SourceHealth>, mirrors: Vec<MirrorHealth>) {
    let last_sync = Family::<SourceLabel, Gauge<f64, AtomicU64>>::default();
    let polls = Family::<SourceLabel, Counter>::default();
    let disputed_fields = Family::<SourceLabel, Gauge>::default();
    let contested_objects = Family::<SourceLabel, Gauge>::default();
    let objects = Family::<SourceLabel, Gauge>::default();
    let info = Family::<SourceInfoLabels, Gauge>::default();
    let failing = Family::<SourceLabel, Gauge>::default();
    let skipped = Family::<SkippedLabels, Gauge>::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The first source that reads a repository.
    let mut readers = HashMap::new();
    for source in sources {
        readers.entry(source.repo.clone()).or_insert_with(|| source.name.clone());
        let label = SourceLabel { source: source.name.clone() };
        last_sync.get_or_create(&label).set(source.age.map_or(0.0, |age| unix_time_of(now, age)));
        polls.get_or_create(&label).inc_by(source.polls);
        disputed_fields.get_or_create(&label).set(count(source.disputed_fields.len()));
        contested_objects.get_or_create(&label).set(count(source.contested_objects.len()));
        objects.get_or_create(&label).set(count(source.objects));
        failing.get_or_create(&label).set(i64::from(source.error.is_some()));
        for SkippedHealth { reason, count: skips, .. } in source.skipped {
            let labels = SkippedLabels { source: source.name.clone(), reason };
            skipped.get_or_create(&labels).set(count(skips));
        }
        let labels = SourceInfoLabels { source: source.name, revision: source.revision, commit: source.commit };
        info.get_or_create(&labels).set(1);
    }
    registry.register(
        "source_last_sync_timestamp_seconds",
        "When the last successful sync of the source was, in Unix time; 0 before the first",
        last_sync,
    );
    registry.register("source_polls", "Times the source was polled", polls);
    registry.register("source_disputed_fields", "Fields to which a GitOps tool gives another value", disputed_fields);
    registry.register(
        "source_contested_objects",
        "Objects that another declaration of the same priority contradicts; drift there is warned about at most",
        contested_objects,
    );
    registry.register("source_skipped", "Files, folders and documents of the source that are not read", skipped);
    registry.register("source_objects", "Objects that the source declares", objects);
    registry.register("source_info", "The commit in force", info);
    registry.register("source_failing", "1 if the last sync of the source failed", failing);
    let mirror_bytes = Family::<SourceLabel, Gauge>::default();
    for MirrorHealth { repo, bytes } in mirrors {
        // Every pod may read this, so no repository is named.
        let source = readers.get(&repo).cloned().unwrap_or_default();
        // Fetched with different credentials, a repository has several.
        mirror_bytes.get_or_create(&SourceLabel { source }).inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    registry.register("mirror_bytes", "Bytes that the mirror of a repository takes on the disk", mirror_bytes);
}

/// The Unix time so long before another, in seconds. To tenths, since an age is a little older at the end of
/// a scrape than at its beginning, and a time that did not change must not seem to.
fn unix_time_of(now: Duration, age: Duration) -> f64 {
    (now.saturating_sub(age).as_secs_f64() * 10.0).round() / 10.0
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}
