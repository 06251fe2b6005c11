//! Accepts connections: a bounded number, and never stopped by one that fails.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::Instrument as _;

use super::activity::ConnectionActivity;
use super::connection::{self, Protocol};
use super::drain::ServingPhase;
use super::settings::Timeouts;
use crate::telemetry::{LogLimiter, Metrics};

/// An open port, and what is served there.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) transport: Transport,
    pub(super) app: Router,
    pub(super) timeouts: Timeouts,
    /// How many connections may be open; beyond that, idle ones make room for new ones.
    pub(super) max_connections: usize,
}

/// How bytes travel.
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    /// With the current configuration. These connections are counted.
    Tls(Arc<ArcSwap<ServerConfig>>, Arc<Metrics>),
}

/// How long to wait for others to close a file, if the process is out of file handles.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How often it is looked for an idle connection that can make room.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(50);

impl Listener {
    /// Accepts until the phase is [`ServingPhase::Stopping`], then waits for open
    /// connections to end.
    pub(super) async fn serve(self, phase: watch::Receiver<ServingPhase>) {
        let Self { socket, transport, app, timeouts, max_connections } = self;
        let handler = Arc::new(ConnectionHandler {
            transport,
            app,
            timeouts,
            handshake_log: LogLimiter::every(Duration::from_secs(5)),
        });
        let accept_log = LogLimiter::every(Duration::from_secs(5));
        let mut stop = phase.clone();
        let mut stop = std::pin::pin!(stop.wait_for(|phase| *phase == ServingPhase::Stopping));
        let mut connections = OpenConnections::new(max_connections);
        loop {
            let (stream, peer, permit) = tokio::select! {
                biased;
                _ = &mut stop => break,
                accepted = connections.accept(&socket, &accept_log) => accepted,
            };
            let handler = Arc::clone(&handler);
            let phase = phase.clone();
            let span = tracing::info_span!("connection", client = %peer);
            connections.spawn(|activity| {
                async move {
                    handler.handle(stream, activity, phase).await;
                    drop(permit);
                }
                .instrument(span)
            });
        }
        // New connections are refused at once now, and go to another replica.
        drop(socket);
        while connections.join_next().await {}
    }
}

/// The connections of a listener: a bounded number.
struct OpenConnections {
    tasks: JoinSet<()>,
    by_task: HashMap<Id, OpenConnection>,
    permits: Arc<Semaphore>,
}

struct OpenConnection {
    activity: Arc<ConnectionActivity>,
    task: AbortHandle,
}

impl OpenConnections {
    fn new(max_connections: usize) -> Self {
        let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Self { tasks: JoinSet::new(), by_task: HashMap::new(), permits }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(&mut self, serve: impl FnOnce(Arc<ConnectionActivity>) -> F) {
        let activity = ConnectionActivity::new();
        let task = self.tasks.spawn(serve(Arc::clone(&activity)));
        self.by_task.insert(task.id(), OpenConnection { activity, task });
    }

    /// Accepts the next connection. Where there are as many as there may be, one that
    /// has nothing to do makes room for it, the one that has been idle longest.
    async fn accept(
        &mut self,
        socket: &TcpListener,
        log: &LogLimiter,
    ) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        let (stream, peer) = loop {
            tokio::select! {
                true = self.join_next() => {}
                accepted = accept(socket, log) => break accepted,
            }
        };
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return (stream, peer, permit);
            }
            if log.allows() {
                tracing::warn!("Connection limit reached, idle ones closed");
            }
            self.close_longest_idle();
            // The closed one is gone in a moment; where none was idle, another may end.
            let released = self.permits.acquire();
            let _ = timeout(ROOM_CHECK_INTERVAL, released).await;
        }
    }

    /// Each is closed once, also where it takes a moment to end.
    fn close_longest_idle(&mut self) {
        let idle = self.by_task.iter().filter_map(|(id, open)| Some((open.activity.idle_for()?, *id)));
        if let Some((_, id)) = idle.max_by_key(|(idle, _)| *idle)
            && let Some(open) = self.by_task.remove(&id)
        {
            open.task.abort();
        }
    }

    /// Waits until a connection ends; `false` where there is none.
    async fn join_next(&mut self) -> bool {
        let Some(ended) = self.tasks.join_next_with_id().await else { return false };
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.by_task.remove(&id);
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%error, "Connection panicked");
        }
        true
    }
}

async fn accept(socket: &TcpListener, log: &LogLimiter) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                if concerns_one_client(&error) {
                    continue;
                }
                if log.allows() {
                    tracing::warn!(%error, "Connection not accepted, retrying");
                }
                sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// Whether only the connection being accepted failed, so that the next one can be accepted at once.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// What all connections of a listener share.
struct ConnectionHandler {
    transport: Transport,
    app: Router,
    timeouts: Timeouts,
    handshake_log: LogLimiter,
}

impl ConnectionHandler {
    async fn handle(&self, stream: TcpStream, activity: Arc<ConnectionActivity>, phase: watch::Receiver<ServingPhase>) {
        // A response is one small write: waiting to fill a packet would only delay it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "Failed to set TCP_NODELAY");
        }
        let app = self.app.clone();
        let Transport::Tls(config, metrics) = &self.transport else {
            return connection::serve(stream, Protocol::Http1, app, activity, phase, self.timeouts).await;
        };
        let _guard = ConnectionGuard::count(Arc::clone(metrics));
        let acceptor = TlsAcceptor::from(config.load_full());
        match timeout(self.timeouts.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                connection::serve(stream, protocol, app, activity, phase, self.timeouts).await;
            }
            Ok(Err(error)) => self.handshake_failed(metrics, &error),
            Err(_) => self.handshake_failed(metrics, &io::ErrorKind::TimedOut.into()),
        }
    }

    fn handshake_failed(&self, metrics: &Metrics, error: &io::Error) {
        metrics.handshake_failures.inc();
        // Port scans and TCP probes just close the connection; a client that answers with
        // an alert, because of a stale caBundle for example, is worth a log line.
        if error.kind() == io::ErrorKind::InvalidData && self.handshake_log.allows() {
            tracing::warn!(%error, "TLS handshake failed");
        } else {
            tracing::debug!(%error, "TLS handshake failed");
        }
    }
}

/// Counts an open connection to the webhook until it is dropped.
struct ConnectionGuard(Arc<Metrics>);

impl ConnectionGuard {
    fn count(metrics: Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_one_client_are_retried_without_delay() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        assert!(!concerns_one_client(&io::Error::from_raw_os_error(EMFILE)));
        assert!(concerns_one_client(&io::Error::from_raw_os_error(ECONNABORTED)));
    }
}
