//! The webhook's server: routes, TLS, limits, probes and graceful shutdown.
//!
//! It does not know how a review is evaluated: a [`Reviewer`] answers, and a
//! [`Health`] reports on the sources.

mod activity;
mod admin;
mod app;
mod body;
mod cert_reload;
mod connection;
mod drain;
mod in_flight;
mod incoming;
mod listener;
mod peer;
mod probe;
mod rejection;
mod review_paths;
mod reviewer;
mod service;
mod settings;
mod timeout;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use cert_reload::CertificateReloader;
use drain::ServingPhase;
use listener::{Listener, Transport};

pub use app::{Reviews, app};
pub use drain::shutdown_signals;
pub use probe::{ProbeError, probe};
pub use review_paths::ReviewPaths;
pub use reviewer::{HeadReason, ReviewPlace, ReviewResponse, Reviewer};
pub use service::Service;
pub use settings::{RequestLimits, ServerSettings, Timeouts};
pub use tls::{CertificateSource, TlsError};

use crate::telemetry::{Health, Metrics};

/// Why a server cannot start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A setting is zero with which nothing would be served.
    #[error("failed to start: {0} must not be zero")]
    Zero(&'static str),
    /// The certificate cannot be served.
    #[error("failed to prepare TLS")]
    Tls(#[from] TlsError),
    /// A port cannot be opened.
    #[error("failed to listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A task that runs as long as the server ended before it.
    #[error("failed to keep serving: the {task} ended")]
    TaskEnded {
        /// The task.
        task: &'static str,
        /// The panic, if that was the reason.
        source: Option<JoinError>,
    },
}

/// A server whose ports are open and whose certificate is loaded.
pub struct Server<S> {
    webhook: Listener<S>,
    admin: Listener<Router>,
    webhook_address: SocketAddr,
    admin_address: SocketAddr,
    certificate_reloader: CertificateReloader,
    phase: watch::Sender<ServingPhase>,
    timeouts: Timeouts,
}

/// Probes and scrapes need few.
const MAX_ADMIN_CONNECTIONS: usize = 64;
/// So that no pod takes the places of the probes.
const MAX_ADMIN_CONNECTIONS_OF_PEER: usize = 16;
/// So long may a connection to the admin port have nothing to do.
const MAX_ADMIN_IDLE: Duration = Duration::from_secs(5);

impl<R: Reviewer> Server<Reviews<R>> {
    /// Checks everything that can be checked, and opens the ports.
    ///
    /// # Errors
    ///
    /// If a setting is zero, the certificate cannot be served or a port cannot be opened.
    pub async fn bind(
        settings: ServerSettings,
        reviewer: Arc<R>,
        health: Arc<dyn Health>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServerError> {
        let reviews = Reviews::new(reviewer, Arc::clone(&metrics), settings.limits, settings.paths.clone());
        Self::bind_service(settings, reviews, health, metrics).await
    }
}

impl<S: Service> Server<S> {
    /// The same for something else than the webhook.
    ///
    /// # Errors
    ///
    /// As of [`Server::bind`].
    pub async fn bind_service(
        settings: ServerSettings,
        service: S,
        health: Arc<dyn Health>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServerError> {
        if let Some(setting) = settings.zero_setting() {
            return Err(ServerError::Zero(setting));
        }
        let ServerSettings {
            listen,
            admin,
            certificate,
            client_ca,
            limits: _,
            paths: _,
            max_connections,
            max_strangers,
            timeouts,
        } = settings;
        let tls_source = tls::TlsSource { certificate, client_ca };
        let certificate_reloader = CertificateReloader::load(tls_source, Arc::clone(&metrics)).await?;
        let (webhook_socket, webhook_address) = open(listen).await?;
        let (admin_socket, admin_address) = open(admin).await?;
        let (phase, phase_receiver) = watch::channel(ServingPhase::Serving);
        let webhook = Listener {
            socket: webhook_socket,
            transport: Transport::Tls(certificate_reloader.current(), Arc::clone(&metrics)),
            service,
            timeouts,
            max_connections,
            max_strangers,
        };
        let admin = Listener {
            socket: admin_socket,
            transport: Transport::Plain,
            service: admin::app(admin::AdminState { health, metrics, phase: phase_receiver }),
            timeouts: admin_timeouts(timeouts),
            max_connections: MAX_ADMIN_CONNECTIONS,
            max_strangers: MAX_ADMIN_CONNECTIONS_OF_PEER,
        };
        Ok(Self { webhook, admin, webhook_address, admin_address, certificate_reloader, phase, timeouts })
    }

    /// Where the webhook listens.
    pub fn webhook_address(&self) -> SocketAddr {
        self.webhook_address
    }

    /// Where probes and metrics are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Serves until `shutdown` completes, then shuts down gracefully: not ready, but
    /// serving on for the drain period, then answering what is in flight. When
    /// `at_once` completes, it ends without any of that. [`shutdown_signals`] makes both.
    ///
    /// # Errors
    ///
    /// If a task ends that should run as long as the server.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()>,
        at_once: impl Future<Output = ()>,
    ) -> Result<(), ServerError> {
        let Self { webhook, admin, webhook_address, admin_address, certificate_reloader, phase, timeouts } = self;
        tracing::info!(webhook = %webhook_address, admin = %admin_address, "Serving");
        // Probes are answered to the very end: the phase of the admin port never changes.
        let (_admin_phase, admin_phase_receiver) = watch::channel(ServingPhase::Serving);
        // Dropping a set ends its tasks.
        let mut helpers = JoinSet::new();
        helpers.spawn_blocking(move || {
            if let Err(error) = serve_apart(admin, admin_phase_receiver) {
                tracing::error!(%error, "Admin port not served");
            }
        });
        helpers.spawn(certificate_reloader.run(timeouts.certificate_poll));
        let mut main = JoinSet::new();
        main.spawn(webhook.serve(phase.subscribe()));

        let serve_and_drain = async {
            tokio::select! {
                () = shutdown => {}
                ended = main.join_next() => return Err(ended_early("webhook", ended)),
            }
            tracing::info!(period = ?timeouts.drain, "Draining");
            phase.send_replace(ServingPhase::Draining);
            sleep(timeouts.drain).await;
            tracing::info!("Stopping");
            phase.send_replace(ServingPhase::Stopping);
            if timeout(timeouts.finish, main.join_next()).await.is_err() {
                tracing::warn!("Shutdown timed out, open connections dropped");
            }
            Ok(())
        };
        tokio::select! {
            biased;
            () = at_once => {
                tracing::warn!("Second signal, shutdown cut short");
                Ok(())
            }
            ended = serve_and_drain => ended,
            ended = helpers.join_next() => Err(ended_early("admin port or certificate reload", ended)),
        }
    }
}

/// Serves until the phase has no sender any more, by a runtime of its own that takes the present thread: hundreds of
/// reviews may be waiting for a turn of the threads that judge them, and a probe would be behind them.
fn serve_apart(listener: Listener<Router>, phase: watch::Receiver<ServingPhase>) -> io::Result<()> {
    let socket = listener.socket.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // A socket belongs to the runtime that it was made in.
        Listener { socket: TcpListener::from_std(socket)?, ..listener }.serve(phase).await;
        Ok(())
    })
}

/// Whoever probes or scrapes asks at once, and connects again for the next time.
fn admin_timeouts(timeouts: Timeouts) -> Timeouts {
    let Timeouts { headers, idle, .. } = timeouts;
    Timeouts { headers: headers.min(MAX_ADMIN_IDLE), idle: idle.min(MAX_ADMIN_IDLE), ..timeouts }
}

fn ended_early(task: &'static str, ended: Option<Result<(), JoinError>>) -> ServerError {
    let source = ended.and_then(Result::err);
    ServerError::TaskEnded { task, source }
}

async fn open(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}
