//! Keeping the snapshot true: every source is looked at now and then, and a new
//! commit replaces the snapshot as a whole. A broken one keeps the last good.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::{GitError, Repository, commit_of, read, source_at};
use crate::desired::{Contents, DesiredError, Snapshot};

/// The snapshot that verdicts are made from, and how each source stands.
#[derive(Debug, Default)]
pub struct Store {
    snapshot: ArcSwap<Snapshot>,
    states: Mutex<Vec<SourceState>>,
}

/// How a source stands.
#[derive(Clone, Debug)]
pub struct SourceState {
    /// The source's name.
    pub name: String,
    /// The revision that is followed.
    pub revision: String,
    /// The commit in the snapshot; `None` before the first.
    pub commit: Option<String>,
    /// How many objects it declares.
    pub objects: usize,
    /// When the source was last looked at with success.
    pub seen: Option<Instant>,
    /// Why the newest look or commit is not in the snapshot.
    pub error: Option<String>,
}

/// Looks at the sources and renews the store.
#[derive(Debug)]
pub struct Refresher {
    store: Arc<Store>,
    sources: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    repository: Repository,
    good: Option<Arc<Contents>>,
    /// The newest commit that was read, good or broken.
    tried: Option<String>,
    seen: Option<Instant>,
    error: Option<String>,
}

impl Store {
    /// The snapshot as it is now; one for the whole of a verdict.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// How the sources stand.
    pub fn states(&self) -> Vec<SourceState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long ago the source was last looked at with success that was looked at
    /// longest ago; `None` where one never was.
    pub fn age(&self) -> Option<Duration> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let ages = states.iter().map(|state| state.seen.map(|seen| seen.elapsed()));
        ages.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

impl Refresher {
    /// Follows these sources. What an older refresher of the same store has read
    /// of an unchanged source stays in place until it is read anew.
    pub fn new(store: Arc<Store>, repositories: Vec<Repository>) -> Self {
        let follow = |repository| Followed { repository, good: None, tried: None, seen: None, error: None };
        let refresher = Self { store, sources: repositories.into_iter().map(follow).collect() };
        refresher.tell();
        refresher
    }

    /// Looks at every source once. Blocks on disk. Errors are kept for
    /// [`Store::states`] and returned, each with its source's name.
    pub fn look(&mut self) -> Vec<(String, String)> {
        let mut errors = Vec::new();
        let mut renewed = false;
        for source in &mut self.sources {
            match source.look() {
                Ok(new) => renewed |= new,
                Err(error) => {
                    let words = error.to_string();
                    if source.error.as_ref() != Some(&words) {
                        errors.push((source.repository.name.clone(), words.clone()));
                    }
                    source.error = Some(words);
                }
            }
        }
        // Sources appear together: half a picture would call objects unknown that Git declares.
        if renewed && self.sources.iter().all(|source| source.good.is_some()) {
            match Snapshot::new(self.sources.iter().filter_map(|source| source.good.clone()).collect()) {
                Ok(snapshot) => self.store.snapshot.store(Arc::new(snapshot)),
                Err(error) => errors.extend(self.refuse(&error)),
            }
        }
        self.tell();
        errors
    }

    /// Sources that cannot be put together keep the snapshot as it was.
    fn refuse(&mut self, error: &DesiredError) -> Option<(String, String)> {
        let source = self.sources.last_mut()?;
        source.error = Some(error.to_string());
        source.tried = None;
        Some((source.repository.name.clone(), error.to_string()))
    }

    fn tell(&self) {
        let states = self.sources.iter().map(Followed::state).collect();
        *self.store.states.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

impl Followed {
    /// Looks whether the revision has moved, and reads what it moved to.
    fn look(&mut self) -> Result<bool, GitError> {
        let commit = commit_of(&self.repository)?;
        self.seen = Some(Instant::now());
        if self.tried.as_ref() == Some(&commit) {
            return Ok(false);
        }
        self.tried = Some(commit.clone());
        self.good = Some(Arc::new(read(&self.repository, &commit)?));
        self.error = None;
        Ok(true)
    }

    fn state(&self) -> SourceState {
        let source = source_at(&self.repository, "");
        SourceState {
            name: source.name,
            revision: source.revision,
            commit: self.good.as_ref().map(|contents| contents.source.commit.clone()),
            objects: self.good.as_ref().map_or(0, |contents| contents.len()),
            seen: self.seen,
            error: self.error.clone(),
        }
    }
}
