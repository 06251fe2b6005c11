//! How the program is, as the probes, the metrics and the admin port tell it.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// What the probes and the metrics ask of the owner.
pub trait Health: Send + Sync + 'static {
    /// Names of the sources that have no snapshot yet; ready when empty.
    fn waiting(&self) -> Vec<String>;
    /// The state of every source.
    fn sources(&self) -> Vec<SourceHealth>;
}

/// The state of one source, as the metrics and the admin port show it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceHealth {
    /// The source's name in the configuration.
    pub name: String,
    /// The repository, without credentials.
    pub repo: String,
    /// The branch or tag that is followed.
    pub revision: String,
    /// The commit in force; empty where there is none yet.
    pub commit: String,
    /// How many objects it holds.
    pub objects: usize,
    /// Seconds since the last successful look; none where there was none yet.
    #[serde(serialize_with = "seconds", rename = "ageSeconds")]
    pub age: Option<Duration>,
    /// How often the source was looked at.
    pub looks: u64,
    /// Why the newest look or commit is not in force.
    pub error: Option<String>,
    /// Fields of objects that Git's own hand writes otherwise than the snapshot
    /// has them: denials there are warnings.
    pub doubts: Vec<String>,
}

fn seconds<S: Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    age.map(|age| age.as_secs_f64()).serialize(to)
}
