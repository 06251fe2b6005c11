//! The admission handler: a review's bytes in, an answer's bytes out, by the
//! current snapshot and the current settings.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::application_health::discovery_health;
use super::canary::CanaryAnswerer;
use super::deadline_lookup::{DeadlineLookup, InstantLookup};
use super::evaluation_budget::{EvaluationBudget, Turn};
use super::events::{drift_labels, event_for, log};
use super::recent_denials::{RecentDenials, Step};
use super::responses::{error_response, response};
use super::review_recording::ReviewRecording;
use super::self_check_queue::SelfCheckQueue;
use super::source_health::source_health;
use crate::cluster::Recorder;
use crate::discovery::WatchStatus;
use crate::server::{HeadReason, ReviewPlace, ReviewResponse, Reviewer};
use crate::source::{MirrorStatus, SnapshotStore, SourcePoller};
use crate::telemetry::{DiscoveryHealth, Health, MirrorHealth, RecurringDrift, SelfCheckCounts, SourceHealth};
use driftwall_core::actor::ActorRules;
use driftwall_core::admission::{self, ReviewError, Write};
use driftwall_core::canary::CanaryObject;
use driftwall_core::decision::{BreakGlassContext, DecisionContext, decide, validate_break_glass};
use driftwall_core::desired::{Snapshot, Uncertainty};
use driftwall_core::drift_memory::DriftMemory;
use driftwall_core::policy::{
    Assessment, BreakGlasses, ClusterLookup, EvaluationContext, Outcome, Policy, Verdict, Violation, evaluate,
    needs_self_check, self_check_key,
};

/// Answers reviews.
pub(crate) struct AdmissionHandler {
    pub(crate) store: Arc<SnapshotStore>,
    /// How the watches stand by which applications are found.
    pub(crate) watches: Arc<WatchStatus>,
    poller: SourcePoller,
    pub(super) settings: ArcSwap<ReviewSettings>,
    pub(super) lookup: Box<dyn ClusterLookup>,
    break_glasses: ArcSwapOption<BreakGlasses>,
    recorder: ArcSwapOption<Recorder>,
    canary: CanaryAnswerer,
    /// Where reviews are recorded, if they are.
    recording: ArcSwapOption<ReviewRecording>,
    recent_denials: RecentDenials,
    /// Who drifts what, since the start.
    drift: Mutex<DriftMemory>,
    pub(super) budget: EvaluationBudget,
    /// Writes of GitOps tools, compared with the snapshot after they were answered.
    pub(super) self_checks: SelfCheckQueue,
}

/// A large review that does not get its turn until so long before its deadline is
/// answered by its head.
const TURN_MARGIN: Duration = Duration::from_millis(500);

/// How much of the deadline is kept for the answer itself when a source is refreshed
/// first: a denial that comes too late lets the write in.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

/// Bytes of a review that is evaluated where it arrives: that takes less than to hand it to a task of its own would
/// gain others.
const MAX_AT_ONCE: usize = 64 * 1024;

/// Why a review is answered by its head.
const TOO_LARGE: &str = "the write is too large to be compared";
const NO_TURN: &str = "the write is large, and too many large ones came at once; try again";

/// How reviews are answered; it can change between two of them.
#[derive(Debug)]
pub(crate) struct ReviewSettings {
    pub(crate) actors: ActorRules,
    pub(crate) policy: Policy,
    /// How long a review waits for that refresh at most.
    pub(crate) refresh_timeout: Duration,
    /// A snapshot that is older than this denies nothing.
    pub(crate) max_staleness: Duration,
    /// How long a `BreakGlass` may last at most.
    pub(crate) max_break_glass_duration: Duration,
    /// The name of this cluster; empty where it has none.
    pub(crate) cluster_name: String,
}

/// What a review is evaluated by, from beginning to end.
pub(super) struct Basis {
    pub(super) settings: Guard<Arc<ReviewSettings>>,
    pub(super) snapshot: Arc<Snapshot>,
}

/// One evaluation of a review.
struct Attempt {
    response: ReviewResponse,
    /// Set for a denial by a snapshot that may be outdated.
    refresh_first: Option<RefreshFirst>,
}

/// What to refresh before a denial is given.
struct RefreshFirst {
    /// The source's name; every source where none declares the object.
    source: Option<String>,
}

impl AdmissionHandler {
    pub(crate) fn new(
        store: Arc<SnapshotStore>,
        poller: SourcePoller,
        settings: ReviewSettings,
        lookup: Box<dyn ClusterLookup>,
    ) -> Self {
        Self {
            store,
            watches: Arc::default(),
            poller,
            settings: ArcSwap::from_pointee(settings),
            lookup,
            break_glasses: ArcSwapOption::empty(),
            recorder: ArcSwapOption::empty(),
            canary: CanaryAnswerer::default(),
            recording: ArcSwapOption::empty(),
            recent_denials: RecentDenials::default(),
            drift: Mutex::default(),
            budget: EvaluationBudget::new(),
            self_checks: SelfCheckQueue::new(),
        }
    }

    pub(crate) fn poller(&self) -> &SourcePoller {
        &self.poller
    }

    pub(crate) fn settings(&self) -> Arc<ReviewSettings> {
        self.settings.load_full()
    }

    pub(crate) fn set_settings(&self, settings: ReviewSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Replaces the `BreakGlass` objects that count; with `None` none does.
    pub(crate) fn set_break_glasses(&self, break_glasses: Option<BreakGlasses>) {
        self.break_glasses.store(break_glasses.map(Arc::new));
    }

    /// Answers this canary from now on.
    pub(crate) fn set_canary(&self, canary: CanaryObject) {
        self.canary.set(canary);
    }

    /// Records reviews from now on.
    pub(crate) fn set_recording(&self, recording: ReviewRecording) {
        self.recording.store(Some(Arc::new(recording)));
    }

    fn drift_memory(&self) -> MutexGuard<'_, DriftMemory> {
        // What a panic left half done is one entry of a memory that forgets anyway.
        self.drift.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces where Events are recorded; with `None` nowhere.
    pub(crate) fn set_recorder(&self, recorder: Option<Recorder>) {
        self.recorder.store(recorder.map(Arc::new));
    }

    /// Evaluates a review when it has its turn, before its deadline.
    async fn attempt(&self, body: &Bytes, deadline: Instant, step: Step) -> Attempt {
        let latest = deadline.checked_sub(TURN_MARGIN).unwrap_or(deadline);
        match self.budget.turn(body, latest).await {
            Some(Turn::Small) => self.evaluate(admission::decode(body), Some(body), deadline, step),
            Some(Turn::Large(_permit)) => aside(|| self.evaluate(admission::decode(body), Some(body), deadline, step)),
            None => self.evaluate(admission::decode_head(body, NO_TURN), None, deadline, Step::Final),
        }
    }

    /// Evaluates a review by the current snapshot, see [`Self::answer`].
    fn evaluate(
        &self,
        decoded: Result<Write<'_>, ReviewError>,
        body: Option<&Bytes>,
        deadline: Instant,
        step: Step,
    ) -> Attempt {
        let basis = self.basis();
        let write = match decoded {
            Ok(write) => write,
            Err(error) => {
                let response = error_response(&error, &basis.settings.policy);
                return Attempt { response, refresh_first: None };
            }
        };
        if let Some(response) = self.answer_by_envelope(&write, &basis) {
            return Attempt { response, refresh_first: None };
        }
        let lookup = DeadlineLookup { cluster: &*self.lookup, deadline };
        let assessment = evaluate(&write, basis.context(&lookup));
        self.answer(&write, &assessment, &basis, body, step)
    }

    pub(super) fn basis(&self) -> Basis {
        Basis { settings: self.settings.load(), snapshot: self.store.snapshot() }
    }

    /// Answers what no verdict is about: the canary, and a `BreakGlass` itself.
    fn answer_by_envelope(&self, write: &Write<'_>, basis: &Basis) -> Option<ReviewResponse> {
        if let Some(response) = self.canary.answer(write) {
            return Some(response);
        }
        let settings = &basis.settings;
        let max_duration = settings.max_break_glass_duration;
        let decision = validate_break_glass(write, Timestamp::now(), max_duration, &settings.policy)?;
        let actor = settings.actors.classify(&write.user, &write.resource).class.as_str();
        Some(response(&write.uid, Verdict::Unmanaged, actor, &decision))
    }

    /// Answers by what the evaluation came to. Unless this is the final step,
    /// a denial by an outdated snapshot is neither logged nor recorded as an Event:
    /// the refresh may turn it into another answer. `body` is the review's body, where it is here whole.
    fn answer(
        &self,
        write: &Write<'_>,
        assessment: &Assessment<'_>,
        basis: &Basis,
        body: Option<&Bytes>,
        step: Step,
    ) -> Attempt {
        let Basis { settings, snapshot } = basis;
        let policy = &settings.policy;
        if let Some(body) = body
            && needs_self_check(write, assessment.class, basis.context(&*self.lookup))
        {
            self.self_checks.push(body, self_check_key(write), basis);
        }

        // Ages and break-glass take a clock: only where the answer may depend on them.
        let source = assessment.source.map(|source| source.name.as_str());
        let depends_on_git = source.is_some() || assessment.violation == Violation::CreateUndeclared;
        let age = if depends_on_git { snapshot.age(source, &write.namespace, self.store.now()) } else { None };
        let break_glasses =
            if depends_on_git || assessment.verdict == Verdict::Drift { self.break_glasses.load_full() } else { None };
        let break_glass =
            break_glasses.as_deref().map(|break_glasses| BreakGlassContext { break_glasses, now: Timestamp::now() });
        // What is as old as nobody knows may be any age.
        let is_stale = depends_on_git && age.is_none_or(|age| age > settings.max_staleness);
        let mut decision = decide(write, assessment, policy, DecisionContext { is_stale, age, break_glass });
        if !settings.cluster_name.is_empty() && !decision.answer.annotations.is_empty() {
            decision.answer.annotations.insert("cluster", settings.cluster_name.clone());
        }

        let is_denied_by_git = decision.outcome == Outcome::Deny && assessment.verdict != Verdict::Error;
        // A commit that is being read may settle what is uncertain now.
        let is_loading = matches!(assessment.uncertainty, Some(Uncertainty::NewerCommitLoading(_)));
        let mut refresh_first = None;
        // What a tool has applied is read from the object itself: there is nothing to sync. Nor is there of a source
        // at a commit: that never changes.
        let is_applied = assessment.source.is_some_and(|source| source.applied_by.is_some());
        let is_at_commit = assessment.source.is_some_and(|source| source.revision == source.commit);
        let may_be_outdated = !is_applied && (is_loading || is_denied_by_git && !is_at_commit);
        if may_be_outdated && self.recent_denials.is_refreshed_first(write, assessment, step, is_loading) {
            refresh_first = Some(RefreshFirst { source: source.map(str::to_owned) });
        } else {
            if is_denied_by_git && step == Step::Final {
                self.recent_denials.insert(write, assessment);
            }
            log(write, assessment, &decision);
            if assessment.verdict == Verdict::Drift {
                self.drift_memory().record(write, assessment, &settings.actors, Some(Timestamp::now()));
            }
            if let Some(recorder) = &*self.recorder.load()
                && let Some(event) = event_for(write, assessment, &decision)
            {
                recorder.record(event);
            }
        }
        let mut response = response(&write.uid, assessment.verdict, assessment.class.as_str(), &decision);
        response.drift = drift_labels(write, assessment, &decision);
        Attempt { response, refresh_first }
    }
}

impl Basis {
    pub(super) fn context<'a>(&'a self, cluster: &'a dyn ClusterLookup) -> EvaluationContext<'a> {
        let Self { settings, snapshot } = self;
        EvaluationContext { snapshot, actors: &settings.actors, policy: &settings.policy, cluster }
    }
}

impl Reviewer for AdmissionHandler {
    fn review_at_once(&self, body: &Bytes) -> Option<ReviewResponse> {
        if body.len() > MAX_AT_ONCE || self.recording.load().is_some() || !EvaluationBudget::is_small(body) {
            return None;
        }
        // What cannot be decoded is told where there is time to tell it.
        let write = admission::decode(body).ok()?;
        let basis = self.basis();
        if let Some(response) = self.answer_by_envelope(&write, &basis) {
            return Some(response);
        }
        let lookup = InstantLookup::new(&*self.lookup);
        let assessment = evaluate(&write, basis.context(&lookup));
        if lookup.has_failed() {
            return None;
        }
        let Attempt { response, refresh_first } = self.answer(&write, &assessment, &basis, Some(body), Step::AtOnce);
        refresh_first.is_none().then_some(response)
    }

    async fn review(&self, body: Bytes, deadline: Instant, place: ReviewPlace) -> ReviewResponse {
        let arrived = Instant::now();
        if let Some(recording) = &*self.recording.load() {
            recording.record(&body);
        }
        let first = self.attempt(&body, deadline, Step::First).await;
        let Some(RefreshFirst { source }) = first.refresh_first else { return first.response };
        // It may take seconds, and no thread: with its place, hundreds that wait for Git would keep all others waiting.
        drop(place);
        // Nobody is denied for a change that they pushed a moment ago.
        let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(ANSWER_MARGIN);
        let timeout = self.settings.load().refresh_timeout.min(left);
        self.poller().refresh(source.as_deref(), arrived, timeout).await;
        self.attempt(&body, deadline, Step::Final).await.response
    }

    fn review_head(&self, start: &[u8], reason: HeadReason, deadline: Instant) -> ReviewResponse {
        let reason = match reason {
            HeadReason::NoRoom => NO_TURN,
            HeadReason::TooLarge => TOO_LARGE,
        };
        self.evaluate(admission::decode_head(start, reason), None, deadline, Step::Final).response
    }

    fn overdue(&self, body: &Bytes) -> ReviewResponse {
        let policy = &self.settings.load().policy;
        match admission::decode(body) {
            Ok(write) => {
                let reason = "the evaluation took too long".to_owned();
                error_response(&ReviewError::Request { uid: write.uid.into_owned(), reason }, policy)
            }
            Err(error) => error_response(&error, policy),
        }
    }
}

/// Runs what keeps a thread busy without keeping other tasks waiting.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl Health for AdmissionHandler {
    fn waiting_sources(&self) -> Vec<String> {
        if self.store.is_ready() { Vec::new() } else { self.store.unsettled_sources() }
    }

    fn sources(&self) -> Vec<SourceHealth> {
        self.store.statuses().into_iter().map(source_health).collect()
    }

    fn self_checks(&self) -> SelfCheckCounts {
        self.self_checks.counts()
    }

    fn recurring_drift(&self) -> RecurringDrift {
        let memory = self.drift_memory();
        let actors = &self.settings.load().actors;
        let presets = actors.presets().map(str::to_owned).collect();
        // What was seen before a rule came does not need another one.
        let drift = memory.recurrences().into_iter().filter(|seen| !seen.is_let_pass(actors)).collect();
        RecurringDrift { drift, presets, forgotten: memory.forgotten() }
    }

    fn mirrors(&self) -> Vec<MirrorHealth> {
        let mirrors = self.poller.mirrors().into_iter();
        mirrors.map(|MirrorStatus { repo, bytes }| MirrorHealth { repo, bytes }).collect()
    }

    fn applications(&self) -> DiscoveryHealth {
        discovery_health(&self.store.snapshot(), &self.watches)
    }
}
