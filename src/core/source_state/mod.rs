//! What is known of each source, as a pure function of what was known before and
//! what happened. Tasks carry events here; nothing is decided anywhere else.

use std::sync::Arc;
use std::time::Duration;

use crate::desired::{
    Affected, DisputedField, DisputedFields, NamespaceScope, SnapshotSource, Source, SourceContents, SyncTime,
};

/// What is known of one source. Times are counted from the start of the program.
#[derive(Clone, Debug, Default)]
pub struct SourceState {
    /// What the last commit that could be read declares; `None` before the first.
    pub contents: Option<Arc<SourceContents>>,
    /// Whether revision, path or rendering were configured otherwise when `contents` was read.
    pub is_outdated: bool,
    /// When the repository last told which commit is its newest; `None` where it
    /// never has, and nobody knows how old `contents` is.
    pub last_synced: Option<SyncTime>,
    /// How often a sync has ended, well or not.
    pub syncs: u64,
    /// Whether a sync has failed for a reason that is the source's own.
    pub has_failed: bool,
    /// Why the repository could not be reached by the last sync.
    pub unreachable: Option<String>,
    /// A newer commit that is being read.
    pub loading: Option<String>,
    /// The newest commit, where it could not be read.
    pub unreadable: Option<UnreadableCommit>,
    /// Why charts that `contents` was rendered from may not be the newest: their repository is away.
    pub charts_away: Option<String>,
    /// The fields of `contents` to which a GitOps tool itself gives another value.
    pub disputed: Arc<DisputedFields>,
}

/// A commit that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableCommit {
    /// The commit.
    pub commit: String,
    /// Why it could not be read.
    pub error: String,
    /// What it may declare otherwise than the last good commit.
    pub affects: Affected,
    /// Whether the same commit may be readable at another try: a time-out, a
    /// killed program, a full disk.
    pub is_transient: bool,
    /// Whose failure it is.
    pub failed: FailingSide,
}

/// Whose failure it is that a source could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailingSide {
    /// This replica's: its disk is full or cannot be written. Another replica may well read the source.
    Replica,
    /// The source's: its server, the way to it, or what it holds.
    Source,
}

/// What happened to a source.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// The contents that were just read have charts that may not be the newest: their repository is away.
    ChartsAway(String),
    /// A GitOps tool itself wrote another value than `contents` has.
    Disputed {
        /// The commit of the contents that it was compared with.
        commit: String,
        /// The field.
        field: DisputedField,
    },
    /// A new commit was read.
    Loaded(Arc<SourceContents>),
    /// There is a new commit, and it is being read.
    Loading(String),
    /// The configuration of the source changed.
    Reconfigured(Reconfiguration),
    /// The repository is not reached yet, and its mirror holds this; how old that
    /// is, where the mirror tells.
    Restored {
        /// What the mirror's last good commit declares.
        contents: Arc<SourceContents>,
        /// How long before the start of the program the mirror was last in step.
        age: Option<Duration>,
    },
    /// The GitOps tool that disputed a field wrote the value that `contents` has.
    Settled(DisputedField),
    /// The repository was reached, and its newest commit is the one that was tried last.
    Unchanged,
    /// The repository could not be reached.
    Unreachable {
        /// Why.
        error: String,
        /// Whose failure it is.
        failed: FailingSide,
    },
    /// A new commit could not be read.
    Unreadable(UnreadableCommit),
}

/// What changed in the configuration of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconfiguration {
    /// How the repository is reached: the contents stay what they are.
    Access,
    /// What is read of it: the contents are those of other settings.
    Contents,
}

impl SourceState {
    /// What is known after an event at `now`, counted from the start of the program.
    #[must_use]
    pub fn after(mut self, event: SourceEvent, now: Duration) -> Self {
        match event {
            SourceEvent::ChartsAway(reason) => self.charts_away = Some(reason),
            SourceEvent::Disputed { commit, field } => {
                // Of another commit it says nothing.
                if self.commit() == Some(&commit) {
                    Arc::make_mut(&mut self.disputed).add(field);
                }
            }
            SourceEvent::Loaded(contents) => {
                if self.commit() != Some(&contents.source.commit) {
                    self.disputed = Arc::default();
                }
                self.contents = Some(contents);
                self.is_outdated = false;
                (self.unreadable, self.charts_away) = (None, None);
                self.reached(now);
            }
            SourceEvent::Loading(commit) => self.loading = Some(commit),
            SourceEvent::Reconfigured(Reconfiguration::Access) => self.unreachable = None,
            SourceEvent::Reconfigured(Reconfiguration::Contents) => {
                self.is_outdated = self.contents.is_some();
                (self.unreachable, self.unreadable, self.loading) = (None, None, None);
                self.charts_away = None;
            }
            SourceEvent::Restored { contents, age } => {
                self.contents = Some(contents);
                self.last_synced = age.map(SyncTime::BeforeStart);
            }
            SourceEvent::Settled(field) => {
                Arc::make_mut(&mut self.disputed).remove(&field);
            }
            SourceEvent::Unchanged => self.reached(now),
            SourceEvent::Unreachable { error, failed } => {
                self.syncs += 1;
                self.has_failed |= failed == FailingSide::Source;
                self.unreachable = Some(error);
            }
            SourceEvent::Unreadable(commit) => {
                self.has_failed |= commit.failed == FailingSide::Source;
                self.unreadable = Some(commit);
                self.reached(now);
            }
        }
        self
    }

    fn reached(&mut self, now: Duration) {
        self.syncs += 1;
        (self.unreachable, self.loading) = (None, None);
        self.last_synced = Some(SyncTime::AfterStart(now));
    }

    /// The same under another name.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        if let Some(contents) = self.contents.as_ref().filter(|contents| contents.source.name != name) {
            let source = Source { name: name.to_owned(), ..contents.source.clone() };
            self.contents = Some(Arc::new(contents.at_commit(source)));
        }
        self
    }

    /// The commit of the contents.
    pub fn commit(&self) -> Option<&str> {
        self.contents.as_ref().map(|contents| contents.source.commit.as_str())
    }

    /// What a snapshot needs to know of this source.
    pub fn snapshot_source(&self, name: &str, scope: &NamespaceScope) -> SnapshotSource {
        SnapshotSource {
            name: name.to_owned(),
            scope: scope.clone(),
            contents: self.contents.clone(),
            last_synced: self.last_synced,
            is_outdated: self.is_outdated,
            is_loading: self.loading.is_some(),
            affected: self.unreadable.as_ref().map(|commit| commit.affects.clone()),
            disputed: self.disputed.clone(),
        }
    }

    /// How long ago the source was last in step with its repository; `None` where nobody knows.
    pub fn age(&self, now: Duration) -> Option<Duration> {
        self.last_synced.map(|moment| moment.age(now))
    }

    /// Whether the newest commit is to be tried again although it was tried.
    pub fn is_to_retry(&self) -> bool {
        match &self.unreadable {
            Some(commit) => commit.is_transient,
            None => self.charts_away.is_some(),
        }
    }

    /// Why the contents are not those of the newest commit, in words. A broken
    /// commit comes first: it stays broken when the repository is back.
    pub fn error(&self) -> Option<&str> {
        match (&self.unreadable, &self.unreachable) {
            (Some(commit), _) => Some(&commit.error),
            (None, Some(error)) => Some(error),
            (None, None) => self.charts_away.as_deref(),
        }
    }

    /// Whether the source has been read, or has failed its first try. A failure of this replica does
    /// not count: one whose disk is full knows nothing, and must not take the place of one that does.
    pub fn is_settled(&self) -> bool {
        self.contents.is_some() || self.has_failed
    }
}

/// A configured source holds readiness no longer than this.
pub const LONGEST_UNREADY: Duration = Duration::from_mins(1);

/// Whether a replica may be asked: every source has been read or has failed its
/// first try. Once ready, it stays ready whatever becomes of a source: else one
/// typo would take all replicas out of service.
pub fn is_ready<'a>(was_ready: bool, states: impl IntoIterator<Item = &'a SourceState>, now: Duration) -> bool {
    was_ready || now >= LONGEST_UNREADY || states.into_iter().all(SourceState::is_settled)
}

#[cfg(test)]
mod tests;
