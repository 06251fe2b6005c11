//! The wall itself: a review's bytes in, an answer's bytes out, by the snapshot
//! and the terms of this moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::http::StatusCode;
use bytes::Bytes;

use crate::actor::Actors;
use crate::git::{SourceState, Store};
use crate::judge::{Bench, Circumstances, Cluster, Judgement, Outcome, Policy, Ruling, Verdict, judge, rule, unjudged};
use crate::review::{self, ReviewError, Status, Write};
use crate::server::{Health, Reviewed, Reviewer, SourceHealth, Tally};

/// Judges reviews.
pub(super) struct Wall {
    pub(super) store: Arc<Store>,
    terms: ArcSwap<Terms>,
    cluster: Box<dyn Cluster>,
}

/// What a configuration asks of writers; it can change between two reviews.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) actors: Actors,
    pub(super) policy: Policy,
    pub(super) max_staleness: Duration,
}

impl Wall {
    pub(super) fn new(store: Arc<Store>, terms: Terms, cluster: Box<dyn Cluster>) -> Self {
        Self { store, terms: ArcSwap::from_pointee(terms), cluster }
    }

    /// From here on other terms hold.
    pub(super) fn hold(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    fn answer(&self, body: &[u8]) -> Reviewed {
        let terms = self.terms.load();
        let write = match review::decode(body) {
            Ok(write) => write,
            Err(error) => return refused(&error, &terms.policy),
        };
        let snapshot = self.store.snapshot();
        let cluster = &*self.cluster;
        let bench = Bench { snapshot: &snapshot, actors: &terms.actors, policy: &terms.policy, cluster };
        let judgement = judge(&write, bench);
        let circumstances = Circumstances { stale: self.store.age().is_some_and(|age| age > terms.max_staleness) };
        let ruling = rule(&write, &judgement, &terms.policy, circumstances);
        log(&write, &judgement, &ruling);
        Reviewed {
            status: StatusCode::OK,
            body: review::encode(&write.uid, &ruling.answer),
            tally: Some(tally(judgement.verdict, judgement.class.as_str(), &ruling)),
        }
    }
}

impl Reviewer for Wall {
    async fn review(&self, body: Bytes, _deadline: Instant) -> Reviewed {
        self.answer(&body)
    }

    fn overdue(&self, body: &Bytes) -> Reviewed {
        let policy = &self.terms.load().policy;
        match review::decode(body) {
            Ok(write) => {
                let reason = "judging it took too long".to_owned();
                refused(&ReviewError::Request { uid: write.uid.into_owned(), reason }, policy)
            }
            Err(error) => refused(&error, policy),
        }
    }
}

/// What becomes of a review that cannot be judged.
fn refused(error: &ReviewError, policy: &Policy) -> Reviewed {
    tracing::warn!(%error, "Review not judged");
    let Some(uid) = error.uid() else {
        let message = error.to_string();
        let status = Status::failure(400, "BadRequest", &message);
        let body = serde_json::to_vec(&status).expect("a status holds only texts and a number");
        return Reviewed { status: StatusCode::BAD_REQUEST, body, tally: None };
    };
    let ruling = unjudged(error, policy);
    let tally = tally(Verdict::Error, "unknown", &ruling);
    Reviewed { status: StatusCode::OK, body: review::encode(uid, &ruling.answer), tally: Some(tally) }
}

fn tally(verdict: Verdict, actor: &'static str, ruling: &Ruling) -> Tally {
    Tally { verdict: verdict.as_str(), actor, answer: ruling.outcome.as_str(), mode: ruling.mode.as_str() }
}

/// One line a review that matters: never a value, for it may be a secret.
fn log(write: &Write<'_>, judgement: &Judgement<'_>, ruling: &Ruling) {
    let resource = &write.resource;
    let fields = || {
        let paths: Vec<_> = judgement.findings.iter().map(|finding| finding.path.to_string()).collect();
        paths.join(", ")
    };
    macro_rules! line {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                uid = %write.uid,
                user = %write.user.name,
                actor = %judgement.class,
                operation = %write.operation,
                group = %resource.group,
                kind = %resource.kind,
                subresource = %resource.subresource,
                namespace = %write.namespace,
                name = %write.name,
                verdict = %judgement.verdict,
                answer = ruling.outcome.as_str(),
                mode = ruling.mode.as_str(),
                dry_run = write.dry_run,
                fields = %fields(),
                commit = judgement.source.map_or("", |source| &source.commit),
                reason = judgement.reason().unwrap_or_default(),
                $message
            )
        };
    }
    match (judgement.verdict, ruling.outcome) {
        (Verdict::Error, _) => line!(warn, "Review not judged"),
        (_, Outcome::Deny) => line!(info, "Denied"),
        (_, Outcome::Warn) => line!(info, "Warned"),
        (Verdict::Drift, Outcome::Allow) => line!(info, "Drift recorded"),
        _ => line!(debug, "Allowed"),
    }
}

impl Health for Wall {
    fn waiting(&self) -> Vec<String> {
        let states = self.store.states().into_iter();
        states.filter(|state| state.commit.is_none()).map(|state| state.name).collect()
    }

    fn sources(&self) -> Vec<SourceHealth> {
        self.store.states().into_iter().map(health).collect()
    }
}

fn health(state: SourceState) -> SourceHealth {
    let SourceState { name, revision, commit, objects, seen, error } = state;
    SourceHealth {
        name,
        revision,
        commit: commit.unwrap_or_default(),
        objects,
        age: seen.map_or(Duration::MAX, |seen| seen.elapsed()),
        failing: error.is_some(),
    }
}
