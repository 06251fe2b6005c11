//! What a task that acts on several watched values waits for.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Returns when one of the values changes, or after `poll_interval`.
pub(super) async fn any_change<A, B, C>(
    first: &mut watch::Receiver<A>,
    second: &mut watch::Receiver<B>,
    third: &mut watch::Receiver<C>,
    poll_interval: Duration,
) {
    let changed = async {
        // A channel whose sender is gone does not change any more; the timeout ends the wait.
        tokio::select! {
            Ok(()) = first.changed() => {}
            Ok(()) = second.changed() => {}
            Ok(()) = third.changed() => {}
            else => std::future::pending().await,
        }
    };
    let _ = timeout(poll_interval, changed).await;
}
