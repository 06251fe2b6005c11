//! What the leader does: finds out which step of the rotation comes next, and takes it.

use std::convert::Infallible;

use aws_lc_rs::rand;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep};

use super::contents::PathContents;
use super::rotation::{ObservedPaths, PathInputs, PathStep, Registered, next_step};
use super::{ReviewPathManager, fingerprint, usable};
use crate::cluster::any_change::any_change;
use crate::cluster::api_error::{ApiError, none_if_not_found, with_timeout};
use crate::cluster::replica_reports::{LastReports, ReplicaReport};
use crate::cluster::secret_store::{SecretError, SecretState};
use crate::cluster::webhook_config::RegisteredPaths;
use crate::telemetry::LogChanges;
use driftwall_core::webhook_config::ReviewPath;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// What a leader knows beside the Secret; a new leader learns it again.
#[derive(Default)]
struct LeaderState {
    /// The path of the Secret, and since when API servers use it.
    used_since: Option<(ReviewPath, Instant)>,
    /// The path of the Secret, and since when all replicas accept it.
    accepted_since: Option<(ReviewPath, Instant)>,
    last_reports: LastReports,
    /// The reports as they were read last, and when.
    reports: Option<(Instant, Vec<ReplicaReport>)>,
    /// What keeps the rotation from going on.
    obstacle: LogChanges,
    /// Whether the Secret must not be written.
    is_read_only: bool,
}

impl ReviewPathManager {
    pub(super) async fn run_as_leader(
        &self,
        mut is_leader: watch::Receiver<bool>,
        mut registered: watch::Receiver<RegisteredPaths>,
    ) -> Infallible {
        let mut secret = self.store.state();
        let mut state = LeaderState::default();
        loop {
            let current = secret.borrow_and_update().clone();
            let known = registered.borrow_and_update().clone();
            if *is_leader.borrow_and_update() {
                if self.lead(&current, &known, &mut state).await {
                    // Where the Secret never becomes what was written, this must not write without a pause.
                    sleep(self.timing.poll_interval).await;
                    continue;
                }
            } else {
                state = LeaderState::default();
                self.follow(&known);
            }
            any_change(&mut is_leader, &mut secret, &mut registered, self.timing.poll_interval).await;
        }
    }

    /// Takes the next step, if there is one; true where something was written.
    async fn lead(&self, secret: &SecretState<PathContents>, known: &RegisteredPaths, state: &mut LeaderState) -> bool {
        let Some(contents) = secret.contents().filter(|_| !state.is_read_only) else {
            if matches!(secret, SecretState::Forbidden) || state.is_read_only {
                self.set_to_register(ReviewPath::well_known());
            }
            return false;
        };
        let registered = state.registered(&contents, known);
        let reports = self.reports_if_needed(&contents, registered, state).await;
        let inputs = PathInputs {
            now: Timestamp::now().as_second(),
            registered,
            accepted_for: state.accepted_since.as_ref().map(|(_, since)| since.elapsed()),
            former_used_at: reports.iter().filter_map(|report| report.former_path_used_at).max(),
            timing: self.timing,
        };
        let observed = ObservedPaths {
            created_at: contents.path.as_ref().map(|_| contents.created_at),
            has_former: contents.former.is_some(),
        };
        let (new, reason, message) = match next_step(observed, &inputs) {
            PathStep::None => {
                self.keep(&contents, registered, known);
                return false;
            }
            PathStep::Register => {
                if let Some(path) = &contents.path {
                    self.set_to_register(path.clone());
                }
                return false;
            }
            PathStep::Wait(what) => {
                if state.obstacle.is_new(what) {
                    tracing::info!(secret = %self.secret_name(), "Waiting for {what}");
                }
                self.keep(&contents, registered, known);
                return false;
            }
            PathStep::Create(reason) => {
                let former = contents.path.clone().or_else(|| self.path_in_use(known));
                let Some(path) = new_path() else {
                    tracing::error!("Failed to create a review path: the system gives no random numbers");
                    return false;
                };
                (PathContents::new(path, inputs.now, former), reason, "Review path created")
            }
            PathStep::DropFormer(reason) => (contents.without_former(), reason, "Former review path dropped"),
        };
        self.write(secret, &new, state, reason, message).await
    }

    async fn write(
        &self,
        secret: &SecretState<PathContents>,
        new: &PathContents,
        state: &mut LeaderState,
        reason: &str,
        message: &str,
    ) -> bool {
        let secret_name = self.secret_name();
        match self.store.write(secret, new).await {
            Ok(()) => {
                state.obstacle.recovered();
                tracing::info!(secret = %secret_name, reason, "{message}");
                true
            }
            Err(error) => {
                self.waiting_reason.send_replace(format!("it could not be written: {error}"));
                if state.obstacle.is_new(&error.to_string()) {
                    tracing::error!(secret = %secret_name, %error, "Failed to write the Secret of the review path");
                }
                let is_forbidden = matches!(&error, SecretError::Api(error) if error.is_forbidden());
                // An installation whose rights are those of an older version goes on as it did.
                state.is_read_only = is_forbidden && matches!(secret, SecretState::Absent);
                false
            }
        }
    }

    /// The reports of the replicas, where something depends on them.
    async fn reports_if_needed(
        &self,
        contents: &PathContents,
        registered: Registered,
        state: &mut LeaderState,
    ) -> Vec<ReplicaReport> {
        let is_waiting = matches!(registered, Registered::Nothing | Registered::Other);
        let Some(path) = contents.path.as_ref().filter(|_| is_waiting || contents.former.is_some()) else {
            state.accepted_since = None;
            return Vec::new();
        };
        let accepted = state.accepted_since.as_ref().filter(|(accepted, _)| accepted == path);
        let is_urgent = is_waiting && accepted.is_none_or(|(_, since)| since.elapsed() < self.timing.settling);
        if let Some((read_at, reports)) = &state.reports
            && !is_urgent
            && read_at.elapsed() < self.timing.read_interval
        {
            return reports.clone();
        }
        match self.read_reports(state).await {
            Ok((reports, ready_replicas)) => {
                let fingerprint = fingerprint(path);
                let accepts = |report: &ReplicaReport| report.paths.contains(&fingerprint);
                let all_accept = !reports.is_empty() && reports.len() >= ready_replicas && reports.iter().all(accepts);
                let since = match state.accepted_since.take() {
                    Some((accepted, since)) if accepted == *path => since,
                    _ => Instant::now(),
                };
                state.accepted_since = all_accept.then(|| (path.clone(), since));
                state.reports = Some((Instant::now(), reports.clone()));
                reports
            }
            Err(error) => {
                // Nothing is known of the replicas.
                state.accepted_since = None;
                if state.obstacle.is_new(&error.to_string()) {
                    tracing::warn!(%error, "Failed to read the reports of the replicas");
                }
                Vec::new()
            }
        }
    }

    /// All reports, and how many replicas are ready: one of an older version reports nothing.
    async fn read_reports(&self, state: &mut LeaderState) -> Result<(Vec<ReplicaReport>, usize), ApiError> {
        let reports = self.reports.read(&mut state.last_reports).await?;
        let deployment = none_if_not_found(with_timeout(REQUEST_TIMEOUT, self.deployments.get(&self.service)).await);
        let ready = match deployment {
            Ok(deployment) => deployment.and_then(|deployment| deployment.status?.ready_replicas),
            // Without the right to read it, the reports have to do.
            Err(error) if error.is_forbidden() => None,
            Err(error) => return Err(error),
        };
        Ok((reports, ready.and_then(|ready| usize::try_from(ready).ok()).unwrap_or_default()))
    }

    /// Leaves registered what is, where that works.
    fn keep(&self, contents: &PathContents, registered: Registered, known: &RegisteredPaths) {
        match (registered, &contents.path) {
            (Registered::Current(_), Some(path)) => self.set_to_register(path.clone()),
            (Registered::Other, _) => {
                let in_use = self.path_in_use(known).filter(|path| self.accepts(path));
                if let Some(path) = in_use.or_else(|| contents.former.clone()) {
                    self.set_to_register(path);
                }
            }
            _ => {}
        }
    }

    /// A follower writes nothing; it holds what is registered for right where it accepts that.
    fn follow(&self, known: &RegisteredPaths) {
        let newest = self.accepted.borrow().first().map(|accepted| accepted.path.clone());
        let in_use = self.path_in_use(known).filter(|path| self.accepts(path));
        if let Some(path) = in_use.or(newest) {
            self.set_to_register(path);
        }
    }

    /// The path that API servers use, where it can be used again.
    fn path_in_use(&self, known: &RegisteredPaths) -> Option<ReviewPath> {
        let RegisteredPaths::Paths(paths) = known else { return None };
        let paths = usable(paths);
        paths.iter().find(|path| self.accepts(path)).or(paths.first()).cloned()
    }

    fn accepts(&self, path: &ReviewPath) -> bool {
        self.accepted.borrow().iter().any(|accepted| accepted.path == *path)
    }

    fn set_to_register(&self, path: ReviewPath) {
        self.to_register.send_if_modified(|current| {
            let is_new = current.as_ref() != Some(&path);
            *current = Some(path);
            is_new
        });
    }
}

impl LeaderState {
    fn registered(&mut self, contents: &PathContents, known: &RegisteredPaths) -> Registered {
        let paths = match known {
            RegisteredPaths::Unknown => return Registered::Unread,
            RegisteredPaths::NoWebhookConfig => return Registered::Nothing,
            RegisteredPaths::Paths(paths) => paths,
        };
        let current = contents.path.as_ref().filter(|path| paths.iter().all(|registered| registered == path.as_str()));
        let Some(current) = current else {
            self.used_since = None;
            return Registered::Other;
        };
        let since = match self.used_since.take() {
            Some((path, since)) if path == *current => since,
            _ => Instant::now(),
        };
        self.used_since = Some((current.clone(), since));
        Registered::Current(since.elapsed())
    }
}

/// A path of 128 random bits.
fn new_path() -> Option<ReviewPath> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(ReviewPath::unguessable(u128::from_be_bytes(bytes)))
}
