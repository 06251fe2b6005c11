//! Broken glass: in an emergency, drift of some objects by some people passes for a while.
//!
//! A `BreakGlass` is an object of the cluster, so the right to create one is a right
//! like others, and the API server's audit log says who did. Whether one counts is
//! told from the object alone: from the time at which the API server says that it was
//! made, so that it holds also where a write to it was never reviewed.

use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::evaluation::{Assessment, Violation};
use crate::admission::{User, Write};

/// The API group of driftwall's own kinds.
pub const BREAK_GLASS_GROUP: &str = "driftwall.io";
/// The version of `BreakGlass`.
pub const BREAK_GLASS_VERSION: &str = "v1alpha1";
/// The plural of `BreakGlass`.
pub const BREAK_GLASS_PLURAL: &str = "breakglasses";

/// All glass that is broken, and whose namespace is driftwall's own.
#[derive(Debug, Default)]
pub struct ActiveBreakGlasses {
    /// Driftwall's own namespace: what is broken there holds for objects without a namespace.
    pub home: String,
    /// Each of them.
    pub broken: Vec<BreakGlass>,
}

/// A `BreakGlass` that counts.
#[derive(Debug)]
pub struct BreakGlass {
    /// Its namespace, and that of the objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why, in the words of who broke it.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
    objects: Vec<(GlobMatcher, GlobMatcher)>,
    users: Vec<String>,
    groups: Vec<String>,
}

/// Why a `BreakGlass` does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakGlassError {
    /// It was changed after it was made.
    #[error("a BreakGlass is not changed: delete it, and make another one")]
    Changed,
    /// A part of it is not as it should be.
    #[error("{0}")]
    Form(String),
    /// Nobody may use it.
    #[error("it names nobody: say for whom, users or groups")]
    Nobody,
    /// It is for no object.
    #[error("it names no object: give kinds and names, such as {{kind: Deployment, name: web-*}}")]
    NoObject,
    /// Nobody would know why.
    #[error("it is missing: say why, for whoever reads it later")]
    NoReason,
    /// It would never end.
    #[error("it is missing: say when it ends, such as {0}")]
    NoEnd(Timestamp),
    /// It has ended before it began.
    #[error("{0} is past")]
    Past(Timestamp),
    /// It is not a pattern.
    #[error("`{0}` is no pattern for names")]
    Pattern(String),
    /// It is not a time.
    #[error("`{0}` is no time: write one such as {1}")]
    Time(String, Timestamp),
    /// It lasts too long.
    #[error("{until} is too far ahead: {latest} is the latest")]
    TooFar {
        /// The end that it has.
        until: Timestamp,
        /// The latest that it may have.
        latest: Timestamp,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    objects: Option<Vec<Objects>>,
    users: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    reason: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
struct Objects {
    kind: Option<String>,
    name: Option<String>,
}

impl BreakGlassError {
    /// The field that is at fault.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Changed | Self::Form(_) => "spec",
            Self::Nobody => "spec.users",
            Self::NoObject | Self::Pattern(_) => "spec.objects",
            Self::NoReason => "spec.reason",
            Self::NoEnd(_) | Self::Past(_) | Self::Time(..) | Self::TooFar { .. } => "spec.until",
        }
    }
}

impl BreakGlass {
    /// Reads a `BreakGlass` that was made at `made`, and may last `longest`.
    pub fn read(object: &Value, made: Timestamp, longest: Duration) -> Result<Self, BreakGlassError> {
        let spec = match &object["spec"] {
            Value::Null => Spec::default(),
            spec => Spec::deserialize(spec).map_err(|error| BreakGlassError::Form(error.to_string()))?,
        };
        let latest = SignedDuration::try_from(longest).ok().and_then(|longest| made.checked_add(longest).ok());
        let latest = latest.unwrap_or(Timestamp::MAX);
        let reason = spec.reason.filter(|reason| !reason.trim().is_empty()).ok_or(BreakGlassError::NoReason)?;
        let named = |names: Option<Vec<String>>| {
            let names = names.into_iter().flatten().filter(|name| !name.is_empty());
            names.collect::<Vec<_>>()
        };
        let (users, groups) = (named(spec.users), named(spec.groups));
        if users.is_empty() && groups.is_empty() {
            return Err(BreakGlassError::Nobody);
        }
        let objects = spec.objects.filter(|objects| !objects.is_empty()).ok_or(BreakGlassError::NoObject)?;
        let objects = objects.into_iter().map(|Objects { kind, name }| Ok((glob(kind)?, glob(name)?)));
        let objects = objects.collect::<Result<_, _>>()?;
        let until = spec.until.ok_or(BreakGlassError::NoEnd(latest))?;
        let until: Timestamp = until.parse().map_err(|_| BreakGlassError::Time(until, latest))?;
        // Of the same second: a creation time has no parts of one.
        if until.as_second() > latest.as_second() {
            return Err(BreakGlassError::TooFar { until, latest });
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        Ok(Self { namespace, name, reason, until, objects, users, groups })
    }

    /// Reads one that is stored: the API server says when it was made. What is
    /// longer over than the longest that one may last is left to its owners.
    pub fn stored(object: &Value, longest: Duration) -> Result<Self, BreakGlassError> {
        let made = object["metadata"]["creationTimestamp"].as_str().and_then(|made| made.parse().ok());
        let made = made.ok_or_else(|| BreakGlassError::Form("its metadata has no creationTimestamp".into()))?;
        Self::read(object, made, longest)
    }

    fn names(&self, user: &User<'_>) -> bool {
        self.users.iter().any(|name| *name == user.name) || self.groups.iter().any(|group| user.is_in_group(group))
    }

    fn covers(&self, namespace: &str, assessment: &Assessment<'_>) -> bool {
        let is_it = |(kind, name): &(GlobMatcher, GlobMatcher)| {
            kind.is_match(&assessment.kind) && name.is_match(&assessment.name)
        };
        self.namespace == namespace && self.objects.iter().any(is_it)
    }
}

impl ActiveBreakGlasses {
    /// The glass that is broken, at `now`, for what a write is judged to be.
    pub fn covering(&self, write: &Write<'_>, assessment: &Assessment<'_>, now: Timestamp) -> Option<&BreakGlass> {
        // A token outlasts every glass: whoever got one would be let through for as long as it holds.
        if !assessment.tells() || matches!(assessment.violation, Violation::ExemptToken { .. }) {
            return None;
        }
        let namespace = scope(write, &assessment.kind, &self.home);
        let mut broken = self.broken.iter().filter(|glass| now < glass.until);
        broken.find(|glass| glass.covers(namespace, assessment) && glass.names(&write.user))
    }
}

/// The namespace in which glass is broken for an object: its own, or driftwall's
/// for what has none.
pub(crate) fn scope<'a>(write: &'a Write<'_>, kind: &str, home: &'a str) -> &'a str {
    // A Namespace is reviewed as if it were inside itself.
    let is_namespace = write.resource.group.is_empty() && kind == "Namespace";
    if write.namespace.is_empty() || is_namespace { home } else { &write.namespace }
}

/// A pattern for names; kinds may be written as kubectl takes them.
fn glob(pattern: Option<String>) -> Result<GlobMatcher, BreakGlassError> {
    let pattern = pattern.filter(|pattern| !pattern.is_empty()).unwrap_or_else(|| "*".to_owned());
    let glob = GlobBuilder::new(&pattern).case_insensitive(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|_| BreakGlassError::Pattern(pattern))
}
