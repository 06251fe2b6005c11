//! What can be wrong with a manifest, and how to fix it.
//!
//! No message quotes a value: it may be a Secret's.

use std::fmt;

use super::positions::Position;

/// A document, or an item of a list, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// The file, as [`parse`](super::parse) was given its name.
    pub file: String,
    /// The document in the file, from 1.
    pub document: usize,
    /// The position in the file, where it is known.
    pub position: Option<Position>,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, document, position, reason } = self;
        f.write_str(file)?;
        if let Some(Position { line, column }) = position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": document {document}: {reason}")
    }
}

/// Why a document cannot be used, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// An alias inside the node that its anchor names.
    #[error("an anchor's content refers to itself; an alias must come after what it repeats")]
    CyclicAlias,
    /// Aliases that expand to far more than was written.
    #[error("document contains excessive aliasing; write the repeated parts out")]
    ExcessiveAliasing,
    /// An object that the API server would name.
    #[error("only metadata.generateName is given: an object in Git needs a metadata.name to be found by")]
    GeneratedName,
    /// A `!!binary` value that cannot be decoded.
    #[error("a !!binary value must be base64")]
    InvalidBase64,
    /// A key that JSON cannot express.
    #[error("a key must be a string, a boolean or a number of 64 bits; quote it")]
    InvalidKey,
    /// A merge key whose value is not a mapping.
    #[error("`<<` must be given a mapping, an alias of one, or a list of these; quote it to mean a field named `<<`")]
    InvalidMerge,
    /// A value that is not what its tag says.
    #[error("a value tagged !!{0} must be one; fix the value or leave the tag out")]
    InvalidTag(&'static str),
    /// `metadata` that is not a mapping.
    #[error("metadata must be a mapping with a name")]
    MetadataNotAMapping,
    /// A name that is a number, a boolean or another value.
    #[error("metadata.name must be a string; quote it")]
    NameNotAString,
    /// A namespace that is a number, a boolean or another value.
    #[error("metadata.namespace must be a string; quote it")]
    NamespaceNotAString,
    /// An object without a name.
    #[error("metadata.name is missing: an object in Git needs one to be found by")]
    NoName,
    /// `.inf` or `.nan`.
    #[error("infinity and not-a-number do not exist in JSON; quote the value to mean a string")]
    NotFinite,
    /// Bytes that are not UTF-8.
    #[error("not UTF-8; save the file in that encoding")]
    NotUtf8,
    /// Text that is neither YAML nor JSON, in the parser's words.
    #[error("{0}")]
    Syntax(String),
    /// Deeper nesting than any Kubernetes object has.
    #[error("nested too deep; at most 200 levels are read")]
    TooDeep,
    /// A document that is too large for any API server.
    #[error("document too large; at most 8 MiB are read, so split it with `---`")]
    TooLarge,
    /// More values, in the file up to here, than any real one has.
    #[error("too many values; at most a million are read of one file, so split it")]
    TooManyNodes,
    /// UTF-16, which some Windows tools write.
    #[error("UTF-16; save the file as UTF-8")]
    Utf16,
}

/// What is wrong with a document, before its file and number are added.
#[derive(Debug)]
pub(super) struct DocumentError {
    pub(super) position: Option<Position>,
    pub(super) reason: Reason,
}

impl DocumentError {
    pub(super) fn at(position: Position, reason: Reason) -> Self {
        Self { position: Some(position), reason }
    }
}
