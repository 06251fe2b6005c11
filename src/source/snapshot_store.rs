//! The snapshot that verdicts are made from, and the status of each source.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::error::SourceError;
use super::load::LoadedCommit;
use super::spec::SourceSpec;
use driftwall_core::desired::{DesiredError, Snapshot};

/// The current snapshot. It is replaced as a whole, and only by one that has
/// every source: with a part of them, objects that Git declares would count as
/// unmanaged.
#[derive(Debug, Default)]
pub struct SnapshotStore {
    snapshot: ArcSwap<Snapshot>,
    /// How many snapshots there have been.
    generation: watch::Sender<u64>,
    entries: Mutex<Vec<SourceEntry>>,
}

/// The status of a source.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The source's name.
    pub name: String,
    /// The repository as messages name it, without credentials.
    pub repo: String,
    /// The branch, tag or commit that is followed.
    pub revision: String,
    /// The commit in the snapshot; `None` before the first.
    pub commit: Option<String>,
    /// How many objects it declares.
    pub objects: usize,
    /// When the source was last reached.
    pub last_synced: Option<Instant>,
    /// How often it was polled.
    pub polls: u64,
    /// Why the newest poll or commit is not in the snapshot.
    pub error: Option<String>,
}

/// What a sync of a source found.
#[derive(Debug)]
pub(super) enum SyncResult {
    /// There is a new commit, and it cannot be read.
    Broken(SourceError),
    /// There is a new commit, and it was read.
    Loaded(Arc<LoadedCommit>),
    /// The source could not be reached; this is what its mirror holds.
    Mirrored(Arc<LoadedCommit>, SourceError),
    /// There is no new commit.
    Unchanged,
    /// The source could not be reached.
    Unreachable(SourceError),
}

#[derive(Clone, Debug)]
struct SourceEntry {
    source: SourceSpec,
    /// The newest good commit.
    loaded: Option<Arc<LoadedCommit>>,
    last_synced: Option<Instant>,
    polls: u64,
    error: Option<String>,
    /// Whether the error is that the source could not be reached.
    is_unreachable: bool,
    /// Files that a newer commit changes which cannot be read.
    unparsed_changes: Vec<Arc<str>>,
}

impl SnapshotStore {
    /// The current snapshot. A verdict takes it once and uses no other.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How many snapshots there have been: 0 before the first, and a change for each new one.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The status of each source.
    pub fn statuses(&self) -> Vec<SourceStatus> {
        self.entries().iter().map(SourceEntry::status).collect()
    }

    /// How long ago a source was last reached (for `None`, the source that was
    /// reached longest ago); `None` where that never was.
    pub fn age(&self, source: Option<&str>) -> Option<Duration> {
        let mut oldest = None;
        for entry in self.entries().iter() {
            if source.is_none_or(|name| entry.source.name == name) {
                let age = entry.last_synced?.elapsed();
                oldest = oldest.max(Some(age));
            }
        }
        oldest
    }

    /// From now on the snapshot consists of these sources. What is known of a
    /// source whose configuration is the same as before is kept.
    pub(super) fn set_sources(&self, sources: &[SourceSpec]) {
        let mut entries = self.entries();
        let mut new = Vec::new();
        for source in sources {
            let known = entries.iter().find(|entry| entry.source == *source);
            new.push(known.cloned().unwrap_or_else(|| SourceEntry::new(source)));
        }
        *entries = new;
        // Sources that are gone from the configuration must go from the snapshot. Where
        // they cannot be put together, the next sync of each source reports that.
        let _ = self.rebuild(&entries);
    }

    /// The newest good commit of a source.
    pub(super) fn loaded(&self, source: &SourceSpec) -> Option<Arc<LoadedCommit>> {
        self.entries().iter().find(|entry| entry.source == *source)?.loaded.clone()
    }

    /// When a source was last reached.
    pub(super) fn last_synced(&self, source: &SourceSpec) -> Option<Instant> {
        self.entries().iter().find(|entry| entry.source == *source)?.last_synced
    }

    /// Records what a sync of a source found, and rebuilds the snapshot where that changes it.
    pub(super) fn record(&self, source: &SourceSpec, result: SyncResult) {
        let mut entries = self.entries();
        // Without an entry the configuration has changed meanwhile: the result is of no use any more.
        let Some(index) = entries.iter().position(|entry| entry.source == *source) else { return };
        let entry = &mut entries[index];
        entry.polls += 1;
        match result {
            SyncResult::Unchanged => {
                entry.last_synced = Some(Instant::now());
                // The source is reachable again. An error of its newest commit stays.
                if entry.is_unreachable {
                    (entry.is_unreachable, entry.error) = (false, None);
                }
            }
            SyncResult::Unreachable(error) => {
                // A broken commit must be fixed in Git, so its error is the more important one and stays.
                if entry.error.is_none() {
                    (entry.is_unreachable, entry.error) = (true, Some(error.to_string()));
                }
            }
            SyncResult::Broken(error) => {
                entry.last_synced = Some(Instant::now());
                (entry.is_unreachable, entry.error) = (false, Some(error.to_string()));
                entry.unparsed_changes = match error {
                    SourceError::InvalidFiles { changed, .. } if !changed.is_empty() => changed,
                    // What the commit changes is not known: it may be any file.
                    _ => entry.loaded.iter().flat_map(|loaded| loaded.contents.paths()).collect(),
                };
                let _ = self.rebuild(&entries);
            }
            SyncResult::Mirrored(loaded, error) => {
                // The mirror's age is not known: it counts as new, and ages from now on.
                entry.last_synced = Some(Instant::now());
                (entry.is_unreachable, entry.error) = (true, Some(error.to_string()));
                entry.loaded = Some(loaded);
                let _ = self.rebuild(&entries);
            }
            SyncResult::Loaded(loaded) => {
                entry.last_synced = Some(Instant::now());
                let before = entry.loaded.replace(loaded);
                (entry.is_unreachable, entry.error) = (false, None);
                entry.unparsed_changes.clear();
                if let Err(error) = self.rebuild(&entries) {
                    let entry = &mut entries[index];
                    entry.loaded = before;
                    entry.error = Some(error.to_string());
                }
            }
        }
    }

    /// Makes a new snapshot where every source has been read; nothing where one has not.
    fn rebuild(&self, entries: &[SourceEntry]) -> Result<(), DesiredError> {
        let mut contents = Vec::new();
        for entry in entries {
            let Some(loaded) = &entry.loaded else { return Ok(()) };
            contents.push(Arc::clone(&loaded.contents));
        }
        let unparsed = entries.iter().map(|entry| (entry.source.name.as_str(), &*entry.unparsed_changes));
        let snapshot = Snapshot::new(contents)?.with_unparsed_changes(unparsed);
        self.snapshot.store(Arc::new(snapshot));
        self.generation.send_modify(|generation| *generation += 1);
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<SourceEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SourceEntry {
    fn new(source: &SourceSpec) -> Self {
        Self {
            source: source.clone(),
            loaded: None,
            last_synced: None,
            polls: 0,
            error: None,
            is_unreachable: false,
            unparsed_changes: Vec::new(),
        }
    }

    fn status(&self) -> SourceStatus {
        let Self { source, loaded, last_synced, polls, error, .. } = self;
        SourceStatus {
            name: source.name.clone(),
            repo: source.display_url.clone(),
            revision: source.revision.clone(),
            commit: loaded.as_ref().map(|loaded| loaded.contents.source.commit.clone()),
            objects: loaded.as_ref().map_or(0, |loaded| loaded.contents.len()),
            last_synced: *last_synced,
            polls: *polls,
            error: error.clone(),
        }
    }
}
