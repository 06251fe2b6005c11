//! One connection: its requests, and when it has to end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::activity::{ConnectionActivity, TrackedStream};
use super::drain::ServingPhase;
use super::peer::Peer;
use super::service::Service;
use super::settings::Timeouts;
use crate::jitter;

/// The protocol that the TLS handshake agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// How long a connection stays open after accepting has ended, for a request that
/// the client may have sent already.
const STOPPING_GRACE: Duration = Duration::from_secs(1);
/// How long a connection may take to shut down before it is aborted: longer than the
/// longest review.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(40);
/// How often HTTP/2 clients are pinged, and how long they may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// HTTP/2 connections that may be open at once: each may hold what its window lets in.
pub(super) const MAX_HTTP2: usize = 32;
/// What an HTTP/2 client may send before it is read: more than several bodies that wait for
/// their turn, so that a small one is not held up by them.
const HTTP2_WINDOW: u32 = 1024 * 1024;
/// The same for one request.
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
/// Requests of one HTTP/2 connection at a time; an API server that has more opens another one.
const HTTP2_STREAMS: u32 = 64;
/// How long the headers of an HTTP/2 request may be: those of an API server take a few hundred
/// bytes, and each request that is not answered yet keeps its own.
const HTTP2_HEADERS: u32 = 8 * 1024;
/// What is read at once of an HTTP/1 connection, and how long its headers may be.
const HTTP1_BUFFER: usize = 32 * 1024;

/// From whom a request comes, and by which connection.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) peer: Peer,
    activity: Arc<ConnectionActivity>,
}

impl Origin {
    pub(super) fn new(peer: Peer, activity: Arc<ConnectionActivity>) -> Self {
        Self { peer, activity }
    }

    /// Notes that the client is no stranger.
    pub(super) fn mark_known(&self) {
        self.activity.mark_known();
    }

    /// Notes that the client asked for something that no API server asks for.
    pub(super) fn mark_refused(&self) {
        self.activity.mark_refused();
    }
}

/// Serves a connection until it ends, or its supervisor ends it.
pub(super) async fn serve<I>(
    stream: I,
    protocol: Protocol,
    service: impl Service,
    origin: Origin,
    phase: watch::Receiver<ServingPhase>,
    timeouts: Timeouts,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::clone(&origin.activity);
    let io = TokioIo::new(TrackedStream::new(stream, Arc::clone(&activity)));
    let service = service_fn(move |request| answer(service.clone(), request, origin.clone()));
    let builder = builder(protocol);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut supervisor = ConnectionSupervisor::new(protocol, activity, phase, timeouts);
    loop {
        tokio::select! {
            // A request that has arrived is served before the supervisor checks the time-outs.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "Connection failed");
                }
                return;
            }
            action = supervisor.next_action() => match action {
                SupervisorAction::Abort(reason) => {
                    tracing::debug!(reason, "Connection aborted");
                    return;
                }
                SupervisorAction::ShutDown => connection.as_mut().graceful_shutdown(),
            }
        }
    }
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The supervisor times headers out; see `ConnectionActivity`.
    builder.http1().header_read_timeout(None).max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .initial_connection_window_size(HTTP2_WINDOW)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .max_concurrent_streams(HTTP2_STREAMS)
        .max_header_list_size(HTTP2_HEADERS);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}

async fn answer(
    service: impl Service,
    mut request: Request<Incoming>,
    origin: Origin,
) -> Result<axum::response::Response, Infallible> {
    let activity = Arc::clone(&origin.activity);
    let _guard = activity.begin_request();
    let version = request.version();
    request.extensions_mut().insert(origin);
    let mut response = service.answer(request).await;
    if version <= Version::HTTP_11 && activity.is_closing() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// What a supervisor wants of its connection.
enum SupervisorAction {
    /// Drop the connection, whatever it is doing.
    Abort(&'static str),
    /// Answer what is in flight, then close.
    ShutDown,
}

/// Ends a connection that is too slow, idle or old, or whose server shuts down.
struct ConnectionSupervisor {
    protocol: Protocol,
    activity: Arc<ConnectionActivity>,
    phase: watch::Receiver<ServingPhase>,
    timeouts: Timeouts,
    opened: Instant,
    max_age: Duration,
    /// Since when the server takes no more connections.
    stopping_since: Option<Instant>,
    /// Since when this connection shuts down.
    shutting_down_since: Option<Instant>,
    tick: Interval,
}

impl ConnectionSupervisor {
    fn new(
        protocol: Protocol,
        activity: Arc<ConnectionActivity>,
        phase: watch::Receiver<ServingPhase>,
        timeouts: Timeouts,
    ) -> Self {
        let shortest = timeouts.headers.min(timeouts.idle).min(timeouts.max_connection_age);
        let check_interval = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut tick = interval(check_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut supervisor = Self {
            protocol,
            activity,
            phase,
            timeouts,
            opened: Instant::now(),
            // Up to a tenth less, so that connections that begin together do not end together.
            max_age: jitter::between(timeouts.max_connection_age.mul_f64(0.9), timeouts.max_connection_age),
            stopping_since: None,
            shutting_down_since: None,
            tick,
        };
        // Before the first response, which may already have to say that the connection closes.
        supervisor.follow_phase();
        supervisor
    }

    /// Waits until the connection has to end.
    async fn next_action(&mut self) -> SupervisorAction {
        loop {
            tokio::select! {
                changed = self.phase.changed() => if changed.is_err() {
                    return SupervisorAction::Abort("server gone");
                },
                _ = self.tick.tick() => {}
            }
            if let Some(action) = self.check() {
                return action;
            }
        }
    }

    fn check(&mut self) -> Option<SupervisorAction> {
        self.follow_phase();
        if let Some(since) = self.shutting_down_since {
            let is_overdue = since.elapsed() > SHUTDOWN_TIMEOUT;
            return is_overdue.then_some(SupervisorAction::Abort("shutdown too slow"));
        }
        // The answer of HTTP/1 closes the connection; of HTTP/2 there may be many at once, and more on the way.
        if self.protocol == Protocol::Http2 && self.activity.is_refused() {
            return Some(SupervisorAction::Abort("no API server"));
        }
        // HTTP/2 sends frames between requests, and pings find a dead client.
        let receiving_headers_for = match self.protocol {
            Protocol::Http1 => self.activity.receiving_headers_for(),
            Protocol::Http2 => None,
        };
        if let Some(duration) = receiving_headers_for {
            // Not shut down in the middle of a request; its response closes the connection if that is due.
            let is_overdue = duration > self.timeouts.headers;
            return is_overdue.then_some(SupervisorAction::Abort("headers too slow"));
        }
        let is_idle = self.activity.idle_for().is_some_and(|idle| idle > self.timeouts.idle);
        let is_due = match self.protocol {
            // Closing between two requests may cross with the next one on its way, so an
            // old connection is left to its next response, or to the idle time-out.
            Protocol::Http1 => is_idle || self.stopping_since.is_some_and(|since| since.elapsed() >= STOPPING_GRACE),
            // With a GOAWAY frame no request gets lost.
            Protocol::Http2 => is_idle || self.is_old() || self.stopping_since.is_some(),
        };
        if !is_due {
            return None;
        }
        self.activity.close();
        self.shutting_down_since = Some(Instant::now());
        Some(SupervisorAction::ShutDown)
    }

    /// Makes the next responses close the connection if the server drains or the connection is old.
    fn follow_phase(&mut self) {
        let phase = *self.phase.borrow_and_update();
        if phase > ServingPhase::Serving || self.is_old() {
            self.activity.close();
        }
        if phase == ServingPhase::Stopping && self.stopping_since.is_none() {
            self.stopping_since = Some(Instant::now());
            self.tick = interval(STOPPING_GRACE / 10);
        }
    }

    fn is_old(&self) -> bool {
        self.opened.elapsed() > self.max_age
    }
}
