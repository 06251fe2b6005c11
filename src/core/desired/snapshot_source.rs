//! What a verdict needs to know of a source's state: how old and how certain its
//! contents are, and where it may declare objects.

use std::sync::Arc;
use std::time::Duration;

use globset::GlobSet;

use super::contents::SourceContents;
use super::declared::Declared;
use super::disputed_fields::DisputedFields;
use crate::glob;

/// A source as it goes into a snapshot.
#[derive(Clone, Debug, Default)]
pub struct SnapshotSource {
    /// The source's name.
    pub name: String,
    /// Where it may declare objects.
    pub scope: NamespaceScope,
    /// What it declares; `None` while it is unread.
    pub contents: Option<Arc<SourceContents>>,
    /// When it was last in step with its repository; `None` where nobody knows.
    pub last_synced: Option<SyncTime>,
    /// Whether `contents` was read by other settings than those in force.
    pub is_outdated: bool,
    /// Whether a newer commit is being read.
    pub is_loading: bool,
    /// What a newer commit, which could not be read, may declare otherwise.
    pub affected: Option<Affected>,
    /// The fields to which a GitOps tool itself gives another value.
    pub disputed: Arc<DisputedFields>,
}

/// A moment of a sync. One before the start of the program, known from a mirror, is an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncTime {
    /// So long after the start of the program.
    AfterStart(Duration),
    /// So long before the start of the program.
    BeforeStart(Duration),
}

/// The files that an unreadable commit changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affected {
    /// Nobody can tell: any.
    All,
    /// These.
    Files(Vec<Arc<str>>),
}

/// The namespaces in which a source may declare objects.
#[derive(Clone, Debug, Default)]
pub struct NamespaceScope {
    globs: Vec<String>,
    /// `None` for all namespaces.
    set: Option<Arc<GlobSet>>,
}

impl SyncTime {
    /// How long ago that was, `now` after the start of the program.
    pub fn age(self, now: Duration) -> Duration {
        match self {
            Self::AfterStart(moment) => now.saturating_sub(moment),
            Self::BeforeStart(age) => now.saturating_add(age),
        }
    }
}

impl PartialEq for NamespaceScope {
    fn eq(&self, other: &Self) -> bool {
        self.globs == other.globs
    }
}

impl NamespaceScope {
    /// The namespaces that match one of these globs; all, where there are none.
    pub fn new(globs: Vec<String>) -> Result<Self, globset::Error> {
        let set = glob::optional_set(&globs)?.map(Arc::new);
        Ok(Self { globs, set })
    }

    /// Whether objects in this namespace may be declared.
    pub fn covers(&self, namespace: &str) -> bool {
        self.set.as_ref().is_none_or(|globs| globs.is_match(namespace))
    }

    /// Whether this object may be declared. A source that is held to namespaces
    /// declares those namespaces and what is in them, and nothing cluster-scoped.
    pub(super) fn allows(&self, declared: &Declared, is_namespaced: Option<bool>) -> bool {
        match (&self.set, is_namespaced) {
            (None, _) => true,
            (Some(_), Some(false)) => {
                declared.group.is_empty() && declared.kind == "Namespace" && self.covers(&declared.name)
            }
            (Some(_), _) => self.covers(&declared.namespace),
        }
    }
}
