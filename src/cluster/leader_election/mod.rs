//! One replica at a time: leader election over a `Lease`.
//!
//! The clocks of the replicas are never compared: a lease is over when nobody
//! has renewed it for its length by the clock of the one who looks.

use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use super::context::ClusterContext;
use super::{FIELD_MANAGER, reason};

/// How long things about a lease take.
#[derive(Clone, Copy, Debug)]
pub struct ElectionTiming {
    /// How long the others wait for a holder that does not renew it.
    pub lease_duration: Duration,
    /// Between two renewals, and between two looks of those who wait.
    pub retry_period: Duration,
    /// A request to the API server.
    pub request_timeout: Duration,
}

impl Default for ElectionTiming {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            retry_period: Duration::from_secs(4),
            request_timeout: Duration::from_secs(4),
        }
    }
}

impl ElectionTiming {
    /// A holder that could not renew it stops before the others begin.
    fn renewed_within(self) -> Duration {
        self.lease_duration * 2 / 3
    }
}

/// A replica's part in the election.
pub struct LeaderElector {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: ElectionTiming,
    leads: watch::Sender<bool>,
    seen: Mutex<Option<ObservedLease>>,
}

/// The lease as it was when it last differed.
struct ObservedLease {
    object: Lease,
    since: Instant,
}

impl LeaderElector {
    /// The lease of that name in driftwall's namespace; nothing happens before [`LeaderElector::run`].
    pub fn new(home: &ClusterContext, name: &str, timing: ElectionTiming) -> Self {
        Self {
            api: Api::namespaced(home.client.clone(), &home.namespace),
            name: name.to_owned(),
            identity: home.identity.clone(),
            timing,
            leads: watch::Sender::new(false),
            seen: Mutex::default(),
        }
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    /// Takes part, for ever.
    pub async fn run(&self) -> Infallible {
        let ElectionTiming { retry_period, request_timeout, .. } = self.timing;
        let mut renewed = Instant::now();
        let mut told = String::new();
        loop {
            let leads = *self.leads.borrow();
            let left = self.timing.renewed_within().saturating_sub(renewed.elapsed());
            if leads && left.is_zero() {
                self.lead(false);
                continue;
            }
            let bound = if leads { request_timeout.min(left) } else { request_timeout };
            let begun = Instant::now();
            let error = match timeout(bound, self.try_acquire_or_renew()).await {
                Ok(Ok(has_it)) => {
                    renewed = begun;
                    told.clear();
                    self.lead(has_it);
                    sleep(retry_period).await;
                    continue;
                }
                Ok(Err(error)) => reason(&error),
                Err(_) => "the API server does not answer in time".to_owned(),
            };
            if told != error {
                tracing::warn!(lease = %self.name, %error, "Lease could not be looked at");
                told = error;
            }
            let left = self.timing.renewed_within().saturating_sub(renewed.elapsed());
            // Sooner than usual, so that one lost request costs no change of hands.
            sleep(if leads { left.min(retry_period / 4) } else { retry_period }).await;
        }
    }

    /// Lets the others have it at once, where this replica has it.
    pub async fn release(&self) {
        if !self.leads.send_replace(false) {
            return;
        }
        let Some(ObservedLease { mut object, .. }) = self.seen.lock().await.take() else { return };
        if let Some(spec) = &mut object.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(now());
        }
        let put = timeout(self.timing.request_timeout, self.put(&object)).await;
        let message = match put {
            Ok(Ok(_)) => "Lease released",
            Ok(Err(_)) | Err(_) => "Lease could not be released, it ends by itself",
        };
        tracing::info!(lease = %self.name, "{message}");
    }

    fn lead(&self, leads: bool) {
        if self.leads.send_if_modified(|now| std::mem::replace(now, leads) != leads) {
            let message = if leads { "Leading" } else { "No longer leading" };
            tracing::info!(lease = %self.name, identity = %self.identity, "{message}");
        }
    }

    /// Looks once, and renews or takes what can be; true where this replica has it.
    async fn try_acquire_or_renew(&self) -> Result<bool, kube::Error> {
        let mut seen = self.seen.lock().await;
        let object = match self.api.get_opt(&self.name).await? {
            Some(object) => object,
            None => self.make().await?,
        };
        let is_same = |seen: &ObservedLease| seen.object.metadata.resource_version == object.metadata.resource_version;
        let since = seen.as_ref().filter(|seen| is_same(seen)).map_or_else(Instant::now, |seen| seen.since);
        let spec = object.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let is_over = holder.is_empty() || since.elapsed() >= self.timing.lease_duration;
        if holder != self.identity && !is_over {
            *seen = Some(ObservedLease { object, since });
            return Ok(false);
        }
        let taken = match self.put(&self.held(object, &spec)).await {
            Ok(object) => object,
            Err(kube::Error::Api(status)) if status.code == 409 => {
                // Another was first; the next look tells who.
                *seen = None;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        *seen = Some(ObservedLease { object: taken, since: Instant::now() });
        Ok(true)
    }

    /// Nobody holds what is made: it is taken like any other, so that of two makers one gets it.
    /// Made by a patch, since that names the object and the right to it can too.
    async fn make(&self) -> Result<Lease, kube::Error> {
        let empty = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/name": "driftwall"}},
        });
        self.api.patch(&self.name, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(empty)).await
    }

    fn held(&self, mut object: Lease, spec: &LeaseSpec) -> Lease {
        let is_new = spec.holder_identity.as_ref() != Some(&self.identity);
        let transitions = spec.lease_transitions.unwrap_or_default();
        object.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease_duration.as_secs().max(1)).ok(),
            acquire_time: if is_new { Some(now()) } else { spec.acquire_time.clone() },
            renew_time: Some(now()),
            lease_transitions: Some(if is_new { transitions.saturating_add(1) } else { transitions }),
            ..spec.clone()
        });
        object
    }

    /// Refused where it is no longer the one that was looked at.
    async fn put(&self, object: &Lease) -> Result<Lease, kube::Error> {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.api.replace(&self.name, &parameters, object).await
    }
}

pub(super) fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests;
