//! The admin port: probes, metrics and the health of the sources, in plain HTTP.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::drain::ServingPhase;
use crate::telemetry::{Health, METRICS_TYPE, Metrics, SourceHealth};

/// What the routes of the admin port read.
#[derive(Clone)]
pub(super) struct AdminState {
    pub(super) health: Arc<dyn Health>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) phase: watch::Receiver<ServingPhase>,
}

pub(super) fn app(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/sources", get(sources))
        .with_state(state)
}

async fn readyz(State(state): State<AdminState>) -> Response {
    if *state.phase.borrow() > ServingPhase::Serving {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response();
    }
    let waiting = state.health.waiting_sources();
    if waiting.is_empty() {
        return source_lines(&state.health.sources()).into_response();
    }
    let text = format!("waiting for sources: {}", waiting.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// `ok` and a line per source: a probe reads only the HTTP status, a person the text.
fn source_lines(sources: &[SourceHealth]) -> String {
    let mut text = "ok\n".to_owned();
    for SourceHealth { name, revision, commit, age, error, .. } in sources {
        let synced = age.map_or("never".to_owned(), |age| format!("{} s ago", age.as_secs()));
        let commit = commit.get(..7).unwrap_or(commit);
        let error = error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {revision} @ {commit}, synced {synced}{error}");
    }
    text
}

async fn sources(State(state): State<AdminState>) -> Response {
    let body = serde_json::to_vec(&state.health.sources()).expect("a source's health holds only texts and numbers");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let text = state.metrics.render(state.health.as_ref());
    ([(CONTENT_TYPE, METRICS_TYPE)], text).into_response()
}
