//! The responses to requests that are not evaluated: Kubernetes `Status` objects.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is not evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// The body ended early.
    IncompleteBody,
    /// The handler panicked.
    Panicked,
    /// The limit of reviews in flight is reached.
    Overload,
    /// The body did not arrive within the time-out.
    SlowBody,
    /// There is no such path.
    UnknownPath,
    /// The body is not declared as JSON.
    WrongContentType,
    /// The path takes POST only.
    WrongMethod,
}

impl Rejection {
    /// The value of the metric's `reason` label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::IncompleteBody => "incomplete_body",
            Self::Panicked => "panic",
            Self::Overload => "shed",
            Self::SlowBody => "slow_body",
            Self::UnknownPath => "unknown_path",
            Self::WrongContentType => "wrong_content_type",
            Self::WrongMethod => "wrong_method",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::IncompleteBody => StatusCode::BAD_REQUEST,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Overload => StatusCode::TOO_MANY_REQUESTS,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The reason, as Kubernetes' `metav1.StatusReason` has it.
    fn reason(self) -> &'static str {
        match self {
            Self::IncompleteBody => "BadRequest",
            Self::Panicked => "InternalError",
            Self::Overload => "TooManyRequests",
            Self::SlowBody => "Timeout",
            Self::UnknownPath => "NotFound",
            Self::WrongContentType => "UnsupportedMediaType",
            Self::WrongMethod => "MethodNotAllowed",
        }
    }

    fn message(self) -> String {
        match self {
            Self::IncompleteBody => "the request's body is incomplete".into(),
            Self::Panicked => "the review failed inside driftwall; its log says why".into(),
            Self::Overload => "too many reviews are in flight; try again".into(),
            Self::SlowBody => "the request's body did not arrive within the time-out".into(),
            Self::UnknownPath => "no such path".into(),
            Self::WrongContentType => "the content type must be application/json".into(),
            Self::WrongMethod => "reviews must be sent with POST".into(),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message(),
            "reason": self.reason(),
            "code": status.as_u16(),
        });
        if self == Self::Overload {
            body["details"] = json!({"retryAfterSeconds": 1});
        }
        let mut response = json_response(status, body.to_string().into_bytes());
        let headers = response.headers_mut();
        match self {
            Self::Overload => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::WrongMethod => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            _ => {}
        }
        response
    }
}

/// A response whose body is JSON already.
pub(super) fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], body).into_response()
}
