//! A request to the API server that failed, and the little that every request shares.

use std::time::Duration;

use kube::runtime::watcher;

use super::kubeconfig::request_problem;

/// A request to the API server that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The API server says no: most often a right is missing.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// The API server's message.
        message: String,
    },
    /// No answer in time.
    #[error("the API server does not answer in time")]
    Timeout,
    /// The API server cannot be reached, or its answer cannot be read.
    #[error("{0}")]
    Unreachable(String),
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused { code: status.code, message: status.message },
            other => Self::Unreachable(request_problem(&other)),
        }
    }
}

impl From<watcher::Error> for ApiError {
    fn from(error: watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error.into(),
            watcher::Error::WatchError(status) => Self::Refused { code: status.code, message: status.message },
            watcher::Error::NoResourceVersion => Self::Unreachable("its list has no resourceVersion".into()),
        }
    }
}

impl ApiError {
    /// Whether a right is missing.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }

    /// Whether the object was changed by somebody else since it was read.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code: 409, .. })
    }
}

/// Waits for a request, but not longer than `limit`.
pub(super) async fn with_timeout<T>(
    limit: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ApiError> {
    match tokio::time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(ApiError::from),
        Err(_) => Err(ApiError::Timeout),
    }
}

/// `None` where the API server answers 404.
///
/// `Api::get_opt` does that too, but only where the answer is a `Status`: of a group
/// that is gone, the API server says 404 in plain text.
pub(super) fn none_if_not_found<T, E: Into<ApiError>>(answer: Result<T, E>) -> Result<Option<T>, ApiError> {
    match answer.map_err(Into::into) {
        Ok(found) => Ok(Some(found)),
        Err(ApiError::Refused { code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
