//! What a cluster is asked for, and told, while reviews are judged: broken glass, and Events.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch::{self, Receiver};

use super::running::InCluster;
use super::wall::Wall;
use crate::cluster::{Home, Recorder, follow_glass};

/// Follows what glass is broken, and records what happens, as the configuration has
/// it at any moment; for as long as it is polled.
pub(super) async fn stand_by(home: Home, wall: Arc<Wall>, mut in_cluster: Receiver<InCluster>) {
    let recorder = Recorder::begin(&home);
    let (longest, longest_now) = watch::channel(None);
    let broken = Arc::clone(&wall);
    let following = follow_glass(home, longest_now, move |glasses| broken.break_glass(glasses));
    let renewing = async {
        loop {
            let InCluster { break_glass, events, .. } = in_cluster.borrow_and_update().clone();
            let is_new = |now: &mut Option<Duration>| {
                let next = break_glass.enabled.then_some(break_glass.longest);
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
