//! The answers to requests that are not judged: Kubernetes `Status` objects.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// The body ended early or broke off.
    Broken,
    /// The handler panicked.
    Panicked,
    /// More reviews are in flight than the bound allows.
    Shed,
    /// The body did not arrive within the time-out.
    Slow,
    /// The body is above this many bytes.
    TooLarge(usize),
    /// There is no such path.
    UnknownPath,
    /// The body is not declared as JSON.
    WrongContentType,
    /// The path takes POST only.
    WrongMethod,
}

impl Rejection {
    /// The label it is counted under.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Broken => "broken_body",
            Self::Panicked => "panic",
            Self::Shed => "shed",
            Self::Slow => "slow_body",
            Self::TooLarge(_) => "too_large",
            Self::UnknownPath => "unknown_path",
            Self::WrongContentType => "wrong_content_type",
            Self::WrongMethod => "wrong_method",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Shed => StatusCode::TOO_MANY_REQUESTS,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The reason, in the words of Kubernetes' `metav1.StatusReason`.
    fn reason(self) -> &'static str {
        match self {
            Self::Broken => "BadRequest",
            Self::Panicked => "InternalError",
            Self::Shed => "TooManyRequests",
            Self::Slow => "Timeout",
            Self::TooLarge(_) => "RequestEntityTooLarge",
            Self::UnknownPath => "NotFound",
            Self::WrongContentType => "UnsupportedMediaType",
            Self::WrongMethod => "MethodNotAllowed",
        }
    }

    fn message(self) -> String {
        match self {
            Self::Broken => "the request's body broke off".into(),
            Self::Panicked => "the review failed inside driftwall; its log tells why".into(),
            Self::Shed => "too many reviews are in flight; try again".into(),
            Self::Slow => "the request's body did not arrive within the time-out".into(),
            Self::TooLarge(limit) => format!("the request's body is above {limit} bytes"),
            Self::UnknownPath => "no such path; reviews go to /validate".into(),
            Self::WrongContentType => "the content type must be application/json".into(),
            Self::WrongMethod => "reviews are sent by POST".into(),
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
        if self == Self::Shed {
            body["details"] = json!({"retryAfterSeconds": 1});
        }
        let mut response = json_response(status, body.to_string().into_bytes());
        let headers = response.headers_mut();
        match self {
            Self::Shed => {
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

/// An answer whose body is JSON already.
pub(super) fn json_response(status: StatusCode, body: Vec<u8>) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], body).into_response()
}
