//! Graceful shutdown: its phases, and the signals that start it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How far the shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServingPhase {
    /// Taking reviews.
    Serving,
    /// Still taking reviews, though no longer ready: the Endpoints need time to
    /// propagate, and the API server keeps using the connections that it has. Each
    /// response tells the client to close its connection.
    Draining,
    /// Taking no more connections; what is in flight is answered.
    Stopping,
}

/// Two futures: the first completes at the first SIGTERM or SIGINT, the second at
/// the second. They are what [`super::Server::run`] takes.
///
/// # Errors
///
/// If the process cannot listen for signals.
pub fn shutdown_signals()
-> io::Result<(impl Future<Output = ()> + Send + use<>, impl Future<Output = ()> + Send + use<>)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(0_u8);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            sender.send_modify(|count| *count = count.saturating_add(1));
        }
    });
    Ok((reaches(receiver.clone(), 1), reaches(receiver, 2)))
}

async fn reaches(mut received: watch::Receiver<u8>, expected: u8) {
    if received.wait_for(|count| *count >= expected).await.is_err() {
        // The counting task ends only with the runtime, which is no signal.
        std::future::pending::<()>().await;
    }
}
