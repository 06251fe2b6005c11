//! Leader election over a `Lease`: one replica at a time does what only one may do.
//!
//! The clocks of the replicas are never compared: a lease has expired when a replica,
//! by its own clock, has not seen it renewed for its whole duration.

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

use super::FIELD_MANAGER;
use super::api_error::{ApiError, none_if_not_found};
use super::context::ClusterContext;
use crate::telemetry::LogChanges;

/// The durations of an election.
#[derive(Clone, Copy, Debug)]
pub struct ElectionTiming {
    /// How long the others wait for a holder that does not renew.
    pub lease_duration: Duration,
    /// Between two renewals, and between two attempts of those who wait.
    pub retry_period: Duration,
    /// How long a request to the API server may take.
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
    /// A leader that could not renew for so long stops leading, before the others begin.
    fn renew_deadline(self) -> Duration {
        self.lease_duration * 2 / 3
    }
}

/// A replica's part in an election.
pub struct LeaderElector {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: ElectionTiming,
    is_leader: watch::Sender<bool>,
    observed: Mutex<Option<ObservedLease>>,
}

/// The lease as it was when it last changed.
struct ObservedLease {
    lease: Lease,
    /// When this replica saw the change.
    since: Instant,
}

impl LeaderElector {
    /// For the lease `name` in driftwall's namespace. Nothing happens before [`LeaderElector::run`].
    pub fn new(context: &ClusterContext, name: &str, timing: ElectionTiming) -> Self {
        Self {
            api: Api::namespaced(context.client.clone(), &context.namespace),
            name: name.to_owned(),
            identity: context.identity.clone(),
            timing,
            is_leader: watch::Sender::new(false),
            observed: Mutex::default(),
        }
    }

    /// Whether this replica leads.
    pub fn is_leader(&self) -> watch::Receiver<bool> {
        self.is_leader.subscribe()
    }

    /// Takes part in the election; never returns.
    pub async fn run(&self) -> Infallible {
        let ElectionTiming { retry_period, request_timeout, .. } = self.timing;
        let mut renewed = Instant::now();
        let mut problem = LogChanges::default();
        loop {
            let is_leader = *self.is_leader.borrow();
            let time_left = self.timing.renew_deadline().saturating_sub(renewed.elapsed());
            if is_leader && time_left.is_zero() {
                self.set_leader(false);
                continue;
            }
            let limit = if is_leader { request_timeout.min(time_left) } else { request_timeout };
            let started = Instant::now();
            let error = match timeout(limit, self.try_acquire_or_renew()).await {
                Ok(Ok(is_holder)) => {
                    renewed = started;
                    problem.recovered();
                    self.set_leader(is_holder);
                    sleep(retry_period).await;
                    continue;
                }
                Ok(Err(error)) => error,
                Err(_) => ApiError::Timeout,
            };
            if problem.is_new(&error.to_string()) {
                tracing::warn!(lease = %self.name, %error, "Failed to acquire or renew the lease");
            }
            let time_left = self.timing.renew_deadline().saturating_sub(renewed.elapsed());
            // A leader retries sooner than usual, so that one lost request does not end its term.
            sleep(if is_leader { time_left.min(retry_period / 4) } else { retry_period }).await;
        }
    }

    /// Gives the lease up, where this replica holds it, so that another one can lead at once.
    pub async fn release(&self) {
        if !self.is_leader.send_replace(false) {
            return;
        }
        let Some(ObservedLease { mut lease, .. }) = self.observed.lock().await.take() else { return };
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = None;
            spec.renew_time = Some(now());
        }
        let message = match timeout(self.timing.request_timeout, self.replace(&lease)).await {
            Ok(Ok(_)) => "Lease released",
            Ok(Err(_)) | Err(_) => "Failed to release the lease; it expires by itself",
        };
        tracing::info!(lease = %self.name, "{message}");
    }

    fn set_leader(&self, is_leader: bool) {
        if self.is_leader.send_if_modified(|current| std::mem::replace(current, is_leader) != is_leader) {
            let message = if is_leader { "Leading" } else { "No longer leading" };
            tracing::info!(lease = %self.name, identity = %self.identity, "{message}");
        }
    }

    /// Renews the lease, or acquires it where it is free; true where this replica holds it after.
    async fn try_acquire_or_renew(&self) -> Result<bool, ApiError> {
        let mut observed = self.observed.lock().await;
        let lease = match none_if_not_found(self.api.get(&self.name).await)? {
            Some(lease) => lease,
            None => self.create().await?,
        };
        let since = match &*observed {
            Some(before) if before.lease.metadata.resource_version == lease.metadata.resource_version => before.since,
            _ => Instant::now(),
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let is_free = holder.is_empty() || since.elapsed() >= self.timing.lease_duration;
        if holder != self.identity && !is_free {
            *observed = Some(ObservedLease { lease, since });
            return Ok(false);
        }
        match self.replace(&self.held_by_this_replica(lease, &spec)).await {
            Ok(lease) => {
                *observed = Some(ObservedLease { lease, since: Instant::now() });
                Ok(true)
            }
            Err(error) if error.is_conflict() => {
                // Another replica was first; the next attempt shows which.
                *observed = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Creates the lease without a holder. It is then acquired like any other, so that only
    /// one of two replicas that create it gets it. By a patch, since a patch names the object,
    /// and so the right to it can be limited to that name.
    async fn create(&self) -> Result<Lease, ApiError> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/name": "driftwall"}},
        });
        Ok(self.api.patch(&self.name, &PatchParams::apply(FIELD_MANAGER), &Patch::Apply(lease)).await?)
    }

    fn held_by_this_replica(&self, mut lease: Lease, spec: &LeaseSpec) -> Lease {
        let is_acquired = spec.holder_identity.as_ref() != Some(&self.identity);
        let transitions = spec.lease_transitions.unwrap_or_default();
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease_duration.as_secs().max(1)).ok(),
            acquire_time: if is_acquired { Some(now()) } else { spec.acquire_time.clone() },
            renew_time: Some(now()),
            lease_transitions: Some(if is_acquired { transitions.saturating_add(1) } else { transitions }),
            ..spec.clone()
        });
        lease
    }

    /// Fails with a conflict where the lease was changed since it was read.
    async fn replace(&self, lease: &Lease) -> Result<Lease, ApiError> {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        Ok(self.api.replace(&self.name, &parameters, lease).await?)
    }
}

/// The present time, as leases have it.
pub(super) fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}

#[cfg(test)]
mod tests;
