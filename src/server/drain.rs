//! Ending in order: the phases, and the signals that bring them about.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Taking reviews.
    Serving,
    /// Still taking reviews, though no longer ready: endpoints need their time
    /// to spread, and the API server holds on to the connections it has. Each
    /// answer tells the client to close its connection.
    Draining,
    /// Taking no more connections; what is in flight is answered.
    Stopping,
}

/// Two futures: the first is done at the first SIGTERM or SIGINT, the second at
/// the second. They are what [`super::Server::run`] takes.
///
/// # Errors
///
/// Where the process may not listen for signals.
pub fn signals() -> io::Result<(impl Future<Output = ()> + Send + use<>, impl Future<Output = ()> + Send + use<>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (count, seen) = watch::channel(0_u8);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            count.send_modify(|count| *count = count.saturating_add(1));
        }
    });
    Ok((reached(seen.clone(), 1), reached(seen, 2)))
}

async fn reached(mut seen: watch::Receiver<u8>, want: u8) {
    if seen.wait_for(|count| *count >= want).await.is_err() {
        // The counting task only ends with the runtime; that is no signal.
        std::future::pending::<()>().await;
    }
}
