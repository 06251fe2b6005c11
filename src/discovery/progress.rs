//! How the watch of a kind goes on: what follows from where it stands and from what comes. Nothing here waits or asks.

use std::collections::HashSet;
use std::mem;
use std::time::Duration;

use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};

use super::kinds::WatchedKind;
use super::watched_object::WatchedObject;
use super::watches::WatchEvent;

/// How long the pages of a list may be apart: longer than the pause after an error.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);

/// A watch that has failed and then says nothing for that long is at work again: the server ends each before that, and an
/// attempt without an answer ends before that too.
pub(super) const QUIET_AFTER_FAILURE: Duration = Duration::from_mins(6);

/// How long to wait before a kind that the server does not know is looked for again.
const UNKNOWN_KIND_WAIT: Duration = Duration::from_secs(30);

/// How long to wait before a list is read again from its beginning.
const OUTDATED_WAIT: Duration = Duration::from_secs(1);

const NO_ANSWER: &str = "the API server does not answer the watch";

/// Where the watch of a kind stands, and which objects it saw.
pub(super) struct WatchProgress {
    kind: WatchedKind,
    /// Which of the versions that the server may have.
    version: usize,
    /// How often the server knew none of the versions, one time after the other.
    unknown_rounds: u32,
    phase: Phase,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A list is read, which ends.
    Listing,
    /// Changes are told as they happen; there may be none for as long as it likes.
    Watching,
    /// As `Watching`, after a failure.
    Resuming,
}

/// Why a watch fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// What was seen last is too old to go on from there.
    Outdated,
    /// The server does not have the kind in this version.
    UnknownKind,
    /// The account may not list and watch it.
    Forbidden,
    /// The server does not know who asks.
    Unauthorized,
    /// Anything else: no connection, an answer that cannot be read.
    NoAnswer,
}

/// What follows.
#[derive(Default)]
pub(super) struct Outcome {
    /// What those who follow the objects are told.
    pub(super) event: Option<WatchEvent>,
    /// How the watch stands now, if that is to be noted.
    pub(super) standing: Option<Standing>,
    pub(super) next: Next,
}

/// How a watch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    InStep,
    Failed {
        message: String,
        /// Whether the server has the kind in no version, so that there is nothing to see.
        is_not_there: bool,
    },
}

/// How to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Next {
    /// The same stream has more.
    #[default]
    Continue,
    /// A new stream, after a while.
    Restart(Duration),
}

/// The objects that are there: of a list that is read again, those that it does not have are gone.
#[derive(Default)]
struct Seen {
    /// Those of the list before that were not seen again yet, by namespace and name.
    before: HashSet<(String, String)>,
    now: HashSet<(String, String)>,
    /// Whether what is left of `before` is gone.
    is_complete: bool,
}

impl Failure {
    pub(super) fn of(error: &watcher::Error) -> Self {
        let (watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status)) = error
        else {
            return Self::NoAnswer;
        };
        match status.code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::UnknownKind,
            410 => Self::Outdated,
            _ => Self::NoAnswer,
        }
    }
}

impl Standing {
    fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), is_not_there: false }
    }
}

impl WatchProgress {
    pub(super) fn new(kind: WatchedKind) -> Self {
        Self { kind, version: 0, unknown_rounds: 0, phase: Phase::Listing, seen: Seen::default() }
    }

    /// The version that is to be watched.
    pub(super) fn version(&self) -> &'static str {
        self.kind.versions[self.version]
    }

    /// A new stream begins: with a list.
    pub(super) fn begin(&mut self) {
        self.phase = Phase::Listing;
    }

    /// How long to wait for what comes next.
    pub(super) fn patience(&self) -> Duration {
        match self.phase {
            Phase::Listing => LONGEST_SILENCE,
            Phase::Watching => Duration::MAX,
            Phase::Resuming => QUIET_AFTER_FAILURE,
        }
    }

    /// An object that a complete list did not have any more. Each is told once.
    pub(super) fn pop_gone(&mut self) -> Option<WatchEvent> {
        let (namespace, name) = self.seen.pop_gone()?;
        let object = json!({"kind": self.kind.kind, "metadata": {"namespace": namespace, "name": name}});
        Some(WatchEvent::Gone(self.kind.observed, object))
    }

    /// What follows from what the watch brings.
    pub(super) fn event(&mut self, event: Event<WatchedObject>) -> Outcome {
        let observed = self.kind.observed;
        let event = match event {
            Event::Init => {
                self.phase = Phase::Listing;
                self.seen.begin();
                None
            }
            Event::InitApply(object) => {
                self.seen.add(&object);
                value_of(&object, self.kind).map(|value| WatchEvent::Present(observed, value))
            }
            Event::InitDone => {
                self.unknown_rounds = 0;
                self.seen.end();
                return self.in_step(WatchEvent::StandingChanged);
            }
            Event::Apply(object) => {
                self.seen.add(&object);
                value_of(&object, self.kind).map(|value| WatchEvent::Present(observed, value))
            }
            Event::Delete(object) => {
                self.seen.remove(&object);
                value_of(&object, self.kind).map(|value| WatchEvent::Gone(observed, value))
            }
        };
        match (self.phase, event) {
            // What comes after a failure shows that the watch is at work again.
            (Phase::Resuming, Some(event)) => self.in_step(event),
            (_, event) => Outcome { event, ..Outcome::default() },
        }
    }

    fn in_step(&mut self, event: WatchEvent) -> Outcome {
        self.phase = Phase::Watching;
        Outcome { event: Some(event), standing: Some(Standing::InStep), next: Next::Continue }
    }

    /// What follows when nothing came for as long as [`Self::patience`] says.
    pub(super) fn silence(&mut self) -> Outcome {
        match self.phase {
            Phase::Listing => Outcome {
                event: Some(WatchEvent::StandingChanged),
                standing: Some(Standing::failed(NO_ANSWER)),
                next: Next::Restart(Duration::ZERO),
            },
            Phase::Watching | Phase::Resuming => self.in_step(WatchEvent::StandingChanged),
        }
    }

    /// What follows from a failure.
    pub(super) fn failure(&mut self, failure: Failure) -> Outcome {
        let WatchedKind { plural, group, .. } = self.kind;
        if self.phase == Phase::Watching {
            self.phase = Phase::Resuming;
        }
        let kind = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let standing = match failure {
            Failure::Outdated => return Outcome { next: Next::Restart(OUTDATED_WAIT), ..Outcome::default() },
            Failure::UnknownKind => return self.unknown_kind(&kind),
            Failure::Forbidden => Standing::failed(format!("driftwall may not list and watch {kind}")),
            Failure::Unauthorized => Standing::failed("the API server does not accept driftwall's credentials"),
            Failure::NoAnswer => Standing::failed(NO_ANSWER),
        };
        // What is in step without the kind may make all of them so.
        Outcome { event: Some(WatchEvent::StandingChanged), standing: Some(standing), next: Next::Continue }
    }

    /// The next version is tried. A server that has just started may not know all its kinds yet; one that knows a kind in no
    /// version for longer has no objects of it any more.
    fn unknown_kind(&mut self, kind: &str) -> Outcome {
        let is_last = self.version + 1 == self.kind.versions.len();
        self.version = (self.version + 1) % self.kind.versions.len();
        if is_last {
            self.unknown_rounds = self.unknown_rounds.saturating_add(1);
            if self.unknown_rounds > 1 {
                self.seen.begin();
                self.seen.end();
            }
        }
        let message = format!("the API server does not have {kind}");
        Outcome {
            event: Some(WatchEvent::StandingChanged),
            standing: Some(Standing::Failed { message, is_not_there: is_last }),
            next: Next::Restart(if is_last { UNKNOWN_KIND_WAIT } else { Duration::ZERO }),
        }
    }
}

impl Seen {
    fn begin(&mut self) {
        let now = mem::take(&mut self.now);
        self.before.extend(now);
        self.is_complete = false;
    }

    fn add(&mut self, object: &WatchedObject) {
        let key = object.key();
        self.before.remove(&key);
        self.now.insert(key);
    }

    fn remove(&mut self, object: &WatchedObject) {
        self.now.remove(&object.key());
    }

    /// The list was read to its end: what is left of `before` is gone.
    fn end(&mut self) {
        self.is_complete = true;
    }

    fn pop_gone(&mut self) -> Option<(String, String)> {
        if !self.is_complete {
            return None;
        }
        let Some(key) = self.before.iter().next().cloned() else {
            self.is_complete = false;
            return None;
        };
        self.before.remove(&key);
        Some(key)
    }
}

/// The whole object; a watch may leave its kind out.
fn value_of(object: &WatchedObject, kind: WatchedKind) -> Option<Value> {
    let mut value = object.value()?;
    value.as_object_mut()?.insert("kind".to_owned(), kind.kind.into());
    Some(value)
}

#[cfg(test)]
mod tests;
