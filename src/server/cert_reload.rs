//! Taking over a changed certificate while serving.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::time::{MissedTickBehavior, interval};

use super::tls::{Identity, Origin, TlsError};
use crate::error_chain::error_chain;
use crate::telemetry::{Metrics, unix_now};

/// Looks at the certificate again and again.
///
/// It compares contents rather than waiting for the file system to tell: a
/// mounted Secret changes by the swap of a symbolic link above the files, which
/// watchers of the files themselves never hear of.
pub(super) struct CertificateReloader {
    origin: Origin,
    /// What new connections are served with. The whole of it is swapped, so that
    /// a new client CA holds as well and no old session gets around it.
    current: Arc<ArcSwap<ServerConfig>>,
    metrics: Arc<Metrics>,
    taken: u64,
    trouble: Option<Trouble>,
}

/// Something that cannot be served, as it was seen at the last look.
struct Trouble {
    text: String,
    told: bool,
}

impl CertificateReloader {
    /// Reads what is to be served first; here every error is final.
    pub(super) async fn begin(mut origin: Origin, metrics: Arc<Metrics>) -> Result<Self, TlsError> {
        let texts = origin.read().await?;
        let identity = texts.identity()?;
        note_end(&metrics, &identity);
        Ok(Self {
            origin,
            current: Arc::new(ArcSwap::new(identity.config)),
            metrics,
            taken: texts.print(),
            trouble: None,
        })
    }

    /// What new connections are served with.
    pub(super) fn current(&self) -> Arc<ArcSwap<ServerConfig>> {
        Arc::clone(&self.current)
    }

    /// Never ends.
    pub(super) async fn follow(mut self, every: Duration) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.origin.changed() => {}
            }
            match self.look().await {
                Ok(()) => self.trouble = None,
                Err(error) => self.refuse(&error),
            }
        }
    }

    async fn look(&mut self) -> Result<(), TlsError> {
        let texts = self.origin.read().await?;
        let print = texts.print();
        if print == self.taken {
            return Ok(());
        }
        let identity = texts.identity()?;
        note_end(&self.metrics, &identity);
        self.current.store(identity.config);
        self.taken = print;
        self.metrics.count_certificate_reload(true);
        tracing::info!("Certificate changed, new connections get it");
        Ok(())
    }

    /// Keeps the old certificate. What is wrong at one look only was a file half
    /// written, or one of the pair read before the swap and one after; it is
    /// told when it is still wrong in the same way at the next look, once.
    fn refuse(&mut self, error: &TlsError) {
        let text = error_chain(error);
        match &mut self.trouble {
            Some(trouble) if trouble.text == text => {
                if !trouble.told {
                    trouble.told = true;
                    self.metrics.count_certificate_reload(false);
                    tracing::error!(error = text, "Changed certificate refused, old one kept");
                }
            }
            trouble => *trouble = Some(Trouble { text, told: false }),
        }
    }
}

fn note_end(metrics: &Metrics, identity: &Identity) {
    let Some(until) = identity.until else { return };
    metrics.set_certificate_expiry(until);
    if until <= unix_now() {
        // Served all the same: the clock may be the wrong one of the two.
        tracing::error!("The serving certificate has ended");
    }
}
