//! One connection's life: its requests, and when it ends.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tower::ServiceExt as _;

use super::Times;
use super::activity::{ConnectionActivity, Watched};
use super::drain::Phase;

/// The protocol that was agreed on in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// After the end of accepting, a new connection gets this long to bring its
/// request: the client may have been sending it already.
const LINGER: Duration = Duration::from_secs(1);
/// A connection that was asked to end is cut off after this long: longer than
/// the longest review.
const PARTING: Duration = Duration::from_secs(40);
/// An HTTP/2 client that answers no ping for this long is gone.
const PING: Duration = Duration::from_secs(20);

/// Serves a connection until it ends, or has to.
pub(super) async fn serve<S>(stream: S, protocol: Protocol, app: Router, phase: watch::Receiver<Phase>, times: Times)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pulse = ConnectionActivity::new();
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&pulse)));
    let answering = Arc::clone(&pulse);
    let service = service_fn(move |request| answer(app.clone(), request, Arc::clone(&answering)));
    let builder = builder(protocol);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut keeper = Keeper::new(protocol, pulse, phase, times);
    loop {
        tokio::select! {
            // What has arrived is served before the connection is judged.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "Connection broke off");
                }
                return;
            }
            step = keeper.step() => match step {
                Step::CutOff(reason) => {
                    tracing::debug!(reason, "Connection cut off");
                    return;
                }
                Step::Part => connection.as_mut().graceful_shutdown(),
            }
        }
    }
}

fn builder(protocol: Protocol) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The keeper watches over heads; see `ConnectionActivity`.
    builder.http1().header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_header_list_size(16 * 1024);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
    }
}

async fn answer(
    app: Router,
    request: Request<Incoming>,
    pulse: Arc<ConnectionActivity>,
) -> Result<axum::response::Response, Infallible> {
    let _beat = pulse.request();
    let version = request.version();
    let mut response = app.oneshot(request).await?;
    if version <= Version::HTTP_11 && pulse.is_closing() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// What a keeper asks for.
enum Step {
    /// Drop the connection as it is.
    CutOff(&'static str),
    /// Answer what is in flight, then close.
    Part,
}

/// Watches over a connection's times.
struct Keeper {
    protocol: Protocol,
    pulse: Arc<ConnectionActivity>,
    phase: watch::Receiver<Phase>,
    times: Times,
    born: Instant,
    max_age: Duration,
    stopping: Option<Instant>,
    parted: Option<Instant>,
    tick: Interval,
}

impl Keeper {
    fn new(protocol: Protocol, pulse: Arc<ConnectionActivity>, phase: watch::Receiver<Phase>, times: Times) -> Self {
        let shortest = times.head.min(times.idle).min(times.max_age);
        let every = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut keeper = Self {
            protocol,
            pulse,
            phase,
            times,
            born: Instant::now(),
            max_age: jittered(times.max_age),
            stopping: None,
            parted: None,
            tick,
        };
        // The first request's answer must know already.
        keeper.mark();
        keeper
    }

    /// The next thing that the connection has to do.
    async fn step(&mut self) -> Step {
        loop {
            tokio::select! {
                changed = self.phase.changed() => if changed.is_err() {
                    return Step::CutOff("server gone");
                },
                _ = self.tick.tick() => {}
            }
            if let Some(step) = self.look() {
                return step;
            }
        }
    }

    fn look(&mut self) -> Option<Step> {
        self.mark();
        if let Some(parted) = self.parted {
            return (parted.elapsed() > PARTING).then_some(Step::CutOff("parting too long"));
        }
        // HTTP/2 has frames between requests, and pings that tell a dead client.
        let head = match self.protocol {
            Protocol::Http1 => self.pulse.head_for(),
            Protocol::Http2 => None,
        };
        if let Some(head) = head {
            // Its answer closes the connection where that is due.
            return (head > self.times.head).then_some(Step::CutOff("head too slow"));
        }
        let idle = self.pulse.idle_for().is_some_and(|i| i > self.times.idle);
        let due = match self.protocol {
            // Closing between two requests may cross the next one on its way, so
            // an old connection is left to its next answer, or to the idle time.
            Protocol::Http1 => idle || self.stopping.is_some_and(|s| s.elapsed() >= LINGER),
            // A GOAWAY loses nothing.
            Protocol::Http2 => idle || self.is_old() || self.stopping.is_some(),
        };
        if !due {
            return None;
        }
        self.pulse.close();
        self.parted = Some(Instant::now());
        Some(Step::Part)
    }

    /// Notes what the coming answers must say.
    fn mark(&mut self) {
        let phase = *self.phase.borrow_and_update();
        if phase > Phase::Serving || self.is_old() {
            self.pulse.close();
        }
        if phase == Phase::Stopping && self.stopping.is_none() {
            self.stopping = Some(Instant::now());
            self.tick = interval(LINGER / 10);
        }
    }

    fn is_old(&self) -> bool {
        self.born.elapsed() > self.max_age
    }
}

/// Up to a tenth less, so that connections made together do not end together.
fn jittered(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1000;
    // Below a thousand, so it fits.
    age.saturating_sub(age / 10_000 * u32::try_from(random).unwrap_or_default())
}
