//! Under which CA each replica serves: every replica reports it in a `Lease` of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::certificates::RotationTiming;
use crate::certs::{Certificate, ServingCertificate};
use crate::cluster::api_error::{ApiError, with_timeout};
use crate::cluster::context::ClusterContext;
use crate::cluster::{FIELD_MANAGER, leader_election};
use crate::telemetry::LogChanges;

/// The annotation with the fingerprint of the CA under which the replica serves.
const SERVES_ANNOTATION: &str = "driftwall.io/serves";
/// The label with the name of the installation that the replica belongs to. The names
/// of the leases do not tell: one installation's name can begin with another's.
const REPLICA_LABEL: &str = "driftwall.io/replica";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The reports of all replicas of an installation.
pub(super) struct ReplicaReports {
    api: Api<Lease>,
    service: String,
    identity: String,
    /// The name of this replica's lease.
    own_lease: String,
    timing: RotationTiming,
}

/// The `resourceVersion` of each report, and when the leader saw it change last, by its own clock.
pub(super) type LastReports = HashMap<String, (Option<String>, Instant)>;

impl ReplicaReports {
    pub(super) fn new(context: &ClusterContext, service: &str, timing: RotationTiming) -> Self {
        // A host's name may contain characters that an object's name cannot.
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let suffix = context.identity.replace(|character| !is_allowed(character), "-").to_ascii_lowercase();
        Self {
            api: Api::namespaced(context.client.clone(), &context.namespace),
            service: service.to_owned(),
            identity: context.identity.clone(),
            own_lease: format!("{service}-{suffix}"),
            timing,
        }
    }

    /// Reports under which CA this replica serves, at once when that changes; never returns.
    pub(super) async fn report(&self, mut serving: watch::Receiver<Option<Arc<ServingCertificate>>>) -> Infallible {
        let mut problem = LogChanges::default();
        loop {
            let certificate = serving.borrow_and_update().clone();
            let mut pause = self.timing.report_interval;
            if let Some(fingerprint) = certificate.and_then(|certificate| ca_fingerprint(&certificate)) {
                match self.write(&fingerprint).await {
                    Ok(_) => {
                        problem.recovered();
                    }
                    Err(error) => {
                        pause /= 5;
                        if problem.is_new(&error.to_string()) {
                            tracing::warn!(lease = %self.own_lease, %error, "Failed to report under which CA this replica serves");
                        }
                    }
                }
            }
            // Without a change, the pause ends the wait.
            let _ = timeout(pause, serving.changed()).await;
        }
    }

    async fn write(&self, ca_fingerprint: &str) -> Result<Lease, ApiError> {
        let report = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": self.own_lease,
                "labels": {"app.kubernetes.io/name": "driftwall", REPLICA_LABEL: self.service},
                "annotations": {SERVES_ANNOTATION: ca_fingerprint},
            },
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.timing.report_timeout.as_secs().max(1),
                "renewTime": leader_election::now(),
            },
        });
        let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER).force(), Patch::Apply(report));
        with_timeout(REQUEST_TIMEOUT, self.api.patch(&self.own_lease, &parameters, &patch)).await
    }

    pub(super) async fn withdraw(&self) {
        // Where this fails, the leader deletes the report later.
        self.delete(&self.own_lease).await;
    }

    async fn delete(&self, lease: &str) {
        let _ = with_timeout(REQUEST_TIMEOUT, self.api.delete(lease, &DeleteParams::default())).await;
    }

    /// The fingerprints of the CAs under which replicas serve, one for each replica. The
    /// reports that were not renewed in time are deleted.
    pub(super) async fn served_cas(&self, last_reports: &mut LastReports) -> Result<Vec<String>, ApiError> {
        let own_reports = ListParams::default().labels(&format!("{REPLICA_LABEL}={}", self.service));
        let leases = with_timeout(REQUEST_TIMEOUT, self.api.list(&own_reports)).await?.items;
        last_reports.retain(|name, _| leases.iter().any(|lease| lease.name_any() == *name));
        let mut served = Vec::new();
        for lease in leases {
            let name = lease.name_any();
            let version = lease.resource_version();
            let (last_version, since) =
                last_reports.entry(name.clone()).or_insert_with(|| (version.clone(), Instant::now()));
            if *last_version != version {
                (*last_version, *since) = (version, Instant::now());
            }
            if since.elapsed() >= self.timing.report_timeout {
                tracing::info!(lease = %name, "Replica is gone");
                // Where this fails, the next call tries again.
                self.delete(&name).await;
                continue;
            }
            // A report without a fingerprint counts as a replica that serves under no known CA.
            served.push(lease.annotations().get(SERVES_ANNOTATION).cloned().unwrap_or_default());
        }
        Ok(served)
    }
}

fn ca_fingerprint(serving: &ServingCertificate) -> Option<String> {
    Certificate::parse_pem(&serving.ca).ok()?.into_iter().next().map(|ca| ca.fingerprint)
}
