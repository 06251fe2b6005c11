//! Reloads the serving certificate while serving.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::time::{MissedTickBehavior, interval};

use super::tls::{TlsError, TlsIdentity, TlsSource};
use crate::error_chain::error_chain;
use crate::telemetry::{Metrics, unix_now};

/// Reads the certificate again and again, and swaps it when it has changed.
///
/// It compares contents rather than waiting for file system events: Kubernetes
/// updates a mounted Secret by swapping a symbolic link above the files, of which a
/// watch on the files themselves is never notified.
pub(super) struct CertificateReloader {
    source: TlsSource,
    /// What new connections are served with. It is swapped as a whole, so that a new
    /// client CA applies too and no old TLS session can be resumed under it.
    current: Arc<ArcSwap<ServerConfig>>,
    metrics: Arc<Metrics>,
    /// The fingerprint of the files in use.
    fingerprint: u64,
    last_failure: Option<ReloadFailure>,
}

/// Why the last reload failed.
struct ReloadFailure {
    error: String,
    is_reported: bool,
}

impl CertificateReloader {
    /// Loads the certificate for the first time; here every error is final.
    pub(super) async fn load(mut source: TlsSource, metrics: Arc<Metrics>) -> Result<Self, TlsError> {
        let files = source.read().await?;
        let identity = files.identity()?;
        record_expiry(&metrics, &identity);
        Ok(Self {
            source,
            current: Arc::new(ArcSwap::new(identity.config)),
            metrics,
            fingerprint: files.fingerprint(),
            last_failure: None,
        })
    }

    /// What new connections are served with.
    pub(super) fn current(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.current)
    }

    /// Reloads on every change. Never ends.
    pub(super) async fn run(mut self, poll_interval: Duration) {
        let mut tick = interval(poll_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.source.changed() => {}
            }
            match self.reload_if_changed().await {
                Ok(()) => self.last_failure = None,
                Err(error) => self.report_failure(&error),
            }
        }
    }

    async fn reload_if_changed(&mut self) -> Result<(), TlsError> {
        let files = self.source.read().await?;
        let fingerprint = files.fingerprint();
        if fingerprint == self.fingerprint {
            return Ok(());
        }
        let identity = files.identity()?;
        record_expiry(&self.metrics, &identity);
        self.current.store(identity.config);
        self.fingerprint = fingerprint;
        self.metrics.count_certificate_reload(true);
        tracing::info!("Serving certificate reloaded");
        Ok(())
    }

    /// Keeps the old certificate. A failure that is gone at the next attempt was a file
    /// half written, or one file of the pair read before the swap and the other after
    /// it. So a failure is reported when it occurs a second time in a row, once.
    fn report_failure(&mut self, error: &TlsError) {
        let error = error_chain(error);
        match &mut self.last_failure {
            Some(failure) if failure.error == error => {
                if !failure.is_reported {
                    failure.is_reported = true;
                    self.metrics.count_certificate_reload(false);
                    tracing::error!(%error, "Changed certificate rejected, the old one stays in use");
                }
            }
            last_failure => *last_failure = Some(ReloadFailure { error, is_reported: false }),
        }
    }
}

fn record_expiry(metrics: &Metrics, identity: &TlsIdentity) {
    let Some(expiry) = identity.expiry else { return };
    metrics.set_certificate_expiry(expiry);
    if expiry <= unix_now() {
        // Served nevertheless: the clock may be what is wrong.
        tracing::error!("Serving certificate expired");
    }
}
