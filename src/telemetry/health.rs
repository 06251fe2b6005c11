//! The health of the sources, as probes, metrics and the admin port report it.

use std::time::Duration;

use driftwall_core::skipped::{SkipReason, SkippedPlaces};
use serde::{Serialize, Serializer};

/// What probes and metrics ask of the program.
pub trait Health: Send + Sync + 'static {
    /// Names of the sources that readiness waits for; the program is ready when there are none.
    fn waiting_sources(&self) -> Vec<String>;
    /// The health of every source.
    fn sources(&self) -> Vec<SourceHealth>;
    /// What the mirror of each repository on a server takes on the disk.
    fn mirrors(&self) -> Vec<MirrorHealth>;
}

/// What the mirror of one repository takes on the disk.
#[derive(Clone, Debug)]
pub struct MirrorHealth {
    /// The repository, without credentials.
    pub repo: String,
    /// Bytes on the disk.
    pub bytes: u64,
}

/// The health of one source, as the metrics and the admin port show it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceHealth {
    /// The source's name in the configuration.
    pub name: String,
    /// The repository, without credentials.
    pub repo: String,
    /// The configured branch or tag.
    pub revision: String,
    /// The commit in force; empty while there is none.
    pub commit: String,
    /// How many objects it declares.
    pub objects: usize,
    /// Time since the last successful sync; none if there was none yet. Serialized in seconds.
    #[serde(serialize_with = "seconds", rename = "ageSeconds")]
    pub age: Option<Duration>,
    /// How often the source was polled.
    pub polls: u64,
    /// Why the last sync failed, or the newest commit is not in force.
    pub error: Option<String>,
    /// Fields of objects to which a GitOps tool gives another value than driftwall
    /// reads from Git: drift there is warned about, never denied.
    pub disputed_fields: Vec<String>,
    /// Objects that another declaration of the same priority contradicts: drift there
    /// is warned about, never denied.
    pub contested_objects: Vec<String>,
    /// What of the commit is not read.
    pub skipped: Vec<SkippedHealth>,
}

/// What of a source is not read, for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct SkippedHealth {
    /// The reason, as the metric names it.
    pub reason: &'static str,
    /// The reason in words, and what to do about it.
    pub message: &'static str,
    /// How often.
    pub count: usize,
    /// The first files, with their lines.
    pub places: Vec<String>,
}

impl SkippedHealth {
    /// What is not read for a reason.
    pub fn new(reason: SkipReason, places: &SkippedPlaces) -> Self {
        let SkippedPlaces { count, first } = places;
        let places = first.iter().map(ToString::to_string).collect();
        Self { reason: reason.as_str(), message: reason.message(), count: *count, places }
    }
}

#[allow(clippy::ref_option, reason = "serde passes the field by reference")]
fn seconds<S: Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    age.map(|age| age.as_secs_f64()).serialize(to)
}
