//! Accepts connections: a bounded number, and never stopped by one that fails.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::Instrument as _;

use super::activity::ConnectionActivity;
use super::connection::{self, Origin, Protocol};
use super::drain::ServingPhase;
use super::peer::{Peer, share_of};
use super::service::Service;
use super::settings::Timeouts;
use crate::certs::handshake_failure;
use crate::telemetry::{LogLimiter, Metrics};

/// An open port, and what is served there.
pub(super) struct Listener<S> {
    pub(super) socket: TcpListener,
    pub(super) transport: Transport,
    pub(super) service: S,
    pub(super) timeouts: Timeouts,
    /// How many connections may be open; beyond that, idle ones make room for new ones.
    pub(super) max_connections: usize,
    /// How many of one peer may be open that have not asked for a path that only API servers know.
    pub(super) max_strangers: usize,
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
/// What is read at once of a connection with TLS.
const READ_BUFFER: usize = 16 * 1024;
/// How often it is looked for an idle connection that can make room.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(50);

impl<S: Service> Listener<S> {
    /// Accepts until the phase is [`ServingPhase::Stopping`], then waits for open
    /// connections to end.
    pub(super) async fn serve(self, phase: watch::Receiver<ServingPhase>) {
        let Self { socket, transport, service, timeouts, max_connections, max_strangers } = self;
        let handler = Arc::new(ConnectionHandler {
            transport,
            service,
            timeouts,
            handshake_log: LogLimiter::every(Duration::from_secs(5)),
            http2: Arc::new(Semaphore::new(connection::MAX_HTTP2)),
        });
        let accept_log = LogLimiter::every(Duration::from_secs(5));
        let mut stop = phase.clone();
        let mut stop = std::pin::pin!(stop.wait_for(|phase| *phase == ServingPhase::Stopping));
        let mut connections = OpenConnections::new(max_connections, max_strangers);
        loop {
            let (stream, address, permit) = tokio::select! {
                biased;
                _ = &mut stop => break,
                accepted = connections.accept(&socket, &accept_log) => accepted,
            };
            let handler = Arc::clone(&handler);
            let phase = phase.clone();
            let span = tracing::info_span!("connection", client = %address);
            let peer = Peer::of(address);
            connections.spawn(peer, |activity| {
                async move {
                    handler.handle(stream, Origin::new(peer, activity), phase).await;
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
    max_strangers: usize,
    max_per_peer: usize,
}

struct OpenConnection {
    peer: Peer,
    activity: Arc<ConnectionActivity>,
    task: AbortHandle,
}

impl OpenConnections {
    fn new(max_connections: usize, max_strangers: usize) -> Self {
        let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        let max_per_peer = share_of(max_connections);
        Self { tasks: JoinSet::new(), by_task: HashMap::new(), permits, max_strangers, max_per_peer }
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        peer: Peer,
        serve: impl FnOnce(Arc<ConnectionActivity>) -> F,
    ) {
        let activity = ConnectionActivity::new();
        let task = self.tasks.spawn(serve(Arc::clone(&activity)));
        self.by_task.insert(task.id(), OpenConnection { peer, activity, task });
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
        self.make_room_for(Peer::of(peer));
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return (stream, peer, permit);
            }
            if log.allows() {
                tracing::warn!("Connection limit reached, idle ones closed");
            }
            self.close_longest_idle(|_| true);
            // The closed one is gone in a moment; where none was idle, another may end.
            let released = self.permits.acquire();
            let _ = timeout(ROOM_CHECK_INTERVAL, released).await;
        }
    }

    /// Keeps the places of one peer from becoming all. API servers may share an address with
    /// others (behind a load balancer, or on a node), so what one of them has opened and used stays;
    /// of the rest, the oldest goes.
    fn make_room_for(&mut self, peer: Peer) {
        let of_peer = self.by_task.iter().filter(|(_, open)| open.peer == peer);
        let (mut all, mut strangers) = (0, 0);
        let mut oldest = None;
        for (id, open) in of_peer {
            all += 1;
            if open.activity.is_stranger() {
                strangers += 1;
                oldest = oldest.max(Some((open.activity.open_for(), *id)));
            }
        }
        if strangers >= self.max_strangers
            && let Some((_, id)) = oldest
        {
            self.close(id);
        } else if all >= self.max_per_peer {
            self.close_longest_idle(|open| open.peer == peer);
        }
    }

    /// Closes the one that has been idle longest, a stranger's first.
    fn close_longest_idle(&mut self, is_candidate: impl Fn(&OpenConnection) -> bool) {
        let candidates = self.by_task.iter().filter(|(_, open)| is_candidate(open));
        let idle = candidates.filter_map(|(id, open)| {
            let idle = open.activity.idle_for()?;
            Some(((open.activity.is_stranger(), idle), *id))
        });
        if let Some((_, id)) = idle.max_by_key(|(rank, _)| *rank) {
            self.close(id);
        }
    }

    /// Each is closed once, also where it takes a moment to end.
    fn close(&mut self, id: Id) {
        if let Some(open) = self.by_task.remove(&id) {
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
struct ConnectionHandler<S> {
    transport: Transport,
    service: S,
    timeouts: Timeouts,
    handshake_log: LogLimiter,
    /// HTTP/2 connections that may be open.
    http2: Arc<Semaphore>,
}

impl<S: Service> ConnectionHandler<S> {
    async fn handle(&self, stream: TcpStream, origin: Origin, phase: watch::Receiver<ServingPhase>) {
        // A response is one small write: waiting to fill a packet would only delay it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "Failed to set TCP_NODELAY");
        }
        let service = self.service.clone();
        let Transport::Tls(config, metrics) = &self.transport else {
            return connection::serve(stream, Protocol::Http1, service, origin, phase, self.timeouts).await;
        };
        let _guard = ConnectionGuard::count(Arc::clone(metrics));
        // Where no more may speak HTTP/2, the client is offered HTTP/1.1 only.
        let http2 = Arc::clone(&self.http2).try_acquire_owned().ok();
        let config = if http2.is_some() { config.load_full() } else { without_http2(&config.load()) };
        let acceptor = TlsAcceptor::from(config);
        // The TLS library reads 4 KiB at a time, which is half a review.
        let stream = BufReader::with_capacity(READ_BUFFER, stream);
        match timeout(self.timeouts.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let (protocol, _http2) = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => (Protocol::Http2, http2),
                    _ => (Protocol::Http1, None),
                };
                connection::serve(stream, protocol, service, origin, phase, self.timeouts).await;
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
            tracing::warn!(error = %handshake_failure(error), "TLS handshake failed");
        } else {
            tracing::debug!(error = %handshake_failure(error), "TLS handshake failed");
        }
    }
}

fn without_http2(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols.retain(|protocol| protocol != b"h2");
    Arc::new(config)
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
