//! Accepting connections: bounded, and never stopped by a failing one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::Instrument as _;

use super::Times;
use super::connection::{self, Protocol};
use super::drain::Phase;
use crate::telemetry::LogLimiter;
use crate::telemetry::Metrics;

/// A port that is open, and what is served behind it.
pub(super) struct Listener {
    pub(super) listener: TcpListener,
    pub(super) transport: Transport,
    pub(super) app: Router,
    pub(super) times: Times,
    /// How many connections may be open; more wait unaccepted.
    pub(super) connections: usize,
}

/// How bytes travel.
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    /// With the configuration of the moment. Its connections are counted.
    Tls(Arc<ArcSwap<ServerConfig>>, Arc<Metrics>),
}

/// Where the process is out of file handles, others free some in this time.
const BACK_OFF: Duration = Duration::from_millis(100);

impl Listener {
    /// Accepts until the phase is [`Phase::Stopping`], then waits for the
    /// connections that are open.
    pub(super) async fn serve(self, phase: watch::Receiver<Phase>) {
        let Self { listener, transport, app, times, connections } = self;
        let places = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        let visitor = Arc::new(ConnectionHandler {
            transport,
            app,
            times,
            handshake_log: LogLimiter::every(Duration::from_secs(5)),
        });
        let accept_log = LogLimiter::every(Duration::from_secs(5));
        let mut stop = phase.clone();
        let mut stop = std::pin::pin!(stop.wait_for(|phase| *phase == Phase::Stopping));
        let mut visits = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = &mut stop => break,
                Some(ended) = visits.join_next(), if !visits.is_empty() => report(ended),
                (stream, peer, place) = accept(&listener, &places, &accept_log) => {
                    let visitor = Arc::clone(&visitor);
                    let phase = phase.clone();
                    let span = tracing::info_span!("connection", client = %peer);
                    visits.spawn(async move {
                        visitor.visit(stream, phase).await;
                        drop(place);
                    }.instrument(span));
                }
            }
        }
        // Whoever comes now is refused at once and goes to another replica.
        drop(listener);
        while let Some(ended) = visits.join_next().await {
            report(ended);
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "Connection panicked");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    log: &LogLimiter,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let place = take_place(places, log).await;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                if is_of_one_client(&error) {
                    continue;
                }
                if log.allows() {
                    tracing::warn!(%error, "Failed to accept a connection, trying again");
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

async fn take_place(places: &Arc<Semaphore>, log: &LogLimiter) -> OwnedSemaphorePermit {
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        return place;
    }
    if log.allows() {
        tracing::warn!("Too many connections, new ones wait");
    }
    Arc::clone(places).acquire_owned().await.expect("nobody closes the semaphore")
}

/// Whether only the connection being accepted failed, so that the next can follow.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// What every connection of a door shares.
struct ConnectionHandler {
    transport: Transport,
    app: Router,
    times: Times,
    handshake_log: LogLimiter,
}

impl ConnectionHandler {
    async fn visit(&self, stream: TcpStream, phase: watch::Receiver<Phase>) {
        // Answers are one small write: waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "Failed to set TCP_NODELAY");
        }
        let app = self.app.clone();
        let Transport::Tls(config, metrics) = &self.transport else {
            return connection::serve(stream, Protocol::Http1, app, phase, self.times).await;
        };
        let _open = Open::count(Arc::clone(metrics));
        let acceptor = TlsAcceptor::from(config.load_full());
        match timeout(self.times.handshake, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                connection::serve(stream, protocol, app, phase, self.times).await;
            }
            Ok(Err(error)) => self.handshake_failed(metrics, &error),
            Err(_) => self.handshake_failed(metrics, &io::ErrorKind::TimedOut.into()),
        }
    }

    fn handshake_failed(&self, metrics: &Metrics, error: &io::Error) {
        metrics.handshake_failures.inc();
        // Port scans and probes just leave; a client that speaks and refuses,
        // say because of a stale CA bundle, is worth a line.
        if error.kind() == io::ErrorKind::InvalidData && self.handshake_log.allows() {
            tracing::warn!(%error, "TLS handshake failed");
        } else {
            tracing::debug!(%error, "TLS handshake failed");
        }
    }
}

/// An open connection of the webhook, as the metrics count it.
struct Open(Arc<Metrics>);

impl Open {
    fn count(metrics: Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_file_handles_is_backed_off_from() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        assert!(!is_of_one_client(&io::Error::from_raw_os_error(EMFILE)));
        assert!(is_of_one_client(&io::Error::from_raw_os_error(ECONNABORTED)));
    }
}
