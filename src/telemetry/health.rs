//! The health of the sources, as probes, metrics and the admin port report it.

use std::time::Duration;

use driftwall_core::drift_memory::Recurrence;
use driftwall_core::skipped::{SkipReason, SkippedPlaces};
use serde::{Deserialize, Serialize, Serializer};

/// What probes and metrics ask of the program.
pub trait Health: Send + Sync + 'static {
    /// Names of the sources that readiness waits for; the program is ready when there are none.
    fn waiting_sources(&self) -> Vec<String>;
    /// The health of every source.
    fn sources(&self) -> Vec<SourceHealth>;
    /// What the mirror of each repository on a server takes on the disk.
    fn mirrors(&self) -> Vec<MirrorHealth>;
    /// The applications of GitOps tools that were found, and how the watches stand by which they are.
    fn applications(&self) -> DiscoveryHealth {
        DiscoveryHealth::default()
    }
    /// What came of the writes of GitOps tools that are to be compared with the sources.
    fn self_checks(&self) -> SelfCheckCounts {
        SelfCheckCounts::default()
    }
    /// Who drifts what, since the start; nobody, where no reviews are answered.
    fn recurring_drift(&self) -> RecurringDrift {
        RecurringDrift::default()
    }
}

/// How many writes of GitOps tools were compared with the sources, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelfCheckCounts {
    /// Compared.
    pub compared: u64,
    /// Left out: the same was compared before, by the same commits.
    pub repeated: u64,
    /// Left out for want of room or time.
    pub skipped: u64,
}

/// The health of a program that follows no source.
#[derive(Debug)]
pub struct NoSources;

impl Health for NoSources {
    fn waiting_sources(&self) -> Vec<String> {
        Vec::new()
    }

    fn sources(&self) -> Vec<SourceHealth> {
        Vec::new()
    }

    fn mirrors(&self) -> Vec<MirrorHealth> {
        Vec::new()
    }
}

/// The applications of GitOps tools that were found.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryHealth {
    /// All of them, in the order of their names.
    pub applications: Vec<ApplicationHealth>,
    /// The watches: what is watched, and whether all that there is was seen.
    pub watches: Vec<WatchHealth>,
}

/// How a watch stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchHealth {
    /// The resource that is watched.
    pub name: String,
    /// Whether all that there is was seen once.
    pub is_in_step: bool,
    /// Why nothing new is seen.
    pub error: Option<String>,
}

/// An application, as the metrics and the admin port show it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationHealth {
    /// Kind, namespace and name.
    pub name: String,
    /// The tool.
    pub tool: &'static str,
    /// What is known of what it declares: `applied`, or `none` where it deploys to another cluster.
    pub grade: &'static str,
    /// Why it is no better grade.
    pub grade_reason: String,
    /// Argo CD's project.
    pub project: Option<String>,
    /// The other cluster that it deploys to.
    pub other_cluster: Option<String>,
    /// The repository or registry, without credentials; empty where it is not known.
    pub repo: String,
    /// The branch, tag or range that it follows.
    pub revision: String,
    /// The revision that was applied last; empty before the first.
    pub applied_revision: String,
    /// The newest revision that the tool knows.
    pub newest_revision: String,
    /// How many objects it lists.
    pub objects: usize,
    /// The tool's own word for how it stands.
    pub sync_status: String,
    /// Why, in the tool's words.
    pub sync_message: String,
    /// Whether the tool applies new revisions by itself.
    pub is_automatic: bool,
    /// Whether somebody told the tool to leave it alone.
    pub is_paused: bool,
    /// The service accounts that are exempt for its objects, each as `NAMESPACE/NAME`.
    pub accounts: Vec<String>,
    /// What of it is not understood, so that it is less protected.
    pub notes: Vec<String>,
}

/// Who drifts what.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct RecurringDrift {
    /// The most frequent first.
    pub drift: Vec<Recurrence>,
    /// The presets in use.
    #[serde(default)]
    pub presets: Vec<String>,
    /// How often drift was seen that is not among it, since there was no room.
    pub forgotten: u64,
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
