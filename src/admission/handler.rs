//! The wall itself: a review's bytes in, an answer's bytes out, by the snapshot
//! and the terms of this moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::events::{happening, log};
use crate::cluster::Recorder;
use crate::server::{Health, ReviewLabels, ReviewResponse, Reviewer, SourceHealth};
use crate::source::{SnapshotStore, SourcePoller, SourceState};
use driftwall_core::actor::Actors;
use driftwall_core::admission::{self, ReviewError, Status};
use driftwall_core::decision::{Decision, decide, decide_unreadable_review, validate_break_glass};
use driftwall_core::policy::{
    ActiveBreakGlasses, BreakGlassContext, ClusterLookup, DecisionContext, Disagreement, EvaluationContext, Outcome,
    Policy, Verdict, Violation, evaluate, is_to_check, self_check,
};

/// Judges reviews.
pub(crate) struct AdmissionHandler {
    pub(crate) store: Arc<SnapshotStore>,
    follower: ArcSwap<SourcePoller>,
    terms: ArcSwap<Terms>,
    cluster: Box<dyn ClusterLookup>,
    break_glasses: ArcSwapOption<ActiveBreakGlasses>,
    recorder: ArcSwapOption<Recorder>,
    /// Writes of Git's own hand, to be held against the snapshot off the way of reviews.
    checks: mpsc::Sender<Bytes>,
    unchecked: Mutex<Option<mpsc::Receiver<Bytes>>>,
}

/// Writes that may wait for the self-check; more are not checked, for the next sync brings them again.
const CHECKS: usize = 256;

/// A new look at a source, or at all where nobody says which one it is.
struct Owed {
    source: Option<String>,
}

/// What is left of the deadline for the answer itself.
const ANSWERING: Duration = Duration::from_millis(100);

/// What a configuration asks of writers; it can change between two reviews.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) actors: Actors,
    pub(crate) policy: Policy,
    pub(crate) freshness: Duration,
    pub(crate) longest_look: Duration,
    pub(crate) max_staleness: Duration,
    /// How long a `BreakGlass` may last.
    pub(crate) longest_glass: Duration,
}

/// A review's answer.
struct Answered {
    reviewed: ReviewResponse,
    /// The look that a denial is owed before it is given.
    owed: Option<Owed>,
}

impl AdmissionHandler {
    pub(crate) fn new(
        store: Arc<SnapshotStore>,
        follower: SourcePoller,
        terms: Terms,
        cluster: Box<dyn ClusterLookup>,
    ) -> Self {
        let (checks, unchecked) = mpsc::channel(CHECKS);
        let (follower, terms) = (ArcSwap::from_pointee(follower), ArcSwap::from_pointee(terms));
        let (break_glasses, recorder) = (ArcSwapOption::empty(), ArcSwapOption::empty());
        Self {
            store,
            follower,
            terms,
            cluster,
            break_glasses,
            recorder,
            checks,
            unchecked: Mutex::new(Some(unchecked)),
        }
    }

    pub(crate) fn follower(&self) -> Arc<SourcePoller> {
        self.follower.load_full()
    }

    /// From here on other sources are followed.
    pub(crate) fn follow(&self, follower: SourcePoller) {
        self.follower.store(Arc::new(follower));
    }

    /// From here on other terms hold.
    pub(crate) fn hold(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// From here on this glass is broken; with `None` there is none to break.
    pub(crate) fn break_glass(&self, break_glasses: Option<ActiveBreakGlasses>) {
        self.break_glasses.store(break_glasses.map(Arc::new));
    }

    /// From here on denials are recorded there, or nowhere.
    pub(crate) fn record(&self, recorder: Option<Recorder>) {
        self.recorder.store(recorder.map(Arc::new));
    }

    /// Answers a review by the snapshot of this moment. Where `last` is not set, a
    /// denial by an old look is not counted yet: it may not stand.
    fn answer(&self, body: &Bytes, last: bool) -> Answered {
        let terms = self.terms.load();
        let snapshot = self.store.snapshot();
        let write = match admission::decode(body) {
            Ok(write) => write,
            Err(error) => return Answered { reviewed: refused(&error, &terms.policy), owed: None },
        };
        if let Some(decision) = validate_break_glass(&write, Timestamp::now(), terms.longest_glass, &terms.policy) {
            let actor = terms.actors.classify(&write.user, &write.namespace).class.as_str();
            let labels = Some(labels(Verdict::Unmanaged, actor, &decision));
            let body = admission::encode(&write.uid, &decision.answer);
            return Answered { reviewed: ReviewResponse { status: StatusCode::OK, body, labels }, owed: None };
        }
        let cluster = &*self.cluster;
        let context = EvaluationContext { snapshot: &snapshot, actors: &terms.actors, policy: &terms.policy, cluster };
        let assessment = evaluate(&write, context);
        if is_to_check(&write, assessment.class, context) && self.checks.try_send(body.clone()).is_err() {
            tracing::debug!("Too many writes of Git's own hand to check them all");
        }
        let source = assessment.source.map(|source| source.name.as_str());
        // How old the picture is takes a lock, and matters only where somebody is told something by it.
        let matters = source.is_some() || assessment.violation == Violation::CreateUndeclared;
        let age = if matters { self.store.age(source) } else { None };
        let is_older = |than| age.is_some_and(|age| age > than);
        // The clock is asked only where somebody is told something.
        let break_glasses =
            if matters || assessment.verdict == Verdict::Drift { self.break_glasses.load_full() } else { None };
        let emergency =
            break_glasses.as_deref().map(|break_glasses| BreakGlassContext { break_glasses, now: Timestamp::now() });
        let context = DecisionContext { stale: is_older(terms.max_staleness), age, emergency };
        let decision = decide(&write, &assessment, &terms.policy, context);
        let denies = decision.outcome == Outcome::Deny && assessment.verdict != Verdict::Error;
        let owed = (denies && is_older(terms.freshness)).then(|| Owed { source: source.map(str::to_owned) });
        if last || owed.is_none() {
            log(&write, &assessment, &decision);
            if let Some(recorder) = &*self.recorder.load()
                && let Some(happening) = happening(&write, &assessment, &decision)
            {
                recorder.record(happening);
            }
        }
        let reviewed = ReviewResponse {
            status: StatusCode::OK,
            body: admission::encode(&write.uid, &decision.answer),
            labels: Some(labels(assessment.verdict, assessment.class.as_str(), &decision)),
        };
        Answered { reviewed, owed }
    }

    /// Checks what Git's own hand writes, one write after another, for as long as it is polled.
    pub(crate) async fn check(self: Arc<Self>) {
        let unchecked = self.unchecked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut unchecked) = unchecked else { return };
        while let Some(body) = unchecked.recv().await {
            let wall = Arc::clone(&self);
            // An object can be large, and this is nobody's deadline.
            let done = tokio::task::spawn_blocking(move || wall.check_one(&body)).await;
            if done.is_err() {
                tracing::error!("A self-check panicked");
            }
        }
    }

    fn check_one(&self, body: &[u8]) {
        let (terms, snapshot) = (self.terms.load(), self.store.snapshot());
        let cluster = &*self.cluster;
        let context = EvaluationContext { snapshot: &snapshot, actors: &terms.actors, policy: &terms.policy, cluster };
        let Ok(write) = admission::decode(body) else { return };
        for Disagreement { source, object, field } in self_check(&write, context) {
            let user = &write.user.name;
            tracing::warn!(%source, %object, %field, %user, "Git's own hand writes this otherwise: no denial by it");
        }
    }
}

impl Reviewer for AdmissionHandler {
    async fn review(&self, body: Bytes, deadline: Instant) -> ReviewResponse {
        let since = Instant::now();
        let first = self.answer(&body, false);
        let Some(Owed { source }) = first.owed else { return first.reviewed };
        // Nobody is denied for what they pushed a moment ago.
        let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(ANSWERING);
        let longest = self.terms.load().longest_look;
        self.follower().look_now(source.as_deref(), since, longest.min(left)).await;
        self.answer(&body, true).reviewed
    }

    fn overdue(&self, body: &Bytes) -> ReviewResponse {
        let policy = &self.terms.load().policy;
        match admission::decode(body) {
            Ok(write) => {
                let reason = "judging it took too long".to_owned();
                refused(&ReviewError::Request { uid: write.uid.into_owned(), reason }, policy)
            }
            Err(error) => refused(&error, policy),
        }
    }
}

/// What becomes of a review that cannot be judged.
fn refused(error: &ReviewError, policy: &Policy) -> ReviewResponse {
    tracing::warn!(%error, "Review not judged");
    let Some(uid) = error.uid() else {
        let message = error.to_string();
        let status = Status::failure(400, "BadRequest", &message);
        let body = serde_json::to_vec(&status).expect("a status holds only texts and a number");
        return ReviewResponse { status: StatusCode::BAD_REQUEST, body, labels: None };
    };
    let decision = decide_unreadable_review(error, policy);
    let labels = labels(Verdict::Error, "unknown", &decision);
    ReviewResponse { status: StatusCode::OK, body: admission::encode(uid, &decision.answer), labels: Some(labels) }
}

fn labels(verdict: Verdict, actor: &'static str, decision: &Decision) -> ReviewLabels {
    let mode = if decision.glass.is_some() { "break-glass" } else { decision.mode.as_str() };
    ReviewLabels { verdict: verdict.as_str(), actor, answer: decision.outcome.as_str(), mode }
}

impl Health for AdmissionHandler {
    fn waiting_sources(&self) -> Vec<String> {
        let states = self.store.states().into_iter();
        states.filter(|state| state.commit.is_none()).map(|state| state.name).collect()
    }

    fn sources(&self) -> Vec<SourceHealth> {
        let snapshot = self.store.snapshot();
        let health = |state: SourceState| {
            let disputed_fields = snapshot.disputed_fields_of(&state.name).collect();
            health(state, disputed_fields)
        };
        self.store.states().into_iter().map(health).collect()
    }
}

fn health(state: SourceState, disputed_fields: Vec<String>) -> SourceHealth {
    let SourceState { name, repo, revision, commit, objects, seen, looks, error } = state;
    SourceHealth {
        name,
        repo,
        revision,
        commit: commit.unwrap_or_default(),
        objects,
        age: seen.map(|seen| seen.elapsed()),
        polls: looks,
        error,
        disputed_fields,
    }
}
