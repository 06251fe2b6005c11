//! Under which CA each replica serves: a `Lease` a replica.

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

use super::plan::RotationTiming;
use crate::certs::{Certificate, ServingCertificate};
use crate::cluster::context::ClusterContext;
use crate::cluster::{FIELD_MANAGER, leader_election, reason};

const SERVES: &str = "driftwall.io/serves";
/// Whose replica it is, by the installation's name: that of one can begin with another's.
const REPLICA: &str = "driftwall.io/replica";
/// The API server's answer to a request.
const ANSWER: Duration = Duration::from_secs(5);

/// The reports of all replicas of an installation, this one's among them.
pub(super) struct ReplicaReports {
    api: Api<Lease>,
    service: String,
    identity: String,
    /// The name of this one's.
    own: String,
    timing: RotationTiming,
}

/// When the leader saw a report last change, by its own clock.
pub(super) type LastReports = HashMap<String, (Option<String>, Instant)>;

impl ReplicaReports {
    pub(super) fn new(home: &ClusterContext, service: &str, timing: RotationTiming) -> Self {
        // A host's name may have what an object's cannot.
        let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
        let identity = home.identity.replace(|character| !is_plain(character), "-").to_ascii_lowercase();
        let own = format!("{service}-{identity}");
        Self {
            api: Api::namespaced(home.client.clone(), &home.namespace),
            service: service.to_owned(),
            identity: home.identity.clone(),
            own,
            timing,
        }
    }

    /// Tells under which CA this replica serves, at once when it changes, for ever.
    pub(super) async fn report(&self, mut serving: watch::Receiver<Option<Arc<ServingCertificate>>>) -> Infallible {
        let mut told = String::new();
        loop {
            let pair = serving.borrow_and_update().clone();
            let mut pause = self.timing.report;
            if let Some(print) = pair.and_then(|pair| print(&pair)) {
                let error = match timeout(ANSWER, self.write(&print)).await {
                    Ok(Ok(_)) => String::new(),
                    Ok(Err(error)) => reason(&error),
                    Err(_) => "the API server does not answer in time".to_owned(),
                };
                if !error.is_empty() {
                    pause /= 5;
                    if told != error {
                        tracing::warn!(lease = %self.own, %error, "Report of this replica could not be written");
                    }
                }
                told = error;
            }
            // Its sender lives as long as this; without a change the pause ends it.
            let _ = timeout(pause, serving.changed()).await;
        }
    }

    async fn write(&self, print: &str) -> Result<Lease, kube::Error> {
        let report = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": self.own,
                "labels": {"app.kubernetes.io/name": "driftwall", REPLICA: self.service},
                "annotations": {SERVES: print},
            },
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self.timing.report_timeout.as_secs().max(1),
                "renewTime": leader_election::now(),
            },
        });
        self.api.patch(&self.own, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(report)).await
    }

    pub(super) async fn withdraw(&self) {
        // What stays is swept away by who leads.
        let _ = timeout(ANSWER, self.api.delete(&self.own, &DeleteParams::default())).await;
    }

    /// The CAs under which replicas serve. The reports of those that have been
    /// silent for too long are swept away.
    pub(super) async fn count(&self, heard: &mut LastReports) -> Result<Vec<String>, String> {
        let ours = ListParams::default().labels(&format!("{REPLICA}={}", self.service));
        let list = match timeout(ANSWER, self.api.list(&ours)).await {
            Ok(list) => list.map_err(|error| reason(&error))?.items,
            Err(_) => return Err("the API server does not answer in time".to_owned()),
        };
        heard.retain(|name, _| list.iter().any(|lease| lease.name_any() == *name));
        let mut served = Vec::new();
        for lease in list {
            let name = lease.name_any();
            let version = lease.resource_version();
            let (before, since) = heard.entry(name.clone()).or_insert_with(|| (version.clone(), Instant::now()));
            if *before != version {
                (*before, *since) = (version, Instant::now());
            }
            if since.elapsed() >= self.timing.report_timeout {
                tracing::info!(lease = %name, "Replica is gone");
                // Tried again at the next count.
                let _ = timeout(ANSWER, self.api.delete(&name, &DeleteParams::default())).await;
                continue;
            }
            // A report that says nothing is of nobody who follows.
            served.push(lease.annotations().get(SERVES).cloned().unwrap_or_default());
        }
        Ok(served)
    }
}

fn print(pair: &ServingCertificate) -> Option<String> {
    Certificate::parse_pem(&pair.ca).ok()?.into_iter().next().map(|ca| ca.fingerprint)
}
