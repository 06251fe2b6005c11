//! What the replica that leads does: looks what comes next, and writes it.

use std::convert::Infallible;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::contents::SecretContents;
use super::plan::{CaTrust, RotationInputs, RotationStep, next};
use super::replicas::LastReports;
use super::secret::SecretState;
use super::{CertificateManager, CertificateSpec};
use crate::certs::{Certificate, CertificateAuthority, CertsError};
use crate::cluster::webhook_config::RegisteredCa;

/// What a leader knows beside the Secret; a new one learns it again.
#[derive(Default)]
struct LeaderState {
    /// The newest CA, and since when API servers trust it.
    trusted: Option<(String, Instant)>,
    /// Since when it is not known what API servers trust.
    unread: Option<Instant>,
    heard: LastReports,
    counted: Option<Instant>,
    served: Vec<String>,
    /// What was said last, so that it is not said at each look.
    told: String,
}

impl CertificateManager {
    pub(super) async fn lead(
        &self,
        mut leads: watch::Receiver<bool>,
        mut registered: watch::Receiver<RegisteredCa>,
    ) -> Infallible {
        let mut found = self.kept.found();
        let mut memory = LeaderState::default();
        loop {
            if *leads.borrow_and_update() {
                let now = found.borrow_and_update().clone();
                let trusted = registered.borrow_and_update().clone();
                let has_written = match now.contents() {
                    Some(contents) => self.step(&now, &contents, &trusted, &mut memory).await,
                    None => false,
                };
                if has_written {
                    // What is written may never come out as it is wanted: then not in haste.
                    sleep(self.timing.look).await;
                    continue;
                }
            } else {
                memory = LeaderState::default();
            }
            let changed = async {
                // A channel whose sender is gone changes no more; the pause ends the wait.
                tokio::select! {
                    Ok(()) = leads.changed() => {}
                    Ok(()) = found.changed() => {}
                    Ok(()) = registered.changed() => {}
                    else => std::future::pending().await,
                }
            };
            let _ = timeout(self.timing.look, changed).await;
        }
    }

    /// Does what comes next, if anything; true where it is done.
    async fn step(
        &self,
        found: &SecretState,
        contents: &SecretContents,
        trusted: &RegisteredCa,
        memory: &mut LeaderState,
    ) -> bool {
        let observed = contents.observed(&self.wanted.names);
        let registered = memory.registered(contents.newest(), trusted);
        let is_over = memory.counted.is_none_or(|counted| counted.elapsed() >= self.timing.report);
        if observed.authorities.len() > 1 || is_over {
            match self.replicas.count(&mut memory.heard).await {
                Ok(served) => memory.served = served,
                Err(error) => {
                    // Nobody is known to follow, so nothing is taken away.
                    memory.served.clear();
                    memory.tell(&error, |error| tracing::warn!(%error, "ReplicaReports could not be counted"));
                }
            }
            memory.counted = Some(Instant::now());
        }
        let now = Timestamp::now().as_second();
        let moment = RotationInputs { now, registered, served: &memory.served, timing: self.timing };
        let step = next(&observed, &moment);
        let secret = &self.kept.name;
        let made = match step {
            RotationStep::Nothing => return false,
            RotationStep::Wait(what) => {
                memory.tell(what, |what| tracing::info!(%secret, "Waiting for {what}"));
                return false;
            }
            RotationStep::MakeAuthority(why) => made(contents, &self.wanted, trusted, now).map(|made| (made, why)),
            RotationStep::Sign { by, why } => signed(contents, &self.wanted, by).map(|made| (made, why)),
            RotationStep::DropOldCa(why) => Ok((contents.with_newest_only(), why)),
        };
        let written = match made {
            Ok((made, why)) => self.kept.write(found, &made).await.map(|()| (made, why)),
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok((made, why)) => {
                memory.told.clear();
                let done = match step {
                    RotationStep::MakeAuthority(_) => "CA made",
                    RotationStep::Sign { .. } => "Certificate made",
                    _ => "Old CA forgotten",
                };
                let until = made.serving_until().and_then(|until| Timestamp::from_second(until).ok());
                let until = until.map(tracing::field::display);
                tracing::info!(%secret, why, serving_until = until, "{done}");
                true
            }
            Err(error) => {
                self.waiting_reason.send_replace(format!("it could not be written: {error}"));
                memory
                    .tell(&error, |error| tracing::error!(%secret, %error, "CertificateManager could not be renewed"));
                false
            }
        }
    }
}

fn made(
    contents: &SecretContents,
    wanted: &CertificateSpec,
    trusted: &RegisteredCa,
    now: i64,
) -> Result<SecretContents, CertsError> {
    let authority = CertificateAuthority::generate(wanted.ca_validity)?;
    Ok(contents.with_authority(authority, &authorities(trusted), now))
}

fn authorities(trusted: &RegisteredCa) -> Vec<Certificate> {
    match trusted {
        RegisteredCa::Unknown | RegisteredCa::NoWebhookConfig => Vec::new(),
        RegisteredCa::Bundle(bundle) => Certificate::parse_pem(bundle).unwrap_or_default(),
    }
}

fn signed(contents: &SecretContents, wanted: &CertificateSpec, by: usize) -> Result<SecretContents, CertsError> {
    let authority = contents.authority(by).ok_or(CertsError::NoKey)?;
    Ok(contents.with_pair(authority.sign(&wanted.names, wanted.certificate_validity)?, by))
}

impl LeaderState {
    fn registered(&mut self, newest: Option<&str>, trusted: &RegisteredCa) -> CaTrust {
        if *trusted == RegisteredCa::Unknown {
            return CaTrust::Unread(self.unread.get_or_insert_with(Instant::now).elapsed());
        }
        if *trusted == RegisteredCa::NoWebhookConfig {
            return CaTrust::Unknown;
        }
        let trusted = authorities(trusted);
        let newest = newest.filter(|newest| trusted.iter().any(|ca| ca.fingerprint == *newest));
        let Some(newest) = newest else {
            self.trusted = None;
            return if trusted.is_empty() { CaTrust::Nothing } else { CaTrust::Others };
        };
        let since = match &self.trusted {
            Some((print, since)) if print == newest => *since,
            _ => Instant::now(),
        };
        self.trusted = Some((newest.to_owned(), since));
        CaTrust::Newest(since.elapsed())
    }

    fn tell(&mut self, what: &str, say: impl FnOnce(&str)) {
        if self.told != what {
            say(what);
            what.clone_into(&mut self.told);
        }
    }
}
