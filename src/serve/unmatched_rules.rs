//! Tells, once for each configuration, which of its rules match nothing that Git declares.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::admission::{AdmissionHandler, ReviewSettings};
use crate::discovery::DiscoverySettings;
use driftwall_core::policy::{UnmatchedRule, unmatched_rules};

/// How often it is looked whether there is something new to compare. Nobody waits for it.
const INTERVAL: Duration = Duration::from_secs(5);

/// Compares each configuration with what Git declares once all of that is known. Never ends.
pub(super) async fn tell_unmatched_rules(
    handler: Arc<AdmissionHandler>,
    discovery: watch::Receiver<DiscoverySettings>,
) -> Infallible {
    let mut compared: Option<Arc<ReviewSettings>> = None;
    loop {
        sleep(INTERVAL).await;
        let settings = handler.settings();
        let is_compared = compared.as_ref().is_some_and(|compared| Arc::ptr_eq(compared, &settings));
        if is_compared || !is_all_known(&handler, &discovery) {
            continue;
        }
        compared = Some(Arc::clone(&settings));
        let snapshot = handler.store.snapshot();
        // Every rule is compared with every object.
        let found = tokio::task::spawn_blocking(move || unmatched_rules(&settings.policy, &settings.actors, &snapshot));
        for UnmatchedRule { key, message } in found.await.unwrap_or_default() {
            tracing::warn!(key, note = message, "A rule of the configuration matches nothing that Git declares");
        }
    }
}

/// Whether every source was read, and every application seen.
fn is_all_known(handler: &AdmissionHandler, discovery: &watch::Receiver<DiscoverySettings>) -> bool {
    let is_off = discovery.borrow().is_off();
    let watches = handler.watches.states();
    let are_seen = is_off || (!watches.is_empty() && watches.values().all(|watch| watch.is_in_step));
    handler.store.snapshot().is_complete() && are_seen
}
