//! Why a look-up fails.

use driftwall_core::diff::CrdError;

/// A look-up that failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::cluster) enum ApiError {
    /// So many wait already that one more would only make it worse.
    #[error("too many look-ups are under way")]
    Busy,
    /// It ended without an answer.
    #[error("it broke off")]
    BrokenOff,
    /// A CustomResourceDefinition that cannot be used.
    #[error(transparent)]
    Definition(#[from] CrdError),
    /// The group's server did not answer a moment ago.
    #[error("the API server did not answer a moment ago")]
    Paused,
    /// The API server says no: a right is missing, most often.
    #[error("the API server answers {code}: {message}")]
    Refused {
        /// The status code.
        code: u16,
        /// The server's own words.
        message: String,
    },
    /// No answer in time.
    #[error("the API server does not answer in time")]
    Slow,
    /// The API server is not reached, or what it says is not understood.
    #[error("{0}")]
    Unreachable(String),
}

impl ApiError {
    /// Whether asking again at once would only wait again.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Slow | Self::Unreachable(_))
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            return Self::Refused { code: status.code, message: status.message };
        }
        Self::Unreachable(crate::cluster::reason(&error))
    }
}

/// `None` where the API server does not know what was asked for.
pub(in crate::cluster) fn found<T>(answer: Result<T, kube::Error>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error.into()),
    }
}
