//! Why a look-up fails.

use crate::cluster::api_error::ApiError;
use driftwall_core::diff::CrdError;

/// A look-up that failed. Its text is the reason in a `LookupError`.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupFailure {
    /// The request to the API server failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// So many look-ups are waiting already that one more would only make it worse.
    #[error("too many look-ups are under way")]
    Busy,
    /// The task ended without an answer.
    #[error("the look-up was cancelled")]
    Cancelled,
    /// The CustomResourceDefinition cannot be used.
    #[error(transparent)]
    Crd(#[from] CrdError),
    /// The server of this API group did not answer a moment ago.
    #[error("the API server did not answer a moment ago")]
    Paused,
}

impl LookupFailure {
    /// Whether asking again at once would only wait again.
    pub(super) fn is_unresponsive(&self) -> bool {
        matches!(self, Self::Api(ApiError::Timeout | ApiError::Unreachable(_)))
    }
}

impl From<kube::Error> for LookupFailure {
    fn from(error: kube::Error) -> Self {
        Self::Api(error.into())
    }
}
