//! What the replica that leads does: looks what comes next, and writes it.

use std::convert::Infallible;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::contents::Contents;
use super::plan::{Moment, Registered, Step, next};
use super::replicas::Heard;
use super::secret::Found;
use super::{Certificates, Wanted};
use crate::certs::{Authority, Certificate, CertsError};
use crate::cluster::webhook_config::Trusted;

/// What a leader knows beside the Secret; a new one learns it again.
#[derive(Default)]
struct Memory {
    /// The newest CA, and since when API servers trust it.
    trusted: Option<(String, Instant)>,
    /// Since when it is not known what API servers trust.
    unread: Option<Instant>,
    heard: Heard,
    counted: Option<Instant>,
    served: Vec<String>,
    /// What was said last, so that it is not said at each look.
    told: String,
}

impl Certificates {
    pub(super) async fn lead(
        &self,
        mut leads: watch::Receiver<bool>,
        mut registered: watch::Receiver<Trusted>,
    ) -> Infallible {
        let mut found = self.kept.found();
        let mut memory = Memory::default();
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
                    sleep(self.pace.look).await;
                    continue;
                }
            } else {
                memory = Memory::default();
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
            let _ = timeout(self.pace.look, changed).await;
        }
    }

    /// Does what comes next, if anything; true where it is done.
    async fn step(&self, found: &Found, contents: &Contents, trusted: &Trusted, memory: &mut Memory) -> bool {
        let picture = contents.picture(&self.wanted.names);
        let registered = memory.registered(contents.newest(), trusted);
        let is_over = memory.counted.is_none_or(|counted| counted.elapsed() >= self.pace.report);
        if picture.authorities.len() > 1 || is_over {
            match self.replicas.count(&mut memory.heard).await {
                Ok(served) => memory.served = served,
                Err(error) => {
                    // Nobody is known to follow, so nothing is taken away.
                    memory.served.clear();
                    memory.tell(&error, |error| tracing::warn!(%error, "Replicas could not be counted"));
                }
            }
            memory.counted = Some(Instant::now());
        }
        let now = Timestamp::now().as_second();
        let moment = Moment { now, registered, served: &memory.served, pace: self.pace };
        let step = next(&picture, &moment);
        let secret = &self.kept.name;
        let made = match step {
            Step::Nothing => return false,
            Step::Wait(what) => {
                memory.tell(what, |what| tracing::info!(%secret, "Waiting for {what}"));
                return false;
            }
            Step::MakeAuthority(why) => made(contents, &self.wanted, trusted, now).map(|made| (made, why)),
            Step::Sign { by, why } => signed(contents, &self.wanted, by).map(|made| (made, why)),
            Step::Forget(why) => Ok((contents.with_newest_only(), why)),
        };
        let written = match made {
            Ok((made, why)) => self.kept.write(found, &made).await.map(|()| (made, why)),
            Err(error) => Err(error.to_string()),
        };
        match written {
            Ok((made, why)) => {
                memory.told.clear();
                let done = match step {
                    Step::MakeAuthority(_) => "CA made",
                    Step::Sign { .. } => "Certificate made",
                    _ => "Old CA forgotten",
                };
                let until = made.serving_until().and_then(|until| Timestamp::from_second(until).ok());
                let until = until.map(tracing::field::display);
                tracing::info!(%secret, why, serving_until = until, "{done}");
                true
            }
            Err(error) => {
                self.lacking.send_replace(format!("it could not be written: {error}"));
                memory.tell(&error, |error| tracing::error!(%secret, %error, "Certificates could not be renewed"));
                false
            }
        }
    }
}

fn made(contents: &Contents, wanted: &Wanted, trusted: &Trusted, now: i64) -> Result<Contents, CertsError> {
    let authority = Authority::make(wanted.authority_life)?;
    Ok(contents.with_authority(authority, &authorities(trusted), now))
}

fn authorities(trusted: &Trusted) -> Vec<Certificate> {
    match trusted {
        Trusted::Unread | Trusted::Unregistered => Vec::new(),
        Trusted::Bundle(bundle) => Certificate::read_all(bundle).unwrap_or_default(),
    }
}

fn signed(contents: &Contents, wanted: &Wanted, by: usize) -> Result<Contents, CertsError> {
    let authority = contents.authority(by).ok_or(CertsError::NoKey)?;
    Ok(contents.with_pair(authority.sign(&wanted.names, wanted.certificate_life)?, by))
}

impl Memory {
    fn registered(&mut self, newest: Option<&str>, trusted: &Trusted) -> Registered {
        if *trusted == Trusted::Unread {
            return Registered::Unread(self.unread.get_or_insert_with(Instant::now).elapsed());
        }
        if *trusted == Trusted::Unregistered {
            return Registered::Unknown;
        }
        let trusted = authorities(trusted);
        let newest = newest.filter(|newest| trusted.iter().any(|ca| ca.print == *newest));
        let Some(newest) = newest else {
            self.trusted = None;
            return if trusted.is_empty() { Registered::Nothing } else { Registered::Others };
        };
        let since = match &self.trusted {
            Some((print, since)) if print == newest => *since,
            _ => Instant::now(),
        };
        self.trusted = Some((newest.to_owned(), since));
        Registered::Newest(since.elapsed())
    }

    fn tell(&mut self, what: &str, say: impl FnOnce(&str)) {
        if self.told != what {
            say(what);
            what.clone_into(&mut self.told);
        }
    }
}
