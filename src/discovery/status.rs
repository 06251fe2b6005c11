//! How the watches stand, and which applications may count by that.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use driftwall_core::applications::{ApplicationKind, ObservedKind};

/// How long a watch that neither answers nor fails keeps the others from counting.
const LONGEST_UNSETTLED: Duration = Duration::from_mins(1);

/// How a watch stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchState {
    /// Whether all that there is was seen once, or the server does not have the kind.
    pub is_in_step: bool,
    /// Why nothing new is seen.
    pub error: Option<String>,
}

/// How all watches stand, by what they watch.
#[derive(Debug, Default)]
pub struct WatchStatus(Mutex<BTreeMap<String, Watched>>);

#[derive(Debug)]
struct Watched {
    kind: ObservedKind,
    since: Instant,
    state: WatchState,
}

impl WatchStatus {
    /// All watches.
    pub fn states(&self) -> BTreeMap<String, WatchState> {
        self.lock().iter().map(|(name, watched)| (name.clone(), watched.state.clone())).collect()
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// Whether applications of this kind count: all that they depend on was seen. And every other watch was in step
    /// or has failed once: an object that seems to be of one application may be of another one as well.
    pub(super) fn counts(&self, kind: ApplicationKind) -> bool {
        self.counts_at(kind, Instant::now())
    }

    fn counts_at(&self, kind: ApplicationKind, now: Instant) -> bool {
        let watches = self.lock();
        let mut needed = watches.values().filter(|watched| is_needed(watched.kind, kind));
        needed.all(|watched| watched.state.is_in_step) && watches.values().all(|watched| watched.is_settled(now))
    }

    /// A watch begins.
    pub(super) fn add(&self, name: &str, kind: ObservedKind) {
        let watched = Watched { kind, since: Instant::now(), state: WatchState::default() };
        self.lock().insert(name.to_owned(), watched);
    }

    /// A list was read to its end.
    pub(super) fn in_step(&self, name: &str) {
        self.set(name, |state| *state = WatchState { is_in_step: true, error: None });
    }

    /// A watch has failed; a kind that is not there has no objects.
    pub(super) fn failed(&self, name: &str, error: String, is_not_there: bool) {
        self.set(name, |state| {
            state.is_in_step |= is_not_there;
            state.error = Some(error);
        });
    }

    fn set(&self, name: &str, change: impl FnOnce(&mut WatchState)) {
        if let Some(watched) = self.lock().get_mut(name) {
            change(&mut watched.state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn is_settled(&self, now: Instant) -> bool {
        let is_overdue = now.saturating_duration_since(self.since) > LONGEST_UNSETTLED;
        self.state.is_in_step || self.state.error.is_some() || is_overdue
    }
}

/// Whether applications of the kind cannot be judged without what is observed. Without the settings and projects of Argo CD,
/// accounts of tenants and ignored fields would be missing; a source of Flux only has an address.
fn is_needed(observed: ObservedKind, kind: ApplicationKind) -> bool {
    match observed {
        ObservedKind::Application(observed) => observed == kind,
        ObservedKind::ArgocdProject | ObservedKind::ArgocdSettings => kind == ApplicationKind::Application,
        ObservedKind::FluxSource => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [(&str, ObservedKind); 5] = [
        ("applications", ObservedKind::Application(ApplicationKind::Application)),
        ("appprojects", ObservedKind::ArgocdProject),
        ("configmaps argocd-cm", ObservedKind::ArgocdSettings),
        ("kustomizations", ObservedKind::Application(ApplicationKind::Kustomization)),
        ("gitrepositories", ObservedKind::FluxSource),
    ];

    /// What happened to the watches: `+` they are in step, `-` they failed, `0` the kind is not there, `?` nothing yet.
    fn watches(events: &str) -> WatchStatus {
        let all = WatchStatus::default();
        for ((name, kind), event) in KINDS.into_iter().zip(events.chars()) {
            all.add(name, kind);
            match event {
                '+' => all.in_step(name),
                '-' => all.failed(name, "refused".to_owned(), false),
                '0' => all.failed(name, "unknown".to_owned(), true),
                _ => {}
            }
        }
        all
    }

    #[test]
    fn applications_count_when_what_they_depend_on_was_seen() {
        for (events, argocd, flux) in [
            ("?????", false, false),
            ("++++?", false, false),
            ("+++++", true, true),
            ("0000+", true, true),
            ("-++++", false, true),
            ("+-+++", false, true),
            ("++-++", false, true),
            ("+++-+", true, false),
            ("++++-", true, true),
        ] {
            let all = watches(events);
            let found = [ApplicationKind::Application, ApplicationKind::Kustomization].map(|kind| all.counts(kind));
            assert_eq!(found, [argocd, flux], "{events}");
        }
    }

    #[test]
    fn a_watch_that_is_silent_does_not_keep_the_others_for_long() {
        let all = watches("?++++");
        let later = Instant::now() + LONGEST_UNSETTLED + Duration::from_secs(1);
        assert!(!all.counts(ApplicationKind::Kustomization));
        assert!(all.counts_at(ApplicationKind::Kustomization, later));
        assert!(!all.counts_at(ApplicationKind::Application, later));
    }

    #[test]
    fn what_was_in_step_stays_so() {
        let all = watches("+++++");
        all.failed("applications", "no answer".to_owned(), false);
        assert!(all.counts(ApplicationKind::Application));
        let state = all.states().remove("applications").unwrap();
        assert_eq!(state, WatchState { is_in_step: true, error: Some("no answer".to_owned()) });
    }
}
