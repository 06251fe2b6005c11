//! What Argo CD and Flux deploy, found by watching their own objects. What these mean is decided in
//! [`driftwall_core::applications`]; here they are only watched.
//!
//! Each kind has one watch. All events go to one task, which keeps what it needs of the objects and puts the
//! applications into the snapshot.

mod hub;
mod kinds;
mod progress;
mod settings;
mod status;
mod watch;
mod watched_object;
mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use driftwall_core::applications::{ApplicationKind, ApplicationName, Applications, ApplicationsChange, ObservedTools};
use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::cluster::ClusterContext;
use crate::source::SnapshotStore;
use watches::{WatchEvent, watches};

pub use settings::{ArgocdDiscovery, DiscoverySettings};
pub use status::{WatchState, WatchStatus};

/// Events that come closely after each other change the snapshot once.
const GATHERING: Duration = Duration::from_millis(50);

/// How long to wait for an event before it is looked again at what counts.
const RECHECK: Duration = Duration::from_secs(5);

/// How many events change the snapshot at once, at most.
const MAX_GATHERED: usize = 1000;

/// Finds applications for as long as it is polled, by the settings that are in force.
pub(crate) async fn run(
    cluster: ClusterContext,
    store: Arc<SnapshotStore>,
    mut settings: Receiver<DiscoverySettings>,
    states: Arc<WatchStatus>,
) -> Infallible {
    let mut applications = Applications::default();
    loop {
        let current = settings.borrow_and_update().clone();
        states.clear();
        let gone = not_discovered(&applications, &current);
        if !gone.is_empty() {
            applications = applications.after(gone);
            store.set_applications(applications.clone());
        }
        let kubeconfig = current.hub_kubeconfig().map(Path::to_owned);
        let following = follow(&cluster, &store, current, &states, &mut applications);
        let has_changed = tokio::select! {
            never = following => match never {},
            () = hub::kubeconfig_changed(kubeconfig.as_deref()) => true,
            changed = settings.changed() => changed.is_ok(),
        };
        if !has_changed {
            // Nobody changes the settings any more.
            let current = settings.borrow().clone();
            match follow(&cluster, &store, current, &states, &mut applications).await {}
        }
    }
}

/// Follows the objects of both tools with these settings. What was found before stays until the new watches are in step.
async fn follow(
    cluster: &ClusterContext,
    store: &SnapshotStore,
    settings: DiscoverySettings,
    states: &Arc<WatchStatus>,
    applications: &mut Applications,
) -> Infallible {
    let mut streams = watches(cluster, &settings, states);
    let mut tools = settings.observed_tools();
    let mut outdated: BTreeSet<ApplicationKind> = ApplicationKind::ALL.into_iter().collect();
    let mut notes = Vec::new();
    let mut pending: BTreeMap<ApplicationName, ApplicationsChange> = BTreeMap::new();
    let mut is_published = false;
    loop {
        if streams.is_empty() {
            return std::future::pending().await;
        }
        // While something does not count yet, time alone may change that.
        let longest = if is_published && pending.is_empty() { None } else { Some(RECHECK) };
        for change in gather(&mut streams, &mut tools, longest).await {
            pending.insert(change.name().clone(), change);
        }
        if tools.settings_notes() != notes {
            notes = tools.settings_notes().to_vec();
            for note in &notes {
                tracing::warn!(note, "Setting of Argo CD not understood");
            }
        }
        for kind in ApplicationKind::ALL {
            if states.counts(kind) && outdated.remove(&kind) {
                let gone = not_found(applications, kind, &tools);
                pending.extend(gone.into_iter().map(|change| (change.name().clone(), change)));
            }
        }
        let (changes, later) = pending.into_iter().partition(|(name, _)| states.counts(name.kind));
        pending = later;
        let has_changes = !BTreeMap::is_empty(&changes);
        *applications = applications.after(changes.into_values());
        let counts_any = ApplicationKind::ALL.into_iter().any(|kind| states.counts(kind));
        if has_changes || (!is_published && counts_any) {
            is_published = true;
            store.set_applications(applications.clone());
        }
    }
}

/// Those of tools that are not discovered any more are gone.
fn not_discovered(applications: &Applications, settings: &DiscoverySettings) -> Vec<ApplicationsChange> {
    let gone = applications.iter().filter(|application| !settings.discovers(application.name.kind));
    gone.map(|application| ApplicationsChange::Gone(application.name.clone())).collect()
}

/// Those of a kind that watches which are in step have not found are gone.
fn not_found(applications: &Applications, kind: ApplicationKind, found: &ObservedTools) -> Vec<ApplicationsChange> {
    let of_kind = applications.iter().map(|application| &application.name).filter(|name| name.kind == kind);
    of_kind.filter(|name| !found.has_application(name)).cloned().map(ApplicationsChange::Gone).collect()
}

/// The changes of all events that come closely after each other: of one at least, unless none comes for the longest time.
async fn gather(
    streams: &mut SelectAll<watches::EventStream>,
    tools: &mut ObservedTools,
    longest: Option<Duration>,
) -> Vec<ApplicationsChange> {
    let mut changes = Vec::new();
    let mut deadline = longest.map(|longest| Instant::now() + longest);
    let mut is_first = true;
    for _ in 0..MAX_GATHERED {
        let next = match deadline {
            None => streams.next().await,
            Some(deadline) => match tokio::time::timeout_at(deadline, streams.next()).await {
                Ok(next) => next,
                Err(_) => break,
            },
        };
        match next {
            Some(WatchEvent::Present(kind, object)) => changes.extend(tools.observe(kind, object)),
            Some(WatchEvent::Gone(kind, object)) => changes.extend(tools.forget(kind, &object)),
            Some(WatchEvent::StandingChanged) => {}
            None => break,
        }
        if mem::take(&mut is_first) {
            deadline = Some(Instant::now() + GATHERING);
        }
    }
    changes
}
