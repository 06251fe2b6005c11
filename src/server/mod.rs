//! The webhook's server: routes, TLS, limits, probes and an end in order.
//!
//! It knows nothing of how a review is judged: a [`Reviewer`] answers, a
//! [`Health`] tells how the sources are.

mod activity;
mod admin;
mod app;
mod body;
mod cert_reload;
mod connection;
mod drain;
mod listener;
mod probe;
mod rejection;
mod timeout;
mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use cert_reload::CertificateReloader;
use drain::Phase;
use listener::{Listener, Transport};

pub use app::{Bounds, app};
pub use drain::signals;
pub use probe::{ProbeError, probe};
pub use tls::{CertificateSource, TlsError};

use crate::telemetry::Metrics;
pub use crate::telemetry::{Health, ReviewLabels, SourceHealth};

/// What the server asks of its owner: one review in, one answer out. Never
/// fails: whatever cannot be judged is an answer too.
pub trait Reviewer: Send + Sync + 'static {
    /// Answers the review in `body` before the deadline.
    fn review(&self, body: Bytes, deadline: Instant) -> impl Future<Output = ReviewResponse> + Send;
    /// The answer where `review` did not finish before the deadline.
    fn overdue(&self, body: &Bytes) -> ReviewResponse;
}

/// An answer to a review.
#[derive(Clone, Debug)]
pub struct ReviewResponse {
    /// 200 wherever the body is an `AdmissionReview`.
    pub status: StatusCode,
    /// JSON.
    pub body: Vec<u8>,
    /// How it is counted; none where the body was no review.
    pub labels: Option<ReviewLabels>,
}

/// How a server is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the webhook listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where probes and metrics are asked for, without TLS.
    pub admin: SocketAddr,
    /// The serving certificate.
    pub certificate: CertificateSource,
    /// Certificates of which one must have signed a client's, in a PEM file.
    /// Without it any client is served.
    pub client_ca: Option<PathBuf>,
    /// Bounds of what is read and worked on.
    pub bounds: Bounds,
    /// How many connections of the webhook may be open; more wait.
    pub connections: usize,
    /// How long things may take.
    pub times: Times,
}

impl Settings {
    /// Every setting at its default.
    pub fn new(certificate: CertificateSource) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)),
            admin: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            certificate,
            client_ca: None,
            bounds: Bounds::default(),
            connections: 4096,
            times: Times::default(),
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// A TLS handshake.
    pub handshake: Duration,
    /// A request's head, from its first byte.
    pub head: Duration,
    /// A connection without a request. The API server gives up its own after
    /// 90 seconds; closing earlier than it could cross a review on its way.
    pub idle: Duration,
    /// A connection altogether, so that new replicas receive load.
    pub max_age: Duration,
    /// Serving on after the signal to end.
    pub drain: Duration,
    /// Finishing what is in flight after that.
    pub finish: Duration,
    /// Between two looks at the certificate.
    pub certificate_look: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_mins(3),
            max_age: Duration::from_mins(10),
            drain: Duration::from_secs(10),
            finish: Duration::from_secs(20),
            certificate_look: Duration::from_secs(2),
        }
    }
}

/// Why a server cannot begin, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting can only be a slip: with it nothing would be served.
    #[error("failed to begin: {0} must not be zero")]
    Zero(&'static str),
    /// The certificate cannot be served.
    #[error("failed to prepare TLS")]
    Tls(#[from] TlsError),
    /// A port cannot be opened.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A part that runs as long as the server ended before it.
    #[error("failed to keep serving: the {part} ended")]
    Ended {
        /// The part.
        part: &'static str,
        /// How it ended, where it panicked.
        source: Option<JoinError>,
    },
}

/// A server whose ports are open and whose certificate is read.
pub struct Server {
    webhook: Listener,
    admin: Listener,
    addresses: [SocketAddr; 2],
    follower: CertificateReloader,
    phase: watch::Sender<Phase>,
    times: Times,
}

/// Probes and scrapes need few.
const ADMIN_CONNECTIONS: usize = 64;

impl Server {
    /// Checks everything that can be checked, and opens the ports.
    pub async fn bind<R: Reviewer>(
        settings: Settings,
        reviewer: Arc<R>,
        health: Arc<dyn Health>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let Settings { listen, admin, certificate, client_ca, bounds, connections, times } = settings;
        not_zero(bounds, connections, times)?;
        let origin = tls::Origin { certificate, client_ca };
        let follower = CertificateReloader::begin(origin, Arc::clone(&metrics)).await?;
        let (webhook_listener, webhook_address) = open(listen).await?;
        let (admin_listener, admin_address) = open(admin).await?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let webhook = Listener {
            listener: webhook_listener,
            transport: Transport::Tls(follower.current(), Arc::clone(&metrics)),
            app: app(reviewer, Arc::clone(&metrics), bounds),
            times,
            connections,
        };
        let admin = Listener {
            listener: admin_listener,
            transport: Transport::Plain,
            app: admin::app(admin::Admin { health, metrics, phase: phases }),
            times,
            connections: ADMIN_CONNECTIONS,
        };
        Ok(Self { webhook, admin, addresses: [webhook_address, admin_address], follower, phase, times })
    }

    /// Where the webhook listens.
    pub fn webhook_address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where probes and metrics are asked for.
    pub fn admin_address(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// Serves until `shutdown` is done, then ends in order: unready, serving on
    /// for the drain period, then finishing what is in flight. Where `at_once`
    /// is done, it ends without any of that. [`signals`] makes both.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()>,
        at_once: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let Self { webhook, admin, addresses: [webhook_address, admin_address], follower, phase, times } = self;
        tracing::info!(webhook = %webhook_address, admin = %admin_address, "Serving");
        // The probes are answered to the very end: their phase never changes.
        let (_forever, always) = watch::channel(Phase::Serving);
        // Dropping a set ends its tasks.
        let mut helpers = JoinSet::new();
        helpers.spawn(admin.serve(always));
        helpers.spawn(follower.follow(times.certificate_look));
        let mut main = JoinSet::new();
        main.spawn(webhook.serve(phase.subscribe()));

        let in_order = async {
            tokio::select! {
                () = shutdown => {}
                ended = main.join_next() => return Err(ended_early("webhook", ended)),
            }
            tracing::info!(period = ?times.drain, "Draining");
            phase.send_replace(Phase::Draining);
            sleep(times.drain).await;
            tracing::info!("Finishing");
            phase.send_replace(Phase::Stopping);
            if timeout(times.finish, main.join_next()).await.is_err() {
                tracing::warn!("Some connections did not end in time");
            }
            Ok(())
        };
        tokio::select! {
            biased;
            () = at_once => {
                tracing::warn!("Ending at once");
                Ok(())
            }
            ended = in_order => ended,
            ended = helpers.join_next() => Err(ended_early("admin port or certificate look", ended)),
        }
    }
}

fn ended_early(part: &'static str, ended: Option<Result<(), JoinError>>) -> ServeError {
    let source = ended.and_then(Result::err);
    ServeError::Ended { part, source }
}

fn not_zero(bounds: Bounds, connections: usize, times: Times) -> Result<(), ServeError> {
    let Times {
        handshake,
        head,
        idle,
        max_age,
        // Without a drain period, the end just comes sooner.
        drain: _,
        finish: _,
        certificate_look,
    } = times;
    let checks = [
        ("the body limit", bounds.body == 0),
        ("the number of reviews in flight", bounds.in_flight == 0),
        ("the number of connections", connections == 0),
        ("the handshake time-out", handshake.is_zero()),
        ("the head time-out", head.is_zero()),
        ("the idle time-out", idle.is_zero()),
        ("the connections' greatest age", max_age.is_zero()),
        ("the certificate interval", certificate_look.is_zero()),
    ];
    match checks.into_iter().find(|(_, zero)| *zero) {
        Some((setting, _)) => Err(ServeError::Zero(setting)),
        None => Ok(()),
    }
}

async fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
