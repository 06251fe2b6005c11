//! The snapshot that verdicts are made from, and how each source stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{GitError, Reading, SourceSpec};
use driftwall_core::desired::Snapshot;

/// The snapshot in force. It is replaced as a whole, and only by one in which
/// every source has its place: half a picture would call objects unknown that
/// Git declares.
#[derive(Debug, Default)]
pub struct SnapshotStore {
    snapshot: ArcSwap<Snapshot>,
    /// How many snapshots there have been.
    renewals: watch::Sender<u64>,
    parts: Mutex<Vec<Part>>,
}

/// How a source stands.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// The source's name.
    pub name: String,
    /// The repository, as people know it.
    pub repo: String,
    /// The revision that is followed.
    pub revision: String,
    /// The commit in the snapshot; `None` before the first.
    pub commit: Option<String>,
    /// How many objects it declares.
    pub objects: usize,
    /// When the source was last looked at with success.
    pub seen: Option<Instant>,
    /// How often it was looked at.
    pub looks: u64,
    /// Why the newest look or commit is not in the snapshot.
    pub error: Option<String>,
}

#[derive(Clone, Debug)]
struct Part {
    repository: SourceSpec,
    good: Option<Arc<Reading>>,
    seen: Option<Instant>,
    looks: u64,
    error: Option<String>,
    /// Whether the error is that the source could not be reached.
    away: bool,
    /// Files that a newer commit changes which cannot be read.
    unsettled: Vec<Arc<str>>,
}

impl SnapshotStore {
    /// The snapshot as it is now; one for the whole of a verdict.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How many snapshots there have been so far, now and whenever there is
    /// another; 0 before the first.
    pub fn renewals(&self) -> watch::Receiver<u64> {
        self.renewals.subscribe()
    }

    /// How the sources stand.
    pub fn states(&self) -> Vec<SourceState> {
        self.parts().iter().map(Part::state).collect()
    }

    /// How long ago a source was last looked at with success, or the one of all
    /// that was looked at longest ago; `None` where that never was.
    pub fn age(&self, source: Option<&str>) -> Option<Duration> {
        let parts = self.parts();
        let asked = parts.iter().filter(|part| source.is_none_or(|name| part.repository.name == name));
        let ages = asked.map(|part| part.seen.map(|seen| seen.elapsed()));
        ages.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// From here on these sources count. What is known of a source that stays as it was stays too.
    pub(super) fn follow(&self, repositories: &[SourceSpec]) {
        let mut parts = self.parts();
        let known = |repository: &SourceSpec| parts.iter().find(|part| part.repository == *repository).cloned();
        let new = |repository: &SourceSpec| Part {
            repository: repository.clone(),
            good: None,
            seen: None,
            looks: 0,
            error: None,
            away: false,
            unsettled: Vec::new(),
        };
        *parts = repositories.iter().map(|repository| known(repository).unwrap_or_else(|| new(repository))).collect();
        // Sources that are gone from the configuration must go from the snapshot.
        self.put_together(&mut parts);
    }

    /// What was read of a source last.
    pub(super) fn reading(&self, of: &SourceSpec) -> Option<Arc<Reading>> {
        self.parts().iter().find(|part| part.repository == *of)?.good.clone()
    }

    /// When a source was last looked at with success.
    pub(super) fn seen(&self, at: &SourceSpec) -> Option<Instant> {
        self.parts().iter().find(|part| part.repository == *at)?.seen
    }

    /// Takes over what came of a look at a source.
    pub(super) fn looked(&self, at: &SourceSpec, outcome: Looked) {
        let mut parts = self.parts();
        // The configuration may have changed meanwhile: then nobody wants to know.
        let Some(part) = parts.iter_mut().find(|part| part.repository == *at) else { return };
        part.looks += 1;
        match outcome {
            Looked::Same => {
                part.seen = Some(Instant::now());
                // A source that was away is back; one whose newest commit is broken is not well yet.
                if part.away {
                    (part.away, part.error) = (false, None);
                }
            }
            Looked::Failed(error) => {
                // What was broken before stays to be mended; being away is the smaller trouble.
                if part.error.is_none() {
                    (part.away, part.error) = (true, Some(error.to_string()));
                }
            }
            Looked::Broken(error) => {
                part.seen = Some(Instant::now());
                (part.away, part.error) = (false, Some(error.to_string()));
                part.unsettled = match error {
                    GitError::Broken { changed, .. } if !changed.is_empty() => changed,
                    // Nobody can tell what it changes: it may be anything.
                    _ => part.good.iter().flat_map(|good| good.contents.paths()).collect(),
                };
                self.put_together(&mut parts);
            }
            Looked::Kept(reading, error) => {
                // Its age is not known: it is taken for new, and gets old from here on.
                part.seen = Some(Instant::now());
                (part.away, part.error) = (true, Some(error.to_string()));
                part.good = Some(reading);
                self.put_together(&mut parts);
            }
            Looked::New(reading) => {
                part.seen = Some(Instant::now());
                let before = part.good.replace(reading);
                (part.away, part.error) = (false, None);
                part.unsettled.clear();
                if let Some(error) = self.put_together(&mut parts) {
                    let part = parts.iter_mut().find(|part| part.repository == *at);
                    if let Some(part) = part {
                        part.good = before;
                        part.error = Some(error);
                    }
                }
            }
        }
    }

    /// Renews the snapshot, where every source has been read; why it could not be.
    fn put_together(&self, parts: &mut [Part]) -> Option<String> {
        let good: Option<Vec<_>> =
            parts.iter().map(|part| part.good.as_ref().map(|good| Arc::clone(&good.contents))).collect();
        let snapshot = match Snapshot::new(good?) {
            Ok(snapshot) => snapshot,
            Err(error) => return Some(error.to_string()),
        };
        let unsettled = parts.iter().map(|part| (part.repository.name.as_str(), &*part.unsettled));
        self.snapshot.store(Arc::new(snapshot.with_unparsed_changes(unsettled)));
        self.renewals.send_modify(|renewals| *renewals += 1);
        None
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of a look at a source.
#[derive(Debug)]
pub(super) enum Looked {
    /// There is a new commit, and it cannot be read.
    Broken(GitError),
    /// The source could not be reached.
    Failed(GitError),
    /// The source could not be reached; this is what its mirror holds.
    Kept(Arc<Reading>, GitError),
    /// There is a new commit, and it was read.
    New(Arc<Reading>),
    /// There is nothing new.
    Same,
}

impl Part {
    fn state(&self) -> SourceState {
        let Self { repository, good, seen, looks, error, .. } = self;
        SourceState {
            name: repository.name.clone(),
            repo: repository.shown.clone(),
            revision: repository.revision.clone(),
            commit: good.as_ref().map(|reading| reading.contents.source.commit.clone()),
            objects: good.as_ref().map_or(0, |reading| reading.contents.len()),
            seen: *seen,
            looks: *looks,
            error: error.clone(),
        }
    }
}
