//! Manifests: from bytes to Kubernetes objects, each field with its line and column.
//!
//! The YAML is Kubernetes' YAML: that of goyaml v2, the flavour of YAML 1.1 that
//! kubectl and Argo CD parse manifests with. A value must be what the API server
//! was sent, so where the YAML standards and Kubernetes disagree, Kubernetes is
//! right.
//!
//! A file is parsed in stages, each in a file of this module: `split` cuts it
//! into documents, `yaml` or `json` build a `tree` that still has anchors and
//! spellings, `expand` makes a value of it with the help of `scalar`, and
//! `objects` extracts the Kubernetes objects. `provenance` finds the lines of a
//! rendered object in the files that it was rendered from.

mod error;
mod expand;
mod json;
mod lines;
mod objects;
mod positions;
mod provenance;
mod scalar;
mod split;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use error::{ManifestError, Reason};
pub use lines::Lines;
pub use objects::is_hook;
pub use positions::{Position, Positions, Segment};
pub use provenance::{RenderInput, at_file_start, trace_to_inputs};

use error::DocumentError;
use split::Document;
use tree::Tree;

use crate::skipped::SkippedContent;

/// One Kubernetes object as a manifest has it.
#[derive(Clone, Debug)]
pub struct Object {
    /// Group and version, such as `apps/v1`.
    pub api_version: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The namespace, where the manifest names one.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// The whole object.
    pub value: Value,
    /// Where each node of `value` is written.
    pub positions: Positions,
    /// The number of its document in the file, from 1; empty ones do not count.
    pub document: usize,
}

/// What a file contains.
#[derive(Debug, Default)]
pub struct ParsedFile {
    /// The objects, in the order in which they are written.
    pub objects: Vec<Object>,
    /// How many documents and list items are not objects of a cluster: values
    /// files, patches, Kustomizations.
    pub skipped: usize,
    /// Those of them that somebody may have meant as objects.
    pub reported: SkippedContent,
    /// Documents and list items that cannot be used.
    pub errors: Vec<ManifestError>,
}

/// Parses one file. A bad document does not affect the others.
///
/// `file` is the name of the file, for errors only.
pub fn parse(file: &str, bytes: &[u8]) -> ParsedFile {
    let mut parser = FileParser { file, document: 0, values_left: MAX_VALUES, parsed: ParsedFile::default() };
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if split::is_utf16(bytes) {
        parser.document = 1;
        parser.report(DocumentError::at(Position::START, Reason::Utf16));
        return parser.parsed;
    }
    for document in split::documents(bytes) {
        parser.document(&document);
        if parser.values_left == 0 {
            break;
        }
    }
    parser.parsed
}

/// Reads one YAML document that is no manifest, such as a value in a ConfigMap.
pub fn parse_value(text: &str) -> Result<Value, Reason> {
    if text.len() > MAX_DOCUMENT {
        return Err(Reason::TooLarge);
    }
    let tree = yaml::parse_tree(text, Position::START).map_err(|error| error.reason)?;
    expand::expand(&tree).map(|(value, _)| value).map_err(|error| error.reason)
}

/// The largest document that is parsed, in bytes. An API server accepts requests
/// of 3 MiB and etcd objects of 1.5 MiB; a `List` may hold several.
const MAX_DOCUMENT: usize = 8 << 20;

/// The most values of one file that are kept, keys not counted. A few bytes of text
/// can be a value, which takes a hundred while the file is read.
const MAX_VALUES: usize = 1_000_000;

struct FileParser<'a> {
    file: &'a str,
    /// The number of the current document, from 1.
    document: usize,
    values_left: usize,
    parsed: ParsedFile,
}

impl FileParser<'_> {
    fn document(&mut self, document: &Document<'_>) {
        self.document += 1;
        if let Err(error) = self.try_document(document) {
            self.report(error);
        }
    }

    fn try_document(&mut self, document: &Document<'_>) -> Result<(), DocumentError> {
        let start = document.start();
        if document.bytes.len() > MAX_DOCUMENT {
            return Err(DocumentError::at(start, Reason::TooLarge));
        }
        let text = document.text()?;
        if document.looks_like_json() {
            match self.json(text, start) {
                // It may still be YAML in flow style: `{apiVersion: v1, …}`.
                Err(json) if json.is_first => {
                    let Err(yaml) = self.yaml(text, start) else {
                        return Ok(());
                    };
                    // The parser that got further understood the text better.
                    let json = json.error;
                    return Err(if json.position > yaml.position { json } else { yaml });
                }
                result => return result.map_err(|failure| failure.error),
            }
        }
        self.yaml(text, start)
    }

    fn yaml(&mut self, text: &str, start: Position) -> Result<(), DocumentError> {
        let tree = yaml::parse_tree(text, start)?;
        self.extract(&tree)
    }

    /// JSON values, one after another; each is a document of its own.
    fn json(&mut self, text: &str, start: Position) -> Result<(), JsonFailure> {
        let mut is_first = true;
        for tree in json::parse_trees(text, start) {
            self.document += usize::from(!is_first);
            let tree = tree.map_err(|error| JsonFailure { error, is_first })?;
            is_first = false;
            if let Err(error) = self.extract(&tree) {
                self.report(error);
            }
        }
        Ok(())
    }

    fn extract(&mut self, tree: &Tree<'_>) -> Result<(), DocumentError> {
        let (value, positions) = expand::expand(tree)?;
        self.values_left = self.values_left.saturating_sub(positions.len());
        if self.values_left == 0 {
            return Err(DocumentError::at(positions.first().copied().unwrap_or(Position::START), Reason::TooManyNodes));
        }
        for error in objects::extract(value, &positions, (self.file, self.document), &mut self.parsed) {
            self.report(error);
        }
        Ok(())
    }

    fn report(&mut self, error: DocumentError) {
        let DocumentError { position, reason } = error;
        self.parsed.errors.push(ManifestError {
            file: self.file.to_owned(),
            document: self.document,
            position,
            reason,
        });
    }
}

struct JsonFailure {
    error: DocumentError,
    /// Whether it is in the first value of the document.
    is_first: bool,
}
