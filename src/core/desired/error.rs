//! Why what a file declares cannot be used.

use crate::diff::CrdError;

/// Content that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A CustomResourceDefinition in Git cannot be used.
    #[error("failed to use the CustomResourceDefinition {name} of {file}: {reason}")]
    Crd {
        /// The file.
        file: String,
        /// The definition's name.
        name: String,
        /// What is wrong.
        reason: CrdError,
    },
}
