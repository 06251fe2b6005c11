//! The path at which reviews are received, in a Secret that all replicas read.
//!
//! Every replica watches the Secret, accepts its paths and reports that. The leader decides
//! what comes next (see `rotation`): it creates paths, and says which one is registered.

mod contents;
mod leader;
mod rotation;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use tokio::sync::watch;
use tokio::time::sleep;

use super::context::ClusterContext;
use super::replica_reports::ReplicaReports;
use super::secret_store::{SecretState, SecretStore};
use super::webhook_config::RegisteredPaths;
use contents::PathContents;
use driftwall_core::webhook_config::{AcceptedPath, ReviewPath};

pub use rotation::PathTiming;

/// Manages the review path of an installation, as one of its replicas.
pub struct ReviewPathManager {
    service: String,
    timing: PathTiming,
    store: SecretStore<PathContents>,
    deployments: Api<Deployment>,
    reports: Arc<ReplicaReports>,
    accepted: watch::Sender<Vec<AcceptedPath>>,
    to_register: watch::Sender<Option<ReviewPath>>,
    /// Unix time at which this replica was asked at a former path last; 0 for never.
    former_used_at: Arc<AtomicI64>,
    /// What is missing while there is no path.
    waiting_reason: watch::Sender<String>,
}

impl ReviewPathManager {
    /// A path in a Secret of driftwall's namespace; nothing happens before
    /// [`ReviewPathManager::run`]. `accepted` are the paths that are answered until then.
    pub fn new(
        context: &ClusterContext,
        service: &str,
        timing: PathTiming,
        reports: Arc<ReplicaReports>,
        accepted: Vec<AcceptedPath>,
    ) -> Self {
        Self {
            service: service.to_owned(),
            timing,
            store: SecretStore::new(context, format!("{service}-path")),
            deployments: Api::namespaced(context.client.clone(), &context.namespace),
            reports,
            accepted: watch::Sender::new(accepted),
            to_register: watch::Sender::default(),
            former_used_at: Arc::default(),
            waiting_reason: watch::Sender::new("the API server has not answered yet".to_owned()),
        }
    }

    /// The paths that are to be answered; none until they are known.
    pub fn accepted(&self) -> watch::Receiver<Vec<AcceptedPath>> {
        self.accepted.subscribe()
    }

    /// The path that is to be registered; `None` until it is known.
    pub fn to_register(&self) -> watch::Receiver<Option<ReviewPath>> {
        self.to_register.subscribe()
    }

    /// Where the server notes that a former path was used: Unix time.
    pub fn former_used_at(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.former_used_at)
    }

    /// Accepts the path that everybody knows, beside those that are accepted already.
    pub fn accept_well_known(&self) {
        self.accepted.send_if_modified(|accepted| {
            let is_missing = accepted.iter().all(|accepted| !accepted.path.is_well_known());
            if is_missing {
                accepted.push(well_known());
            }
            is_missing
        });
    }

    /// Why there is no path yet.
    pub fn waiting_reason(&self) -> String {
        self.waiting_reason.borrow().clone()
    }

    /// The name of the Secret.
    pub fn secret_name(&self) -> &str {
        &self.store.name
    }

    /// Watches the Secret and accepts its paths, and creates new ones while this replica
    /// leads; never returns.
    pub async fn run(
        &self,
        is_leader: watch::Receiver<bool>,
        registered: watch::Receiver<RegisteredPaths>,
    ) -> Infallible {
        tokio::select! {
            never = self.store.watch(&self.waiting_reason) => never,
            never = self.accept(registered.clone()) => never,
            never = self.report_use() => never,
            never = self.run_as_leader(is_leader, registered) => never,
        }
    }

    /// Accepts the paths of the Secret; never returns. A Secret without a path changes nothing
    /// for a replica that accepts one already.
    async fn accept(&self, mut registered: watch::Receiver<RegisteredPaths>) -> Infallible {
        let mut state = self.store.state();
        loop {
            let new = match (&*state.borrow_and_update(), &*registered.borrow_and_update()) {
                (SecretState::Present(_, contents), _) if contents.path.is_some() => contents.accepted(),
                (SecretState::Forbidden, _) => {
                    let secret = self.secret_name();
                    tracing::warn!(%secret, "No right to the Secret of the review path, /validate stays in use");
                    vec![well_known()]
                }
                (SecretState::Present(..) | SecretState::Absent, registered) if self.accepted.borrow().is_empty() => {
                    self.waiting_reason.send_replace("the leader has not created it yet".to_owned());
                    // No API server calls yet, or all call as those of older versions do.
                    if registered.are_well_known_at_most() { vec![well_known()] } else { Vec::new() }
                }
                _ => Vec::new(),
            };
            if !new.is_empty() {
                let paths = new.iter().map(|accepted| fingerprint(&accepted.path)).collect();
                self.accepted.send_if_modified(|accepted| std::mem::replace(accepted, new.clone()) != new);
                self.reports.set(|report| report.paths = paths);
            }
            let changed = tokio::select! {
                changed = state.changed() => changed,
                changed = registered.changed() => changed,
            };
            if changed.is_err() {
                // Only at the end of the program.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Reports when a former path was used; never returns.
    async fn report_use(&self) -> Infallible {
        loop {
            let used_at = self.former_used_at.load(Ordering::Relaxed);
            let has_former = self.accepted.borrow().iter().any(|accepted| accepted.is_former);
            // To the minute: each change is written.
            let used_at = (has_former && used_at > 0).then_some(used_at - used_at % 60 + 60);
            self.reports.set(|report| report.former_path_used_at = used_at);
            sleep(self.timing.poll_interval).await;
        }
    }
}

/// The path of older versions.
fn well_known() -> AcceptedPath {
    AcceptedPath { path: ReviewPath::well_known(), is_former: false }
}

/// Tells a path from others, and not what it is.
fn fingerprint(path: &ReviewPath) -> String {
    let digest = digest(&SHA256, path.as_str().as_bytes());
    let mut start = [0; 8];
    start.copy_from_slice(&digest.as_ref()[..8]);
    format!("{:016x}", u64::from_be_bytes(start))
}

/// The paths that are registered, if they can be used as a review path.
fn usable(paths: &BTreeSet<String>) -> Vec<ReviewPath> {
    paths.iter().filter_map(|path| ReviewPath::parse(path)).collect()
}

#[cfg(test)]
mod tests;
