//! Why a write cannot be evaluated, and why a rule cannot be used.

use super::lookup::LookupError;
use crate::diff::PathError;

/// Why a write cannot be evaluated: the write cannot be read, which is the writer's
/// doing, or the world cannot be asked, which is not. The texts are shown to users, so they never
/// quote an object: it may be a Secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvaluationError {
    /// The cluster could not be asked.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The metadata has another shape than Kubernetes gives it. The parser's own
    /// words would quote what it found.
    #[error("failed to read the metadata of the object: it is not as Kubernetes writes it (column {0})")]
    Metadata(usize),
    /// The review has no `object` or `oldObject` where its operation needs one.
    #[error("the {0} of the review is missing")]
    MissingObject(&'static str),
    /// `object` or `oldObject` is not a JSON object.
    #[error("failed to read the {0} of the review: {1}")]
    Object(&'static str, serde_json::Error),
    /// The objects are not in the review, or it cannot be read so far.
    #[error("{0}")]
    Review(String),
    /// Nested deeper than an API server can send.
    #[error("the {0} of the review is nested too deep to be compared: more than {max} levels", max = super::review_object::MAX_DEPTH)]
    TooDeep(&'static str),
    /// Its parts are so many that comparing it would take more than there is.
    #[error("the {0} of the review is too large to be compared")]
    TooLarge(&'static str),
    /// No schema says which field of the object its `scale` subresource writes.
    #[error("the field that `scale` writes is not known: there is no CustomResourceDefinition of {0}")]
    UnknownReplicasField(String),
    /// Content cannot be compared across API versions.
    #[error("the write is in version {sent}, Git in {declared}, and the two cannot be compared")]
    Version {
        /// The version of the write.
        sent: String,
        /// The version that Git declares.
        declared: String,
    },
}

impl EvaluationError {
    /// Whether it is the write that cannot be read or compared. Nobody gets past by that.
    pub(crate) fn is_of_write(&self) -> bool {
        match self {
            Self::Metadata(_)
            | Self::MissingObject(_)
            | Self::Object(..)
            | Self::Review(_)
            | Self::TooDeep(_)
            | Self::TooLarge(_) => true,
            Self::Lookup(_) | Self::UnknownReplicasField(_) | Self::Version { .. } => false,
        }
    }
}

/// A rule that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A glob for names is not valid.
    #[error("failed to read the pattern: {0}")]
    Glob(#[from] globset::Error),
    /// A path to a field is not valid.
    #[error(transparent)]
    Path(#[from] PathError),
}
