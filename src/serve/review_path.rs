//! The paths at which this replica receives reviews, and the one that is registered.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::reload::ClusterSettings;
use crate::cluster::{ClusterContext, PathTiming, RegisteredPaths, ReplicaReports, ReviewPathManager};
use crate::config::{FailurePolicy, PathFileError, WebhookSettings, read_path_file};
use crate::error_chain::error_chain;
use crate::server::ReviewPaths;
use crate::telemetry::LogChanges;
use driftwall_core::webhook_config::{AcceptedPath, ReviewPath, chooses_path_of};

/// How often the file of paths is read. A mounted Secret takes up to a minute to change anyway.
const FILE_POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How often the log says what a start waits for.
const WAIT_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Where the paths come from.
pub(super) enum ReviewPathSource {
    /// A file; the first path in it is registered.
    File { file: PathBuf, accepted: watch::Sender<Vec<AcceptedPath>>, registered: watch::Sender<Option<ReviewPath>> },
    /// A Secret, while driftwall registers itself; else the path that everybody knows.
    Managed(Box<ReviewPathManager>),
    /// The path that everybody knows.
    WellKnown(watch::Sender<Option<ReviewPath>>),
}

impl ReviewPathSource {
    /// Decides where they come from, and reads the file, if that is it.
    pub(super) fn new(
        cluster: Option<(&ClusterContext, &Arc<ReplicaReports>)>,
        registration: &WebhookSettings,
    ) -> Result<Self, PathFileError> {
        if let Some(file) = &registration.path_file {
            let paths = read_path_file(file)?;
            let registered = watch::Sender::new(paths.first().cloned());
            return Ok(Self::File { file: file.clone(), accepted: watch::Sender::new(accepted(paths)), registered });
        }
        let has_own_path = registration.url.as_ref().is_some_and(|url| !chooses_path_of(url));
        Ok(match cluster {
            Some((cluster, reports)) if !has_own_path => {
                let known = if registration.manage { Vec::new() } else { accepted(vec![ReviewPath::well_known()]) };
                let (service, reports) = (&registration.service, Arc::clone(reports));
                let manager = ReviewPathManager::new(cluster, service, PathTiming::default(), reports, known);
                Self::Managed(Box::new(manager))
            }
            _ => Self::WellKnown(watch::Sender::new(Some(ReviewPath::well_known()))),
        })
    }

    /// Whether anybody knows the path that is answered.
    fn is_well_known(&self, registration: &WebhookSettings) -> bool {
        match self {
            Self::File { .. } => false,
            Self::Managed(_) => !registration.manage,
            Self::WellKnown(_) => true,
        }
    }

    /// The path that is to be registered; `None` until it is known.
    pub(super) fn to_register(&self) -> watch::Receiver<Option<ReviewPath>> {
        match self {
            Self::File { registered, .. } | Self::WellKnown(registered) => registered.subscribe(),
            Self::Managed(manager) => manager.to_register(),
        }
    }

    /// Waits until there is a path to serve at, and logs what it waits for.
    pub(super) async fn review_paths(&self) -> ReviewPaths {
        match self {
            Self::File { accepted, .. } => ReviewPaths::new(accepted.subscribe(), Arc::default()),
            Self::WellKnown(_) => ReviewPaths::fixed(ReviewPath::well_known()),
            Self::Managed(manager) => {
                let mut accepted = manager.accepted();
                while timeout(WAIT_LOG_INTERVAL, accepted.wait_for(|paths| !paths.is_empty())).await.is_err() {
                    let (secret, reason) = (manager.secret_name(), manager.waiting_reason());
                    tracing::warn!(secret, reason, "Waiting for a review path");
                }
                ReviewPaths::new(accepted, manager.former_used_at())
            }
        }
    }

    /// Keeps the paths current; never returns.
    pub(super) async fn run(
        &self,
        settings: watch::Receiver<ClusterSettings>,
        is_leader: watch::Receiver<bool>,
        registered: watch::Receiver<RegisteredPaths>,
    ) -> Infallible {
        match self {
            Self::File { file, accepted, registered } => follow_file(file, accepted, registered).await,
            Self::WellKnown(_) => std::future::pending().await,
            Self::Managed(manager) => manage(manager, settings, is_leader, registered).await,
        }
    }

    /// Warns of a configuration in which strangers may be answered; never returns.
    pub(super) async fn warn(&self, mut settings: watch::Receiver<ClusterSettings>, has_client_ca: bool) -> Infallible {
        let mut logged = LogChanges::default();
        loop {
            let registration = settings.borrow_and_update().registration.clone();
            let reason = match (has_client_ca, self.is_well_known(&registration), registration.failure_policy) {
                (true, ..) | (false, false, FailurePolicy::Ignore) => "",
                (false, true, _) => "the review path is /validate, which everybody knows: set registration.pathFile",
                (false, false, FailurePolicy::Fail) => {
                    "with failurePolicy: Fail, the API server shows the review path in its errors: set tls.clientCaFile"
                }
            };
            if reason.is_empty() {
                logged.recovered();
            } else if logged.is_new(reason) {
                tracing::warn!(reason, "Others than the API server may be answered");
            }
            if settings.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

fn accepted(paths: Vec<ReviewPath>) -> Vec<AcceptedPath> {
    paths.into_iter().map(|path| AcceptedPath { path, is_former: false }).collect()
}

async fn follow_file(
    file: &Path,
    accepted_paths: &watch::Sender<Vec<AcceptedPath>>,
    registered: &watch::Sender<Option<ReviewPath>>,
) -> Infallible {
    let mut problem = LogChanges::default();
    loop {
        sleep(FILE_POLL_INTERVAL).await;
        match read_path_file(file) {
            Ok(paths) => {
                problem.recovered();
                let first = paths.first().cloned();
                let paths = accepted(paths);
                let is_new = accepted_paths.send_if_modified(|last| std::mem::replace(last, paths.clone()) != paths);
                registered.send_if_modified(|last| std::mem::replace(last, first.clone()) != first);
                if is_new {
                    tracing::info!(paths = paths.len(), "Review paths reloaded");
                }
            }
            Err(error) => {
                let error = error_chain(&error);
                if problem.is_new(&error) {
                    tracing::error!(%error, "Changed review paths rejected, the old ones stay in use");
                }
            }
        }
    }
}

/// Runs the manager while driftwall registers itself; never returns.
async fn manage(
    manager: &ReviewPathManager,
    mut settings: watch::Receiver<ClusterSettings>,
    is_leader: watch::Receiver<bool>,
    registered: watch::Receiver<RegisteredPaths>,
) -> Infallible {
    loop {
        if settings.wait_for(|settings| settings.registration.manage).await.is_err() {
            return std::future::pending().await;
        }
        tokio::select! {
            never = manager.run(is_leader.clone(), registered.clone()) => match never {},
            Ok(_) = settings.wait_for(|settings| !settings.registration.manage) => {}
        }
        // Whoever registers driftwall from now on takes the path that everybody knows.
        manager.accept_well_known();
    }
}
