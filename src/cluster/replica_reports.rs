//! What each replica serves: under which CA, and at which paths it takes reviews. Every
//! replica reports it in a `Lease` of its own; the leader reads them all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::certificates::RotationTiming;
use crate::cluster::api_error::{ApiError, with_timeout};
use crate::cluster::context::ClusterContext;
use crate::cluster::{FIELD_MANAGER, leader_election};
use crate::telemetry::LogChanges;

/// The annotation with the fingerprint of the CA under which the replica serves.
const SERVES_ANNOTATION: &str = "driftwall.io/serves";
/// The annotation with the fingerprints of the paths at which it takes reviews.
const PATHS_ANNOTATION: &str = "driftwall.io/accepts";
/// The annotation with the time at which a former path was used last.
const FORMER_PATH_USED_ANNOTATION: &str = "driftwall.io/former-path-used";
/// The label with the name of the installation that the replica belongs to. The names
/// of the leases do not tell: one installation's name can begin with another's.
const REPLICA_LABEL: &str = "driftwall.io/replica";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What a replica serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReplicaReport {
    /// The fingerprint of the CA under which it serves, if driftwall manages that.
    pub(super) ca: Option<String>,
    /// The fingerprints of the paths at which it takes reviews.
    pub(super) paths: Vec<String>,
    /// Unix time at which a former path was used last.
    pub(super) former_path_used_at: Option<i64>,
}

/// The reports of all replicas of an installation.
pub struct ReplicaReports {
    api: Api<Lease>,
    service: String,
    identity: String,
    /// The name of this replica's lease.
    own_lease: String,
    timing: RotationTiming,
    own: watch::Sender<ReplicaReport>,
}

/// The `resourceVersion` of each report, and when the leader saw it change last, by its own clock.
pub(super) type LastReports = HashMap<String, (Option<String>, Instant)>;

impl ReplicaReports {
    /// Nothing is reported before [`ReplicaReports::run`].
    pub fn new(context: &ClusterContext, service: &str, timing: RotationTiming) -> Self {
        // A host's name may contain characters that an object's name cannot.
        let is_allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let suffix = context.identity.replace(|character| !is_allowed(character), "-").to_ascii_lowercase();
        Self {
            api: Api::namespaced(context.client.clone(), &context.namespace),
            service: service.to_owned(),
            identity: context.identity.clone(),
            own_lease: format!("{service}-{suffix}"),
            timing,
            own: watch::Sender::default(),
        }
    }

    /// Changes what this replica reports.
    pub(super) fn set(&self, change: impl FnOnce(&mut ReplicaReport)) {
        self.own.send_if_modified(|report| {
            let before = report.clone();
            change(report);
            *report != before
        });
    }

    /// Reports what this replica serves, at once when that changes; never returns.
    pub async fn run(&self) -> Infallible {
        let mut own = self.own.subscribe();
        let mut problem = LogChanges::default();
        loop {
            let report = own.borrow_and_update().clone();
            let mut pause = self.timing.report_interval;
            if report.ca.is_some() || !report.paths.is_empty() {
                match self.write(&report).await {
                    Ok(_) => {
                        problem.recovered();
                    }
                    Err(error) => {
                        pause /= 5;
                        if problem.is_new(&error.to_string()) {
                            tracing::warn!(lease = %self.own_lease, %error, "Failed to report what this replica serves");
                        }
                    }
                }
            }
            // Without a change, the pause ends the wait.
            let _ = timeout(pause, own.changed()).await;
        }
    }

    async fn write(&self, report: &ReplicaReport) -> Result<Lease, ApiError> {
        let ReplicaReport { ca, paths, former_path_used_at } = report;
        let mut annotations = json!({PATHS_ANNOTATION: paths.join(",")});
        if let Some(ca) = ca {
            annotations[SERVES_ANNOTATION] = ca.as_str().into();
        }
        if let Some(used_at) = former_path_used_at {
            annotations[FORMER_PATH_USED_ANNOTATION] = used_at.to_string().into();
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": self.own_lease,
                "labels": {"app.kubernetes.io/name": "driftwall", REPLICA_LABEL: self.service},
                "annotations": annotations,
            },
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.timing.report_timeout.as_secs().max(1),
                "renewTime": leader_election::now(),
            },
        });
        let (parameters, patch) = (PatchParams::apply(FIELD_MANAGER).force(), Patch::Apply(lease));
        with_timeout(REQUEST_TIMEOUT, self.api.patch(&self.own_lease, &parameters, &patch)).await
    }

    /// Deletes this replica's report: it no longer serves.
    pub async fn withdraw(&self) {
        if *self.own.borrow() != ReplicaReport::default() {
            // Where this fails, the leader deletes the report later.
            self.delete(&self.own_lease).await;
        }
    }

    async fn delete(&self, lease: &str) {
        let _ = with_timeout(REQUEST_TIMEOUT, self.api.delete(lease, &DeleteParams::default())).await;
    }

    /// The reports of all replicas. Those that were not renewed in time are deleted.
    pub(super) async fn read(&self, last_reports: &mut LastReports) -> Result<Vec<ReplicaReport>, ApiError> {
        let own_reports = ListParams::default().labels(&format!("{REPLICA_LABEL}={}", self.service));
        let leases = with_timeout(REQUEST_TIMEOUT, self.api.list(&own_reports)).await?.items;
        last_reports.retain(|name, _| leases.iter().any(|lease| lease.name_any() == *name));
        let mut reports = Vec::new();
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
            reports.push(report(&lease));
        }
        Ok(reports)
    }
}

fn report(lease: &Lease) -> ReplicaReport {
    let value = |key| lease.annotations().get(key);
    let paths = value(PATHS_ANNOTATION).map(String::as_str).unwrap_or_default();
    ReplicaReport {
        ca: value(SERVES_ANNOTATION).cloned(),
        paths: paths.split(',').filter(|path| !path.is_empty()).map(str::to_owned).collect(),
        former_path_used_at: value(FORMER_PATH_USED_ANNOTATION).and_then(|time| time.parse().ok()),
    }
}
