//! Break-glass: in an emergency, drift of some objects by some people is allowed
//! for a while.
//!
//! A `BreakGlass` is an object of the cluster, so the right to create one is a right
//! like others, and the API server's audit log says who did. Whether one is valid
//! depends on the object alone: its duration counts from the time at which the API
//! server says that it was created, so that the limit holds also where a write to
//! it was never reviewed.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::assessment::{Assessment, Violation};
use crate::admission::{User, Write};

/// The API group of driftwall's own kinds.
pub const BREAK_GLASS_GROUP: &str = "driftwall.io";
/// The version of `BreakGlass`.
pub const BREAK_GLASS_VERSION: &str = "v1alpha1";
/// The plural of `BreakGlass`.
pub const BREAK_GLASS_PLURAL: &str = "breakglasses";

/// All valid `BreakGlass` objects. Some may have expired: see [`Self::covering`].
#[derive(Debug, Default)]
pub struct BreakGlasses {
    /// driftwall's own namespace: a `BreakGlass` there covers objects without a namespace.
    pub driftwall_namespace: String,
    /// Each of them.
    pub break_glasses: Vec<BreakGlass>,
}

/// A valid `BreakGlass`.
#[derive(Debug)]
pub struct BreakGlass {
    /// Its namespace, and that of the objects that it covers.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it was created, in the creator's words.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
    /// Patterns for kind and name of the objects.
    objects: Vec<(GlobMatcher, GlobMatcher)>,
    users: Vec<String>,
    groups: Vec<String>,
}

/// Why a `BreakGlass` is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakGlassError {
    /// It was changed after its creation.
    #[error("a BreakGlass cannot be changed: delete it and create another one")]
    Changed,
    /// A part of it has the wrong type.
    #[error("{0}")]
    Malformed(String),
    /// It has no `reason`.
    #[error("it is missing: say why, for those who read it later")]
    NoReason,
    /// It has no `until`.
    #[error("it is missing: say when it ends, such as {0}")]
    NoUntil(Timestamp),
    /// It covers no object.
    #[error("it names no object: give kinds and names, such as {{kind: Deployment, name: web-*}}")]
    NoObjects,
    /// It is for nobody.
    #[error("it names nobody: give users or groups")]
    NoUsers,
    /// It would have ended before it was created.
    #[error("{0} is in the past")]
    Past(Timestamp),
    /// A kind or name is not a pattern.
    #[error("`{0}` is not a valid pattern for names")]
    Pattern(String),
    /// `until` is not a time.
    #[error("`{0}` is not a time: write one such as {1}")]
    Time(String, Timestamp),
    /// It lasts too long.
    #[error("{until} is too far ahead: {latest} is the latest")]
    TooLong {
        /// The end that it has.
        until: Timestamp,
        /// The latest that it may have.
        latest: Timestamp,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    objects: Option<Vec<ObjectPattern>>,
    users: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    reason: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
struct ObjectPattern {
    kind: Option<String>,
    name: Option<String>,
}

impl BreakGlassError {
    /// The field that is not valid.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Changed | Self::Malformed(_) => "spec",
            Self::NoObjects | Self::Pattern(_) => "spec.objects",
            Self::NoReason => "spec.reason",
            Self::NoUntil(_) | Self::Past(_) | Self::Time(..) | Self::TooLong { .. } => "spec.until",
            Self::NoUsers => "spec.users",
        }
    }
}

impl BreakGlass {
    /// Reads a `BreakGlass` that was created at `created`, and may last `max_duration`.
    pub fn parse(object: &Value, created: Timestamp, max_duration: Duration) -> Result<Self, BreakGlassError> {
        let spec = match &object["spec"] {
            Value::Null => Spec::default(),
            spec => Spec::deserialize(spec).map_err(|error| BreakGlassError::Malformed(error.to_string()))?,
        };
        let reason = spec.reason.filter(|reason| !reason.trim().is_empty()).ok_or(BreakGlassError::NoReason)?;
        let (users, groups) = (without_empty(spec.users), without_empty(spec.groups));
        if users.is_empty() && groups.is_empty() {
            return Err(BreakGlassError::NoUsers);
        }
        let mut objects = Vec::new();
        for ObjectPattern { kind, name } in spec.objects.unwrap_or_default() {
            objects.push((name_pattern(kind)?, name_pattern(name)?));
        }
        if objects.is_empty() {
            return Err(BreakGlassError::NoObjects);
        }
        let latest = latest_end(created, max_duration);
        let until = spec.until.ok_or(BreakGlassError::NoUntil(latest))?;
        let until: Timestamp = until.parse().map_err(|_| BreakGlassError::Time(until, latest))?;
        // Compared by the second: a creation time has no fractions of one.
        if until.as_second() > latest.as_second() {
            return Err(BreakGlassError::TooLong { until, latest });
        }
        let metadata = &object["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
        Ok(Self { namespace: text("namespace"), name: text("name"), reason, until, objects, users, groups })
    }

    /// Reads one that is stored: the API server says when it was created.
    pub fn from_stored(object: &Value, max_duration: Duration) -> Result<Self, BreakGlassError> {
        let created = object["metadata"]["creationTimestamp"].as_str().and_then(|created| created.parse().ok());
        match created {
            Some(created) => Self::parse(object, created, max_duration),
            None => Err(BreakGlassError::Malformed("its metadata has no creationTimestamp".into())),
        }
    }

    fn is_for(&self, user: &User<'_>) -> bool {
        self.users.iter().any(|name| *name == user.name) || self.groups.iter().any(|group| user.is_in_group(group))
    }

    fn covers(&self, namespace: &str, assessment: &Assessment<'_>) -> bool {
        let names_object = |(kind, name): &(GlobMatcher, GlobMatcher)| {
            kind.is_match(&assessment.kind) && name.is_match(&assessment.name)
        };
        self.namespace == namespace && self.objects.iter().any(names_object)
    }
}

impl BreakGlasses {
    /// The `BreakGlass` that allows, at `now`, what a write was found to be.
    pub fn covering(&self, write: &Write<'_>, assessment: &Assessment<'_>, now: Timestamp) -> Option<&BreakGlass> {
        // A token outlasts every BreakGlass: whoever got one would be exempt for as long as it is valid.
        if !assessment.is_reportable()
            || matches!(assessment.violation, Violation::ExemptToken { .. } | Violation::RunAsExempt { .. })
        {
            return None;
        }
        let namespace = break_glass_namespace(write, &assessment.kind, &self.driftwall_namespace);
        self.break_glasses.iter().find(|break_glass| {
            now < break_glass.until && break_glass.covers(namespace, assessment) && break_glass.is_for(&write.user)
        })
    }
}

/// The namespace of a `BreakGlass` that covers an object: the object's own, or
/// driftwall's for an object that has none.
pub(crate) fn break_glass_namespace<'a>(write: &'a Write<'_>, kind: &str, driftwall_namespace: &'a str) -> &'a str {
    // A Namespace is reviewed as if it were inside itself.
    let is_namespace = write.resource.group.is_empty() && kind == "Namespace";
    if write.namespace.is_empty() || is_namespace { driftwall_namespace } else { &write.namespace }
}

/// The latest end that a `BreakGlass` may have.
fn latest_end(created: Timestamp, max_duration: Duration) -> Timestamp {
    match SignedDuration::try_from(max_duration) {
        Ok(max_duration) => created.checked_add(max_duration).unwrap_or(Timestamp::MAX),
        Err(_) => Timestamp::MAX,
    }
}

fn without_empty(names: Option<Vec<String>>) -> Vec<String> {
    let mut names = names.unwrap_or_default();
    names.retain(|name| !name.is_empty());
    names
}

/// A pattern for kinds or names; kinds may be written as kubectl takes them.
/// None matches everything.
fn name_pattern(pattern: Option<String>) -> Result<GlobMatcher, BreakGlassError> {
    let pattern = pattern.filter(|pattern| !pattern.is_empty()).unwrap_or_else(|| "*".to_owned());
    match GlobBuilder::new(&pattern).case_insensitive(true).build() {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(_) => Err(BreakGlassError::Pattern(pattern)),
    }
}
