//! Bytes to objects, each field with its line and column.
//!
//! The YAML is Kubernetes' YAML: that of goyaml v2, the YAML 1.1 flavour that
//! kubectl and Argo CD read manifests with. What is equal here must be what
//! the API server was sent, so where the YAML standards and Kubernetes
//! disagree, Kubernetes is right.
//!
//! A file passes through here in steps, one file of this room for each:
//! `split` cuts it into documents, `events` (YAML) or `json` build a tree that
//! still knows anchors and spellings, `expand` makes a value of it with the
//! help of `scalar`, and `objects` takes the Kubernetes objects out. `trace`
//! finds again, in the files behind a rendered object, where its fields stand.

mod error;
mod expand;
mod json;
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
pub use positions::{Position, Positions, Step};
pub use provenance::{Origin, trace, whole_file};

use error::Fault;
use split::Document;
use tree::Tree;

/// One Kubernetes object as written.
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
    pub marks: Positions,
    /// The document of the file it is in, from 1; empty ones do not count.
    pub document: usize,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Reading {
    /// The objects, in the order in which they are written.
    pub objects: Vec<Object>,
    /// Documents and list items that are no object of a cluster: values
    /// files, patches, Kustomizations.
    pub skipped: usize,
    /// Documents and list items that could not be read.
    pub errors: Vec<ManifestError>,
}

/// Reads one file; a bad document costs only itself.
///
/// `file` only names it in errors.
pub fn read(file: &str, bytes: &[u8]) -> Reading {
    let mut reader = Reader { file, document: 0, reading: Reading::default() };
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if split::is_utf16(bytes) {
        reader.document = 1;
        reader.fail(Fault::at(Position::START, Reason::Utf16));
        return reader.reading;
    }
    for document in split::documents(bytes) {
        reader.document(&document);
    }
    reader.reading
}

/// The largest document that is read, in bytes. An API server takes requests
/// of 3 MiB and etcd objects of 1.5 MiB; a `List` may hold several.
const MAX_DOCUMENT: usize = 8 << 20;

struct Reader<'a> {
    file: &'a str,
    /// Documents seen so far.
    document: usize,
    reading: Reading,
}

impl Reader<'_> {
    fn document(&mut self, document: &Document<'_>) {
        self.document += 1;
        if let Err(fault) = self.try_document(document) {
            self.fail(fault);
        }
    }

    fn try_document(&mut self, document: &Document<'_>) -> Result<(), Fault> {
        let start = document.start();
        if document.bytes.len() > MAX_DOCUMENT {
            return Err(Fault::at(start, Reason::TooLarge));
        }
        let text = document.text()?;
        if document.looks_like_json() {
            match self.json(text, start) {
                // It may still be YAML in flow style: `{apiVersion: v1, …}`.
                Err(json) if json.is_first => {
                    let Err(yaml) = self.yaml(text, start) else {
                        return Ok(());
                    };
                    // The reading that came further understood the text better.
                    let json = json.fault;
                    return Err(if json.position > yaml.position { json } else { yaml });
                }
                read => return read.map_err(|failure| failure.fault),
            }
        }
        self.yaml(text, start)
    }

    fn yaml(&mut self, text: &str, start: Position) -> Result<(), Fault> {
        let tree = yaml::tree(text, start)?;
        self.take(&tree)
    }

    /// One JSON value after another; each is a document of its own.
    fn json(&mut self, text: &str, start: Position) -> Result<(), JsonFailure> {
        let mut is_first = true;
        for tree in json::trees(text, start) {
            self.document += usize::from(!is_first);
            let tree = tree.map_err(|fault| JsonFailure { fault, is_first })?;
            is_first = false;
            if let Err(fault) = self.take(&tree) {
                self.fail(fault);
            }
        }
        Ok(())
    }

    fn take(&mut self, tree: &Tree<'_>) -> Result<(), Fault> {
        let (value, positions) = expand::expand(tree)?;
        let faults = objects::take(value, &positions, self.document, &mut self.reading);
        for fault in faults {
            self.fail(fault);
        }
        Ok(())
    }

    fn fail(&mut self, fault: Fault) {
        let Fault { position, reason } = fault;
        self.reading.errors.push(ManifestError {
            file: self.file.to_owned(),
            document: self.document,
            position,
            reason,
        });
    }
}

struct JsonFailure {
    fault: Fault,
    /// Nothing of the document was read before.
    is_first: bool,
}
