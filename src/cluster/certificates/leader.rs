//! What the leader does: finds out which step of the rotation comes next, and writes it.

use std::convert::Infallible;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::contents::CertificateContents;
use super::rotation::{CaTrust, RotationInputs, RotationStep, next_step};
use super::{CertificateManager, CertificateSpec};
use crate::certs::{Certificate, CertificateAuthority, CertsError};
use crate::cluster::any_change::any_change;
use crate::cluster::replica_reports::LastReports;
use crate::cluster::secret_store::SecretState;
use crate::cluster::webhook_config::RegisteredCa;
use crate::telemetry::LogChanges;

/// What a leader knows beside the Secret; a new leader learns it again.
#[derive(Default)]
struct LeaderState {
    /// The newest CA, and since when API servers trust it.
    newest_trusted: Option<(String, Instant)>,
    /// Since when the webhook configuration could not be read.
    unread_since: Option<Instant>,
    last_reports: LastReports,
    reports_read_at: Option<Instant>,
    served_cas: Vec<String>,
    /// What keeps the rotation from going on.
    obstacle: LogChanges,
}

impl CertificateManager {
    pub(super) async fn run_as_leader(
        &self,
        mut is_leader: watch::Receiver<bool>,
        mut registered: watch::Receiver<RegisteredCa>,
    ) -> Infallible {
        let mut secret = self.store.state();
        let mut state = LeaderState::default();
        loop {
            if *is_leader.borrow_and_update() {
                let current = secret.borrow_and_update().clone();
                let registered = registered.borrow_and_update().clone();
                let has_written = match current.contents() {
                    Some(contents) => self.step(&current, &contents, &registered, &mut state).await,
                    None => false,
                };
                if has_written {
                    // Where the Secret never becomes what was written, this must not write without a pause.
                    sleep(self.timing.poll_interval).await;
                    continue;
                }
            } else {
                state = LeaderState::default();
            }
            any_change(&mut is_leader, &mut secret, &mut registered, self.timing.poll_interval).await;
        }
    }

    /// Takes the next step of the rotation, if there is one; true where something was written.
    async fn step(
        &self,
        secret: &SecretState<CertificateContents>,
        contents: &CertificateContents,
        registered: &RegisteredCa,
        state: &mut LeaderState,
    ) -> bool {
        let observed = contents.observed(&self.spec.names);
        let trust = state.trust(contents.newest_ca(), registered);
        self.update_served_cas(observed.cas.len() > 1, state).await;
        let now = Timestamp::now().as_second();
        let inputs = RotationInputs { now, trust, served_cas: &state.served_cas, timing: self.timing };
        let secret_name = &self.store.name;
        let (new_contents, reason, message) = match next_step(&observed, &inputs) {
            RotationStep::None => return false,
            RotationStep::Wait(what) => {
                if state.obstacle.is_new(what) {
                    tracing::info!(secret = %secret_name, "Waiting for {what}");
                }
                return false;
            }
            RotationStep::CreateCa(reason) => {
                (with_new_ca(contents, &self.spec, registered, now), reason, "CA created")
            }
            RotationStep::Sign { ca, reason } => {
                (with_new_certificate(contents, &self.spec, ca), reason, "Certificate issued")
            }
            RotationStep::DropOldCas(reason) => (Ok(contents.with_newest_ca_only()), reason, "Old CA dropped"),
        };
        let written = match new_contents {
            Ok(new) => self.store.write(secret, &new).await.map(|()| new).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok(new) => {
                state.obstacle.recovered();
                let until = new.serving_until().and_then(|until| Timestamp::from_second(until).ok());
                let serving_until = until.map(tracing::field::display);
                tracing::info!(secret = %secret_name, reason, serving_until, "{message}");
                true
            }
            Err(error) => {
                self.waiting_reason.send_replace(format!("it could not be written: {error}"));
                if state.obstacle.is_new(&error) {
                    tracing::error!(secret = %secret_name, %error, "Failed to renew the certificates");
                }
                false
            }
        }
    }

    /// Reads the reports of the replicas: always during a rotation, else from time to time,
    /// so that the reports of replicas that are gone are deleted.
    async fn update_served_cas(&self, is_rotating: bool, state: &mut LeaderState) {
        let is_due = state.reports_read_at.is_none_or(|read_at| read_at.elapsed() >= self.timing.report_interval);
        if !is_rotating && !is_due {
            return;
        }
        match self.reports.read(&mut state.last_reports).await {
            // A report without a fingerprint counts as a replica that serves under no known CA.
            Ok(reports) => {
                state.served_cas = reports.into_iter().map(|report| report.ca.unwrap_or_default()).collect();
            }
            Err(error) => {
                // Nothing is known of the replicas, so no CA is dropped.
                state.served_cas.clear();
                if state.obstacle.is_new(&error.to_string()) {
                    tracing::warn!(%error, "Failed to read the reports of the replicas");
                }
            }
        }
        state.reports_read_at = Some(Instant::now());
    }
}

fn with_new_ca(
    contents: &CertificateContents,
    spec: &CertificateSpec,
    registered: &RegisteredCa,
    now: i64,
) -> Result<CertificateContents, CertsError> {
    let ca = CertificateAuthority::generate(spec.ca_validity)?;
    Ok(contents.with_new_ca(ca, &registered_cas(registered), now))
}

fn with_new_certificate(
    contents: &CertificateContents,
    spec: &CertificateSpec,
    ca: usize,
) -> Result<CertificateContents, CertsError> {
    let signing_ca = contents.signing_ca(ca).ok_or(CertsError::NoKey)?;
    let certificate = signing_ca.issue(&spec.names, spec.certificate_validity)?;
    Ok(contents.with_serving_certificate(certificate, ca))
}

fn registered_cas(registered: &RegisteredCa) -> Vec<Certificate> {
    match registered {
        RegisteredCa::Unknown | RegisteredCa::NoWebhookConfig => Vec::new(),
        RegisteredCa::Bundle(bundle) => Certificate::parse_pem(bundle).unwrap_or_default(),
    }
}

impl LeaderState {
    fn trust(&mut self, newest_ca: Option<&str>, registered: &RegisteredCa) -> CaTrust {
        match registered {
            RegisteredCa::Unknown => {
                return CaTrust::NotRead(self.unread_since.get_or_insert_with(Instant::now).elapsed());
            }
            RegisteredCa::NoWebhookConfig => return CaTrust::NoWebhookConfig,
            RegisteredCa::Bundle(_) => {}
        }
        let trusted = registered_cas(registered);
        let newest = newest_ca.filter(|newest| trusted.iter().any(|ca| ca.fingerprint == *newest));
        let Some(newest) = newest else {
            self.newest_trusted = None;
            return if trusted.is_empty() { CaTrust::NoCa } else { CaTrust::OtherCas };
        };
        let since = match &self.newest_trusted {
            Some((fingerprint, since)) if fingerprint == newest => *since,
            _ => Instant::now(),
        };
        self.newest_trusted = Some((newest.to_owned(), since));
        CaTrust::Newest(since.elapsed())
    }
}
