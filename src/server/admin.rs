//! The admin port: probes, metrics and how the sources stand, plain HTTP.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::drain::Phase;
use crate::telemetry::{Health, METRICS_TYPE, Metrics, SourceHealth};

/// What the admin port looks at.
#[derive(Clone)]
pub(super) struct Admin {
    pub(super) health: Arc<dyn Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) phase: watch::Receiver<Phase>,
}

pub(super) fn app(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/sources", get(sources))
        .with_state(admin)
}

async fn readyz(State(admin): State<Admin>) -> Response {
    if *admin.phase.borrow() > Phase::Serving {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response();
    }
    let waiting = admin.health.waiting_sources();
    if waiting.is_empty() {
        return standing(&admin.health.sources()).into_response();
    }
    let text = format!("waiting for sources: {}", waiting.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// `ok`, and a line for each source: a probe looks at the status, a person reads on.
fn standing(sources: &[SourceHealth]) -> String {
    let mut text = "ok\n".to_owned();
    for SourceHealth { name, revision, commit, age, error, .. } in sources {
        let seen = age.map_or("never".to_owned(), |age| format!("{} s ago", age.as_secs()));
        let commit = commit.get(..7).unwrap_or(commit);
        let trouble = error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {revision} @ {commit}, seen {seen}{trouble}");
    }
    text
}

async fn sources(State(admin): State<Admin>) -> Response {
    let body = serde_json::to_vec(&admin.health.sources()).expect("a source's state holds only texts and numbers");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let text = admin.metrics.render(admin.health.as_ref());
    ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response()
}
