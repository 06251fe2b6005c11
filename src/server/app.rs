//! The webhook's routes: one review in, one answer out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout_at;
use tracing::Instrument as _;

use super::rejection::{Rejection, json_response};
use super::{ReviewResponse, Reviewer, body, timeout};
use crate::telemetry::LogLimiter;
use crate::telemetry::Metrics;

/// Bounds of what is read and worked on.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The largest body in bytes. An update carries two copies of an object.
    pub body: usize,
    /// How many reviews may be in flight; more are turned away at once.
    pub in_flight: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { body: 8 * 1024 * 1024, in_flight: 256 }
    }
}

/// The webhook's routes, apart from any connection.
pub fn app<R: Reviewer>(reviewer: Arc<R>, metrics: Arc<Metrics>, bounds: Bounds) -> Router {
    let desk = Arc::new(HandlerState {
        reviewer,
        metrics,
        limit: bounds.body,
        places: Arc::new(Semaphore::new(bounds.in_flight.min(Semaphore::MAX_PERMITS))),
        shed_log: LogLimiter::every(Duration::from_secs(5)),
    });
    Router::new().route("/validate", post(validate).fallback(wrong_method)).fallback(unknown_path).with_state(desk)
}

struct HandlerState<R> {
    reviewer: Arc<R>,
    metrics: Arc<Metrics>,
    limit: usize,
    places: Arc<Semaphore>,
    shed_log: LogLimiter,
}

async fn validate<R: Reviewer>(State(desk): State<Arc<HandlerState<R>>>, request: Request) -> Response {
    let arrived = Instant::now();
    let deadline = arrived + timeout::of(request.uri().query());
    if !is_json(request.headers()) {
        return desk.refuse(Rejection::WrongContentType, request, deadline).await;
    }
    // Waiting for a place would only spend the time-out: the API server can ask
    // another replica, or pass on, sooner.
    let Some(place) = Place::take(&desk) else {
        desk.metrics.shed.inc();
        if desk.shed_log.allows() {
            tracing::warn!("Too many reviews in flight, turning some away");
        }
        return desk.refuse(Rejection::Shed, request, deadline).await;
    };
    let (parts, mut unread) = request.into_parts();
    let body = match body::read(&mut unread, desk.limit, deadline).await {
        Ok(body) => body,
        Err(refusal) => {
            drop(place);
            let request = Request::from_parts(parts, unread);
            return desk.refuse(refusal, request, deadline).await;
        }
    };
    let response = desk.review(body, deadline, place).await;
    desk.metrics.observe_latency(arrived.elapsed());
    response
}

async fn wrong_method<R: Reviewer>(State(desk): State<Arc<HandlerState<R>>>, request: Request) -> Response {
    let deadline = Instant::now() + timeout::of(request.uri().query());
    desk.refuse(Rejection::WrongMethod, request, deadline).await
}

async fn unknown_path<R: Reviewer>(State(desk): State<Arc<HandlerState<R>>>, request: Request) -> Response {
    let deadline = Instant::now() + timeout::of(request.uri().query());
    desk.refuse(Rejection::UnknownPath, request, deadline).await
}

impl<R: Reviewer> HandlerState<R> {
    /// Answers a review that was read whole.
    async fn review(&self, body: Bytes, deadline: Instant, place: Place) -> Response {
        let reviewer = Arc::clone(&self.reviewer);
        let asked = body.clone();
        // A task of its own: a panic costs this review only, and a review that
        // keeps its thread busy cannot keep the deadline from being seen. It
        // takes the place along, which is free when the work has really ended.
        let task = async move {
            let _place = place;
            reviewer.review(asked, deadline).await
        };
        let mut task = Aborting(tokio::spawn(task.in_current_span()));
        match timeout_at(deadline.into(), &mut task.0).await {
            Ok(Ok(answer)) => {
                if answer.labels.is_none() {
                    self.metrics.count_rejection("malformed_review");
                }
                self.answer(answer)
            }
            Ok(Err(failed)) => self.panicked(&panic_text(failed)),
            Err(_) => {
                self.metrics.count_rejection("deadline_exceeded");
                tracing::warn!("Review overdue");
                match catch_unwind(AssertUnwindSafe(|| self.reviewer.overdue(&body))) {
                    Ok(answer) => self.answer(answer),
                    Err(payload) => self.panicked(&payload_text(payload.as_ref())),
                }
            }
        }
    }

    fn answer(&self, reviewed: ReviewResponse) -> Response {
        let ReviewResponse { status, body, labels } = reviewed;
        if let Some(labels) = labels {
            self.metrics.count_review(&labels);
        }
        json_response(status, body)
    }

    fn panicked(&self, text: &str) -> Response {
        tracing::error!(panic = text, "Review panicked");
        self.metrics.count_rejection(Rejection::Panicked.label());
        Rejection::Panicked.into_response()
    }

    async fn refuse(&self, refusal: Rejection, request: Request, deadline: Instant) -> Response {
        self.metrics.count_rejection(refusal.label());
        tracing::debug!(reason = refusal.label(), "Request refused");
        let (parts, unread): (_, Body) = request.into_parts();
        // A client that waits for the word to go on has not begun to send.
        if !parts.headers.contains_key(EXPECT) {
            body::discard(unread, self.limit, deadline).await;
        }
        refusal.into_response()
    }
}

/// A review's place among those in flight.
struct Place {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn take<R>(desk: &HandlerState<R>) -> Option<Self> {
        let permit = Arc::clone(&desk.places).try_acquire_owned().ok()?;
        desk.metrics.in_flight.inc();
        Some(Self { metrics: Arc::clone(&desk.metrics), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

/// A task that ends with whoever waits for it, such as a client that went away.
struct Aborting<T>(JoinHandle<T>);

impl<T> Drop for Aborting<T> {
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

fn panic_text(failed: JoinError) -> String {
    match failed.try_into_panic() {
        Ok(payload) => payload_text(payload.as_ref()),
        // Nobody else holds the task, so only the runtime's own end cancels it.
        Err(cancelled) => cancelled.to_string(),
    }
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode, header};
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    /// Answers with what it was sent; panics and dawdles on request.
    struct Echo;

    impl Reviewer for Echo {
        async fn review(&self, body: Bytes, _: Instant) -> ReviewResponse {
            match body.as_ref() {
                b"\"panic\"" => panic!("as asked"),
                b"\"dawdle\"" | b"\"dawdle, then panic\"" => std::future::pending().await,
                _ => reviewed(body.to_vec()),
            }
        }

        fn overdue(&self, body: &Bytes) -> ReviewResponse {
            assert_ne!(body.as_ref(), b"\"dawdle, then panic\"");
            reviewed(b"\"overdue\"".to_vec())
        }
    }

    fn reviewed(body: Vec<u8>) -> ReviewResponse {
        ReviewResponse { status: StatusCode::OK, body, labels: None }
    }

    fn echo() -> Router {
        let bounds = Bounds { body: 100, in_flight: 1 };
        app(Arc::new(Echo), Arc::new(Metrics::new()), bounds)
    }

    fn post_json(uri: &str, body: &str) -> Request {
        Request::post(uri).header(CONTENT_TYPE, "application/json").body(body.to_owned().into()).unwrap()
    }

    async fn ask(request: Request) -> (StatusCode, HeaderMap, Value) {
        let response = echo().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/json");
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap();
        (parts.status, parts.headers, body)
    }

    #[tokio::test]
    async fn a_review_is_answered_by_the_reviewer() {
        let (status, _, body) = ask(post_json("/validate?timeout=5s", r#""hi""#)).await;
        assert_eq!((status, body), (StatusCode::OK, "hi".into()));
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
            assert_eq!(ask(request).await.0, want, "{kind:?}");
        }
        let mut request = post_json("/validate", "1");
        request.headers_mut().remove(CONTENT_TYPE);
        assert_eq!(ask(request).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[tokio::test]
    async fn every_refusal_is_a_status() {
        let mut get = post_json("/validate", "");
        *get.method_mut() = Method::GET;
        let mut text = post_json("/validate", "1");
        text.headers_mut().remove(CONTENT_TYPE);
        let long = "1".repeat(101);
        for (request, code, reason) in [
            (get, 405, "MethodNotAllowed"),
            (text, 415, "UnsupportedMediaType"),
            (post_json("/", "1"), 404, "NotFound"),
            (post_json("/validate", &long), 413, "RequestEntityTooLarge"),
            (post_json("/validate", r#""panic""#), 500, "InternalError"),
            (post_json("/validate?timeout=10ms", r#""dawdle, then panic""#), 500, "InternalError"),
        ] {
            let (status, headers, body) = ask(request).await;
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
    async fn a_body_of_just_the_limit_is_read() {
        let body = format!("\"{}\"", "1".repeat(98));
        assert_eq!(ask(post_json("/validate", &body)).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_overdue_review_is_answered_too() {
        let (status, _, body) = ask(post_json("/validate?timeout=10ms", r#""dawdle""#)).await;
        assert_eq!((status, body), (StatusCode::OK, "overdue".into()));
    }
}
