//! What a cluster is asked for, and told, while reviews are judged: broken glass, and Events.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{self, Receiver};

use super::reload::ClusterSettings;
use crate::admission::AdmissionHandler;
use crate::cluster::{self, ClusterContext, Recorder};

/// Follows what glass is broken, and records what happens, as the configuration has
/// it at any moment; for as long as it is polled.
pub(crate) async fn stand_by(
    home: ClusterContext,
    wall: Arc<AdmissionHandler>,
    mut in_cluster: Receiver<ClusterSettings>,
) {
    let recorder = Recorder::spawn(&home);
    let (longest, longest_now) = watch::channel(None);
    let broken = Arc::clone(&wall);
    let following =
        cluster::break_glass::watch(home, longest_now, move |break_glasses| broken.break_glass(break_glasses));
    let renewing = async {
        loop {
            let ClusterSettings { break_glass, events, .. } = in_cluster.borrow_and_update().clone();
            let is_new = |now: &mut Option<Duration>| {
                let next = break_glass.enabled.then_some(break_glass.max_duration);
                std::mem::replace(now, next) != next
            };
            longest.send_if_modified(is_new);
            wall.record(events.then(|| recorder.clone()));
            if in_cluster.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::join!(following, renewing);
}
