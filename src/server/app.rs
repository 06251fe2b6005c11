//! The webhook's routes: one request in, one response out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout_at;
use tracing::Instrument as _;

use super::body::{self, BodyBudget, BodyPermits, Received};
use super::connection::Origin;
use super::in_flight::{InFlightPermit, Places};
use super::incoming::RequestBody;
use super::peer::Peer;
use super::rejection::{Rejection, json_response};
use super::review_paths::ReviewPaths;
use super::reviewer::{HeadReason, ReviewPlace, ReviewResponse, Reviewer};
use super::service::Service;
use super::settings::RequestLimits;
use super::timeout;
use crate::telemetry::{LogLimiter, Metrics};

/// The webhook's routes, independent of any connection.
pub fn app<R: Reviewer>(reviewer: Arc<R>, metrics: Arc<Metrics>, limits: RequestLimits, paths: ReviewPaths) -> Router {
    let reviews = Reviews::new(reviewer, metrics, limits, paths);
    // Not a route: which one matches is told by the time that it takes.
    Router::new()
        .fallback(|State(reviews): State<Reviews<R>>, request: Request| answer(reviews, request))
        .with_state(reviews)
}

/// The webhook without a router: a connection asks it directly.
pub struct Reviews<R>(Arc<HandlerState<R>>);

impl<R> Clone for Reviews<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Reviewer> Reviews<R> {
    pub(super) fn new(reviewer: Arc<R>, metrics: Arc<Metrics>, limits: RequestLimits, paths: ReviewPaths) -> Self {
        Self(Arc::new(HandlerState {
            reviewer,
            places: Places::new(limits.in_flight, Arc::clone(&metrics)),
            metrics,
            paths,
            bodies: BodyBudget::new(limits),
            body_limit: limits.body_bytes,
            overload_log: LogLimiter::every(Duration::from_secs(5)),
        }))
    }
}

impl<R: Reviewer> Service for Reviews<R> {
    async fn answer(self, request: Request<Incoming>) -> Response {
        answer(self, request).await
    }
}

struct HandlerState<R> {
    reviewer: Arc<R>,
    metrics: Arc<Metrics>,
    paths: ReviewPaths,
    bodies: BodyBudget,
    body_limit: usize,
    places: Places,
    overload_log: LogLimiter,
}

async fn answer<R: Reviewer, B: RequestBody>(reviews: Reviews<R>, request: Request<B>) -> Response {
    let state = &*reviews.0;
    let origin = request.extensions().get::<Origin>();
    if !state.paths.accept(request.uri().path()) {
        if let Some(origin) = origin {
            origin.mark_refused();
        }
        // Whoever does not know the path costs no more than this: no body is read, no line is logged.
        state.metrics.count_rejection(Rejection::UnknownPath.label());
        return Rejection::UnknownPath.into_response();
    }
    let peer = origin.map_or_else(Peer::unknown, |origin| origin.peer);
    if let Some(origin) = origin {
        origin.mark_known();
    }
    state.metrics.mark_called();
    let arrived = Instant::now();
    let deadline = arrived + timeout::review_timeout(request.uri().query());
    if request.method() != Method::POST {
        return state.reject(Rejection::WrongMethod, request, deadline).await;
    }
    if !is_json(request.headers()) {
        return state.reject(Rejection::WrongContentType, request, deadline).await;
    }
    // A body takes its place among the reviews when it has arrived: whoever only begins to send one takes none.
    let (parts, mut unread) = request.into_parts();
    let (body, body_permits) = match state.bodies.read(&mut unread, peer, deadline).await {
        Ok((Received::Whole(body), permits)) => (body, permits),
        Ok((Received::Head(start, reason), _)) => return state.review_head(&start, reason, deadline),
        Err(rejection) => return state.reject(rejection, Request::from_parts(parts, unread), deadline).await,
    };
    let Some(permit) = InFlightPermit::acquire(&state.places, peer, latest_begin(arrived, deadline)).await else {
        state.metrics.overload_rejections.inc();
        if state.overload_log.allows() {
            tracing::warn!("Too many reviews in flight, some rejected");
        }
        return state.reject(Rejection::Overload, Request::from_parts(parts, unread), deadline).await;
    };
    let response = state.review(body, deadline, (permit, body_permits)).await;
    state.metrics.observe_latency(arrived.elapsed());
    response
}

/// Until when a review may wait for its place among those in flight. The API server asks no other replica: what is
/// rejected passes unchecked under `failurePolicy: Ignore`, so it is rejected only when no time is left to judge it.
/// Bodies are bounded by their budget, whether they wait or not.
fn latest_begin(arrived: Instant, deadline: Instant) -> Instant {
    arrived + deadline.saturating_duration_since(arrived) / 10 * 9
}

impl<R: Reviewer> HandlerState<R> {
    /// Answers a review whose body is complete.
    async fn review(&self, body: Bytes, deadline: Instant, permits: (InFlightPermit, BodyPermits)) -> Response {
        // Most are answered in less time than it takes to start a task.
        match catch_unwind(AssertUnwindSafe(|| self.reviewer.review_at_once(&body))) {
            Ok(Some(answer)) => return self.answer(answer),
            Ok(None) => {}
            Err(payload) => return self.panicked(&panic_message(payload.as_ref())),
        }
        let reviewer = Arc::clone(&self.reviewer);
        let review_body = body.clone();
        // A task of its own: a panic costs this review only, and a review that keeps its
        // thread busy cannot delay the answer at the deadline. The permits move into it,
        // since the work may go on after that answer.
        let task = async move {
            let (place, _body_permits) = permits;
            reviewer.review(review_body, deadline, ReviewPlace::new(place)).await
        };
        let mut task = AbortOnDrop(tokio::spawn(task.in_current_span()));
        match timeout_at(deadline.into(), &mut task.0).await {
            Ok(Ok(answer)) => {
                if !answer.status.is_success() {
                    self.metrics.count_rejection("malformed_review");
                }
                self.answer(answer)
            }
            Ok(Err(error)) => self.panicked(&task_failure(error)),
            Err(_) => {
                self.metrics.count_rejection("deadline_exceeded");
                tracing::warn!("Review deadline exceeded");
                self.answer_of(|| self.reviewer.overdue(&body))
            }
        }
    }

    /// Answers a review of which only the beginning was kept.
    fn review_head(&self, start: &[u8], reason: HeadReason, deadline: Instant) -> Response {
        self.answer_of(|| self.reviewer.review_head(start, reason, deadline))
    }

    fn answer_of(&self, answer: impl FnOnce() -> ReviewResponse) -> Response {
        match catch_unwind(AssertUnwindSafe(answer)) {
            Ok(answer) => self.answer(answer),
            Err(payload) => self.panicked(&panic_message(payload.as_ref())),
        }
    }

    fn answer(&self, response: ReviewResponse) -> Response {
        let ReviewResponse { status, body, labels, drift } = response;
        if let Some(labels) = labels {
            self.metrics.count_review(&labels);
        }
        if let Some(drift) = drift {
            self.metrics.count_drift(&drift);
        }
        json_response(status, body)
    }

    fn panicked(&self, message: &str) -> Response {
        tracing::error!(panic = message, "Review panicked");
        self.metrics.count_rejection(Rejection::Panicked.label());
        Rejection::Panicked.into_response()
    }

    async fn reject(&self, rejection: Rejection, request: Request<impl RequestBody>, deadline: Instant) -> Response {
        self.metrics.count_rejection(rejection.label());
        tracing::debug!(reason = rejection.label(), "Request rejected");
        let (parts, unread) = request.into_parts();
        // A client that sent `Expect: 100-continue` waits for it and has not begun to send.
        if !parts.headers.contains_key(EXPECT) {
            body::discard(unread, self.body_limit, deadline).await;
        }
        rejection.into_response()
    }
}

/// A task that is aborted when nobody waits for it any more, because the client is gone for example.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn task_failure(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => panic_message(payload.as_ref()),
        // Nobody else holds the task, so only the end of the runtime cancels it.
        Err(cancelled) => cancelled.to_string(),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        (*message).to_owned()
    } else {
        payload.downcast_ref::<String>().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{StatusCode, header};
    use driftwall_core::webhook_config::ReviewPath;
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    /// Answers with the body that it was sent; panics or hangs on request.
    struct Echo;

    impl Reviewer for Echo {
        fn review_at_once(&self, body: &Bytes) -> Option<ReviewResponse> {
            match body.as_ref() {
                b"\"panic at once\"" => panic!("as asked"),
                b"\"at once\"" => Some(response(body.to_vec())),
                _ => None,
            }
        }

        async fn review(&self, body: Bytes, _: Instant, place: ReviewPlace) -> ReviewResponse {
            match body.as_ref() {
                b"\"wait\"" => {
                    drop(place);
                    std::future::pending().await
                }
                b"\"panic\"" => panic!("as asked"),
                b"\"hang\"" | b"\"hang, then panic\"" => std::future::pending().await,
                _ => response(body.to_vec()),
            }
        }

        fn review_head(&self, start: &[u8], _: HeadReason, _: Instant) -> ReviewResponse {
            response(format!("\"head of {}\"", start.len()).into_bytes())
        }

        fn overdue(&self, body: &Bytes) -> ReviewResponse {
            assert_ne!(body.as_ref(), b"\"hang, then panic\"");
            response(b"\"overdue\"".to_vec())
        }
    }

    fn response(body: Vec<u8>) -> ReviewResponse {
        ReviewResponse { status: StatusCode::OK, body, labels: None, drift: None }
    }

    fn echo() -> Router {
        let limits =
            RequestLimits { body_bytes: 200, kept_body: 100, small_bodies: 1000, large_bodies: 100, in_flight: 1 };
        app(Arc::new(Echo), Arc::new(Metrics::new()), limits, ReviewPaths::fixed(ReviewPath::well_known()))
    }

    fn post_json(uri: &str, body: &str) -> Request {
        Request::post(uri).header(CONTENT_TYPE, "application/json").body(body.to_owned().into()).unwrap()
    }

    async fn send(request: Request) -> (StatusCode, HeaderMap, Value) {
        let response = echo().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap();
        (parts.status, parts.headers, body)
    }

    #[tokio::test]
    async fn a_review_is_answered_by_the_reviewer() {
        for text in ["hi", "at once"] {
            let (status, _, body) = send(post_json("/validate?timeout=5s", &format!("{text:?}"))).await;
            assert_eq!((status, body), (StatusCode::OK, text.into()));
        }
    }

    #[tokio::test]
    async fn the_content_type_may_carry_parameters_and_any_case() {
        for (kind, want) in [
            ("application/json; charset=utf-8", StatusCode::OK),
            ("Application/JSON", StatusCode::OK),
            ("application/jsonl", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ("", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ] {
            let mut request = post_json("/validate", "1");
            let value = kind.parse().unwrap();
            request.headers_mut().insert(CONTENT_TYPE, value);
            assert_eq!(send(request).await.0, want, "{kind:?}");
        }
        let mut request = post_json("/validate", "1");
        request.headers_mut().remove(CONTENT_TYPE);
        assert_eq!(send(request).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[tokio::test]
    async fn every_rejection_is_a_kubernetes_status() {
        let mut get = post_json("/validate", "");
        *get.method_mut() = Method::GET;
        let mut text = post_json("/validate", "1");
        text.headers_mut().remove(CONTENT_TYPE);
        for (request, code, reason) in [
            (get, 405, "MethodNotAllowed"),
            (text, 415, "UnsupportedMediaType"),
            (post_json("/", "1"), 404, "NotFound"),
            (post_json("/validate", r#""panic""#), 500, "InternalError"),
            (post_json("/validate", r#""panic at once""#), 500, "InternalError"),
            (post_json("/validate?timeout=10ms", r#""hang, then panic""#), 500, "InternalError"),
        ] {
            let (status, headers, body) = send(request).await;
            assert_eq!(status.as_u16(), code, "{reason}");
            assert_eq!(body["kind"], "Status");
            assert_eq!(body["apiVersion"], "v1");
            assert_eq!(body["status"], "Failure");
            assert_eq!(body["reason"], reason);
            assert_eq!(body["code"], code);
            assert!(body["message"].is_string());
            assert_eq!(headers.contains_key(header::ALLOW), code == 405);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_to_be_kept_is_answered_by_its_head() {
        for (length, kept_whole) in [(98, true), (99, false), (500, false)] {
            let body = format!("\"{}\"", "1".repeat(length));
            let (status, _, answer) = send(post_json("/validate", &body)).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(answer.as_str().unwrap().starts_with("head of "), !kept_whole, "{length}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_review_that_misses_its_deadline_is_answered() {
        let (status, _, body) = send(post_json("/validate?timeout=10ms", r#""hang""#)).await;
        assert_eq!((status, body), (StatusCode::OK, "overdue".into()));
    }

    #[tokio::test]
    async fn who_waits_without_a_place_keeps_none_from_others() {
        let app = echo();
        let ask = |body: &str| app.clone().oneshot(post_json("/validate", body));
        let waiting = tokio::spawn(ask(r#""wait""#));
        tokio::task::yield_now().await;
        assert_eq!(ask(r#""hi""#).await.unwrap().status(), StatusCode::OK, "there is a place");
        assert!(!waiting.is_finished());
    }
}
