//! The admin port: probes, metrics and the health of the sources, in plain HTTP.
//!
//! Every pod may reach it. What names repositories or objects is shown to the same pod only:
//! `kubectl exec` and `kubectl port-forward` come from there, and need rights.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;
use tokio::sync::watch;

use super::connection::Origin;
use super::drain::ServingPhase;
use crate::telemetry::{DiscoveryHealth, Health, Metrics, MetricsFormat, MirrorHealth, SourceHealth};

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
        .route("/applications", get(applications))
        .route("/drift", get(drift))
        .with_state(state)
        .layer(map_response(close))
}

/// One request for each connection: else a few connections could keep the threads busy that answer probes.
async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether a request comes from the same pod.
fn is_local(origin: Option<&Extension<Origin>>) -> bool {
    origin.is_some_and(|Extension(origin)| origin.peer.is_local())
}

async fn readyz(State(state): State<AdminState>, origin: Option<Extension<Origin>>) -> Response {
    if *state.phase.borrow() > ServingPhase::Serving {
        return (StatusCode::SERVICE_UNAVAILABLE, "shutting down").into_response();
    }
    let waiting = state.health.waiting_sources();
    let is_local = is_local(origin.as_ref());
    if waiting.is_empty() {
        return if is_local { source_lines(&state.health.sources()).into_response() } else { "ok\n".into_response() };
    }
    let text = if is_local {
        let errors = state.health.sources().into_iter().filter(|source| waiting.contains(&source.name));
        let errors = errors.filter_map(|source| source.error.map(|error| format!("\n{}: {error}", source.name)));
        format!("waiting for sources: {}{}", waiting.join(", "), errors.collect::<String>())
    } else {
        format!("waiting for {} sources", waiting.len())
    };
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

/// `ok` and a line per source: a probe reads only the HTTP status, a person the text.
fn source_lines(sources: &[SourceHealth]) -> String {
    let mut text = "ok\n".to_owned();
    for SourceHealth { name, revision, commit, age, error, .. } in sources {
        let synced = age.map_or("never".to_owned(), |age| format!("{} s ago", age.as_secs()));
        let commit = if commit.is_empty() { "no commit yet" } else { commit.get(..7).unwrap_or(commit) };
        let error = error.as_ref().map(|error| format!(", {error}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {revision} @ {commit}, synced {synced}{error}");
    }
    text
}

async fn sources(State(state): State<AdminState>, origin: Option<Extension<Origin>>) -> Response {
    if !is_local(origin.as_ref()) {
        return told_to_nobody_else();
    }
    let body = serde_json::to_vec(&state.health.sources()).expect("a source's health holds only texts and numbers");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn told_to_nobody_else() -> Response {
    let text = "only the pod itself is told: kubectl exec or kubectl port-forward";
    (StatusCode::FORBIDDEN, text).into_response()
}

async fn applications(State(state): State<AdminState>, origin: Option<Extension<Origin>>) -> Response {
    if !is_local(origin.as_ref()) {
        return told_to_nobody_else();
    }
    let DiscoveryHealth { applications, watches } = state.health.applications();
    let page = json!({"applications": applications, "watches": watches});
    ([(CONTENT_TYPE, "application/json")], page.to_string()).into_response()
}

async fn drift(State(state): State<AdminState>, origin: Option<Extension<Origin>>) -> Response {
    if !is_local(origin.as_ref()) {
        return told_to_nobody_else();
    }
    let body = serde_json::to_vec(&state.health.recurring_drift()).expect("it holds only texts, numbers and times");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(state): State<AdminState>, origin: Option<Extension<Origin>>, headers: HeaderMap) -> Response {
    let AdminState { health, metrics, .. } = state;
    // The header may be there several times, which is the same as a list.
    let accepted: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = MetricsFormat::accepted(&accepted.join(","));
    let text = if is_local(origin.as_ref()) {
        metrics.render(health.as_ref(), format)
    } else {
        metrics.render(&ForAnybody(health), format)
    };
    ([(CONTENT_TYPE, format.content_type())], text).into_response()
}

/// The health as every pod may know it: by the names that the configuration gives to sources,
/// without the branches and commits that they are at.
struct ForAnybody(Arc<dyn Health>);

impl Health for ForAnybody {
    fn waiting_sources(&self) -> Vec<String> {
        self.0.waiting_sources()
    }

    fn sources(&self) -> Vec<SourceHealth> {
        let without_commit = |source| SourceHealth { revision: String::new(), commit: String::new(), ..source };
        self.0.sources().into_iter().map(without_commit).collect()
    }

    fn mirrors(&self) -> Vec<MirrorHealth> {
        self.0.mirrors()
    }

    fn applications(&self) -> DiscoveryHealth {
        self.0.applications()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::super::activity::ConnectionActivity;
    use super::super::peer::Peer;
    use super::*;

    struct OneSource {
        is_waiting: bool,
    }

    impl Health for OneSource {
        fn waiting_sources(&self) -> Vec<String> {
            if self.is_waiting { vec!["secret-name".into()] } else { Vec::new() }
        }

        fn sources(&self) -> Vec<SourceHealth> {
            vec![SourceHealth {
                name: "secret-name".into(),
                repo: "https://secret-repo.example".into(),
                revision: "secret-branch".into(),
                commit: "secret-commit".into(),
                objects: 1,
                age: Some(Duration::from_secs(1)),
                polls: 1,
                error: Some("secret-name".into()),
                disputed_fields: Vec::new(),
                contested_objects: Vec::new(),
                skipped: Vec::new(),
            }]
        }

        fn mirrors(&self) -> Vec<MirrorHealth> {
            Vec::new()
        }
    }

    async fn get(path: &str, client: Option<&str>, is_waiting: bool) -> (u16, String) {
        let (_, phase) = watch::channel(ServingPhase::Serving);
        let state = AdminState { health: Arc::new(OneSource { is_waiting }), metrics: Arc::new(Metrics::new()), phase };
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(client) = client {
            let peer = Peer::of(format!("{client}:1").parse().unwrap());
            request.extensions_mut().insert(Origin::new(peer, ConnectionActivity::new()));
        }
        let response = app(state).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn other_pods_are_told_the_names_of_sources_alone() {
        let has_secret = |text: &str| ["repo", "branch", "commit"].map(|part| text.contains(&format!("secret-{part}")));
        let (status, text) = get("/metrics", Some("10.0.0.1"), false).await;
        assert_eq!((status, has_secret(&text)), (200, [false; 3]), "{text}");
        assert!(text.contains("driftwall_source_objects{source=\"secret-name\"} 1"), "{text}");
        let (_, text) = get("/metrics", Some("127.0.0.1"), false).await;
        assert_eq!(has_secret(&text), [false, true, true], "{text}");
    }

    #[tokio::test]
    async fn other_pods_are_told_no_name() {
        for (path, is_waiting, status) in
            [("/livez", false, 200), ("/readyz", false, 200), ("/readyz", true, 503), ("/sources", false, 403)]
        {
            for client in [None, Some("10.0.0.1"), Some("[2001:db8::1]")] {
                let (found, text) = get(path, client, is_waiting).await;
                assert_eq!(found, status, "{path}");
                assert!(!text.contains("secret-name"), "{path}: {text}");
            }
        }
        for (path, is_waiting) in [("/readyz", false), ("/readyz", true), ("/sources", false)] {
            for client in ["127.0.0.1", "[::1]"] {
                let (_, text) = get(path, Some(client), is_waiting).await;
                assert!(text.contains("secret-name"), "{path}: {text}");
            }
        }
    }
}
