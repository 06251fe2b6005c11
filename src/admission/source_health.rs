//! The health of a source, as probes, metrics and the admin port report it.

use crate::source::SourceStatus;
use crate::telemetry::{SkippedHealth, SourceHealth};

pub(super) fn source_health(status: SourceStatus) -> SourceHealth {
    let SourceStatus { name, repo, revision, commit, objects, age, polls, error, .. } = status;
    let (disputed_fields, contested_objects) = (status.disputed_fields, status.contested_objects);
    let skipped = status.skipped.iter().map(|(reason, places)| SkippedHealth::new(reason, places)).collect();
    SourceHealth {
        name,
        repo,
        revision,
        commit: commit.unwrap_or_default(),
        objects,
        age,
        polls,
        error,
        disputed_fields,
        contested_objects,
        skipped,
    }
}
