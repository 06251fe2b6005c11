//! Waiting, with an end: a test that hangs fails.

use std::time::{Duration, Instant};

/// Nothing in these tests takes long; what takes this long hangs.
pub(crate) const HANG: Duration = Duration::from_mins(2);

/// Awaits what must not hang.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANG, future).await.expect("it should not hang")
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < HANG, "{what}: not within {HANG:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
