//! Holds the state of each source and the snapshot that is assembled from all of
//! them. What an event changes is decided by [`driftwall_core::source_state`].

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::load::LoadedCommit;
use super::spec::SourceSpec;
use driftwall_core::applications::Applications;
use driftwall_core::desired::{Contest, DisputedField, Snapshot};
use driftwall_core::skipped::SkippedContent;
use driftwall_core::source_state::{Reconfiguration, SourceEvent, SourceState, is_ready};

/// The state of all sources, and the current snapshot. Every event assembles it
/// anew; where no source has new contents, that is a matter of a few pointers.
#[derive(Debug)]
pub struct SnapshotStore {
    started: Instant,
    snapshot: ArcSwap<Snapshot>,
    /// How many snapshots with other contents there have been since the store was ready.
    generation: watch::Sender<u64>,
    has_been_ready: AtomicBool,
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
    /// How long ago the source was in step with its repository; `None` where that is not known.
    pub age: Option<Duration>,
    /// How often it was polled.
    pub polls: u64,
    /// Why the newest poll or commit is not in the snapshot.
    pub error: Option<String>,
    /// Fields to which a GitOps tool itself gives another value, each as `OBJECT: PATH`.
    pub disputed_fields: Vec<String>,
    /// Objects that another declaration contradicts, in words.
    pub contested_objects: Vec<String>,
    /// What of the commit is not read.
    pub skipped: SkippedContent,
}

#[derive(Clone, Debug)]
struct SourceEntry {
    source: SourceSpec,
    /// The newest good commit, for the next one to share.
    loaded: Option<Arc<LoadedCommit>>,
    state: SourceState,
}

impl Default for SnapshotStore {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            snapshot: ArcSwap::default(),
            generation: watch::Sender::default(),
            has_been_ready: AtomicBool::new(false),
            entries: Mutex::default(),
        }
    }
}

impl SnapshotStore {
    /// The current snapshot. A verdict takes it once and uses no other.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How long the store has existed: the clock of the snapshot's times.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// How many snapshots with other contents there have been: 0 until the store is ready.
    pub fn generation(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Whether reviews may be sent here; once true, it stays true.
    pub fn is_ready(&self) -> bool {
        self.has_been_ready.load(Ordering::Relaxed) || self.update_readiness(&self.entries())
    }

    fn update_readiness(&self, entries: &[SourceEntry]) -> bool {
        let was_ready = self.has_been_ready.load(Ordering::Relaxed);
        let is_ready = is_ready(was_ready, entries.iter().map(|entry| &entry.state), self.now());
        self.has_been_ready.fetch_or(is_ready, Ordering::Relaxed) || is_ready
    }

    /// The names of the sources that were neither read nor have failed yet.
    pub fn unsettled_sources(&self) -> Vec<String> {
        let entries = self.entries();
        let unsettled = entries.iter().filter(|entry| !entry.state.is_settled());
        unsettled.map(|entry| entry.source.name.clone()).collect()
    }

    /// The status of each source.
    pub fn statuses(&self) -> Vec<SourceStatus> {
        let (snapshot, now) = (self.snapshot(), self.now());
        let contests = snapshot.contests();
        self.entries().iter().map(|entry| entry.status(&contests, now)).collect()
    }

    /// From now on the snapshot consists of these sources. What is known of a
    /// source that was there before is kept, also where it got another name.
    pub(super) fn set_sources(&self, sources: &[SourceSpec]) {
        let mut entries = self.entries();
        let mut new = Vec::new();
        for source in sources {
            let is_gone = |entry: &&SourceEntry| !sources.iter().any(|source| source.name == entry.source.name);
            let same_name = entries.iter().find(|entry| entry.source.name == source.name);
            let renamed = || entries.iter().filter(is_gone).find(|entry| entry.source.reads_the_same(source));
            new.push(match same_name.or_else(renamed).cloned() {
                None => SourceEntry { source: source.clone(), loaded: None, state: SourceState::default() },
                Some(entry) => entry.reconfigured(source, self.now()),
            });
        }
        *entries = new;
        self.assemble(&entries);
    }

    /// From now on the snapshot has these applications of GitOps tools.
    pub fn set_applications(&self, applications: Applications) {
        // Whoever assembles a snapshot takes the applications of the one before.
        let entries = self.entries();
        let before = self.snapshot();
        let snapshot = before.with_applications(Arc::new(applications));
        let has_other_contents = !snapshot.shares_contents_with(&before);
        self.publish(snapshot, has_other_contents, &entries);
    }

    /// The newest good commit of a source.
    pub(super) fn loaded(&self, source: &SourceSpec) -> Option<Arc<LoadedCommit>> {
        self.entries().iter().find(|entry| entry.source == *source)?.loaded.clone()
    }

    /// The state of a source; `None` where the configuration has no such source any more.
    pub(super) fn state(&self, source: &SourceSpec) -> Option<SourceState> {
        Some(self.entries().iter().find(|entry| entry.source == *source)?.state.clone())
    }

    /// A commit was loaded.
    pub(super) fn set_loaded(&self, source: &SourceSpec, loaded: Arc<LoadedCommit>, from: ReadFrom) {
        let contents = loaded.contents.clone();
        let (event, at) = match from {
            ReadFrom::Look { at } => (SourceEvent::Loaded(contents), at),
            ReadFrom::Mirror { age } => (SourceEvent::Restored { contents, age }, self.now()),
        };
        let mut entries = self.entries();
        if let Some(entry) = entries.iter_mut().find(|entry| entry.source == *source) {
            entry.loaded = Some(loaded);
        }
        self.apply(&mut entries, |entry| entry.source == *source, event, at);
    }

    /// Something happened to a source. `at`, by this store's clock, is when the look began that found it: nothing
    /// is younger than that.
    pub(super) fn record(&self, source: &SourceSpec, event: SourceEvent, at: Duration) {
        self.apply(&mut self.entries(), |entry| entry.source == *source, event, at);
    }

    /// A GitOps tool wrote another value than the source has at this commit; returns
    /// whether that is new.
    pub fn dispute(&self, source: &str, commit: String, field: DisputedField) -> bool {
        self.changes_disputes(source, SourceEvent::Disputed { commit, field })
    }

    /// The GitOps tool that disputed a field of the source wrote Git's value; returns
    /// whether the field was disputed.
    pub fn settle(&self, source: &str, field: DisputedField) -> bool {
        self.changes_disputes(source, SourceEvent::Settled(field))
    }

    /// Whether an event changes how many fields of a source are disputed.
    fn changes_disputes(&self, source: &str, event: SourceEvent) -> bool {
        let mut entries = self.entries();
        let count = |entries: &[SourceEntry]| {
            let entry = entries.iter().find(|entry| entry.source.name == source);
            entry.map(|entry| entry.state.disputed.len())
        };
        let before = count(&entries);
        self.apply(&mut entries, |entry| entry.source.name == source, event, self.now());
        count(&entries) != before
    }

    fn apply(
        &self,
        entries: &mut [SourceEntry],
        is_it: impl Fn(&SourceEntry) -> bool,
        event: SourceEvent,
        at: Duration,
    ) {
        // Without an entry the configuration has changed meanwhile: the event is of no use any more.
        if let Some(entry) = entries.iter_mut().find(|entry| is_it(entry)) {
            entry.state = std::mem::take(&mut entry.state).after(event, at);
            self.assemble(entries);
        }
    }

    fn assemble(&self, entries: &[SourceEntry]) {
        let source =
            |SourceEntry { source, state, .. }: &SourceEntry| state.snapshot_source(&source.name, &source.scope);
        let sources = entries.iter().map(source).collect();
        let before = self.snapshot();
        let snapshot = Snapshot::assemble(sources, Some(&before));
        let has_other_contents = !snapshot.shares_contents_with(&before);
        if has_other_contents {
            log_new_contests(&snapshot, &before);
        }
        self.publish(snapshot, has_other_contents, entries);
    }

    fn publish(&self, snapshot: Snapshot, has_other_contents: bool, entries: &[SourceEntry]) {
        self.snapshot.store(Arc::new(snapshot));
        let is_first = *self.generation.borrow() == 0;
        if self.update_readiness(entries) && (has_other_contents || is_first) {
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<SourceEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many are named at once; `driftwall sources` has all.
const MAX_LOGGED_CONTESTS: usize = 20;

fn log_new_contests(snapshot: &Snapshot, before: &Snapshot) {
    let known: HashSet<&Contest> = before.contests().into_iter().collect();
    let new = snapshot.contests().into_iter().filter(|contest| !known.contains(contest));
    for Contest { object, first, second, .. } in new.take(MAX_LOGGED_CONTESTS) {
        tracing::warn!(%object, %first, %second, "Object declared twice, not enforced");
    }
}

/// Why a commit was loaded.
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadFrom {
    /// A look named it.
    Look {
        /// When the look began, by the store's clock.
        at: Duration,
    },
    /// A mirror held it before the start of the program, which begins with it.
    Mirror {
        /// How long before the start the server was last asked; `None` where that is not known.
        age: Option<Duration>,
    },
}

impl SourceEntry {
    fn reconfigured(self, source: &SourceSpec, now: Duration) -> Self {
        let Self { source: before, loaded, state } = self;
        if before == *source {
            return Self { source: before, loaded, state };
        }
        let state = state.renamed(&source.name);
        // Loaded commits share by object ids, which other filters or renderings would make wrong.
        let (change, loaded) = match source.reads_the_same(&before) {
            // A loaded commit carries the name of its source.
            true if before.name == source.name => (Reconfiguration::Access, loaded),
            true => (Reconfiguration::Access, None),
            false => (Reconfiguration::Contents, None),
        };
        Self { source: source.clone(), loaded, state: state.after(SourceEvent::Reconfigured(change), now) }
    }

    fn status(&self, contests: &[&Contest], now: Duration) -> SourceStatus {
        let Self { source, state, .. } = self;
        let contests = contests.iter().filter(|contest| contest.sources.contains(&source.name));
        SourceStatus {
            name: source.name.clone(),
            repo: source.display_url.clone(),
            revision: source.revision.clone(),
            commit: state.commit().map(str::to_owned),
            objects: state.contents.as_ref().map_or(0, |contents| contents.len()),
            age: state.age(now),
            polls: state.syncs,
            error: state.error().map(str::to_owned),
            disputed_fields: state.disputed.display().into_iter().collect(),
            contested_objects: contests.map(ToString::to_string).collect(),
            skipped: state.contents.as_ref().map(|contents| contents.skipped.clone()).unwrap_or_default(),
        }
    }
}
