//! Why what the sources declare cannot become a snapshot.

use crate::diff::CrdError;

/// Content that cannot become a snapshot.
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
    /// Git declares the same object twice, and nothing says which one counts.
    #[error(
        "{object} is declared twice: {first} and {second}; keep one of them, exclude a file, or give one source a higher priority"
    )]
    DuplicateObject {
        /// The object.
        object: String,
        /// The first declaration: file, line and source.
        first: String,
        /// The second one.
        second: String,
    },
}
