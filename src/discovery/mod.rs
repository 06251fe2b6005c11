//! What Argo CD and Flux deploy, found by watching their own objects. What these mean is decided in
//! [`driftwall_core::applications`]; here they are only watched.
//!
//! Each kind has one watch. All events go to one task, which keeps what it needs of the objects and puts the
//! applications into the snapshot.

mod kinds;
mod settings;
mod watches;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use driftwall_core::applications::{Applications, ApplicationsChange, ObservedTools};
use futures_util::StreamExt as _;
use futures_util::stream::SelectAll;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::cluster::ClusterContext;
use crate::source::SnapshotStore;
use watches::{WatchEvent, Watches, watches};

pub use settings::{ArgocdDiscovery, DiscoverySettings};
pub use watches::{WatchState, WatchStatus};

/// Events that come closely after each other change the snapshot once.
const GATHERING: Duration = Duration::from_millis(50);

/// How many events change the snapshot at once, at most.
const MAX_GATHERED: usize = 1000;

/// Finds applications for as long as it is polled, by the settings that are in force.
pub(crate) async fn run(
    cluster: ClusterContext,
    store: Arc<SnapshotStore>,
    mut settings: Receiver<DiscoverySettings>,
    states: Arc<WatchStatus>,
) -> Infallible {
    loop {
        let current = settings.borrow_and_update().clone();
        states.clear();
        if current.is_off() {
            store.set_applications(Applications::default());
        }
        let following = follow(&cluster, &store, current, &states);
        let has_changed = tokio::select! {
            never = following => match never {},
            changed = settings.changed() => changed.is_ok(),
        };
        if !has_changed {
            // Nobody changes the settings any more.
            let current = settings.borrow().clone();
            match follow(&cluster, &store, current, &states).await {}
        }
    }
}

/// Follows the objects of both tools with these settings.
async fn follow(
    cluster: &ClusterContext,
    store: &SnapshotStore,
    settings: DiscoverySettings,
    states: &Arc<WatchStatus>,
) -> Infallible {
    let mut streams = match watches(cluster, &settings, states).await {
        Ok(streams) => streams,
        Err(error) => {
            // Told once: only another configuration can mend it.
            tracing::error!(%error, "Applications of Argo CD not found");
            Watches::default()
        }
    };
    let mut tools = settings.observed_tools();
    let mut applications = Applications::default();
    let mut notes = Vec::new();
    loop {
        if streams.is_empty() {
            return std::future::pending().await;
        }
        let changes = gather(&mut streams, &mut tools).await;
        if tools.settings_notes() != notes {
            notes = tools.settings_notes().to_vec();
            for note in &notes {
                tracing::warn!(note, "Setting of Argo CD not understood");
            }
        }
        // Until every list was read once, objects that seem to be of one application may be of another one as well.
        applications = applications.after(changes);
        if states.are_in_step() {
            store.set_applications(applications.clone());
        }
    }
}

/// The changes of all events that come closely after each other, of one at least.
async fn gather(streams: &mut SelectAll<watches::EventStream>, tools: &mut ObservedTools) -> Vec<ApplicationsChange> {
    let mut changes = Vec::new();
    let mut deadline = None;
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
            Some(WatchEvent::InStep) => {}
            None => break,
        }
        deadline.get_or_insert_with(|| Instant::now() + GATHERING);
    }
    changes
}
