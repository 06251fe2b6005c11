//! One object that Git declares, kept as compact text: it is parsed on the rare
//! write that needs it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use super::{ObjectKey, normalize, opt_out};
use crate::diff::{self, Path};
use crate::manifest::{self, Position, Positions};

/// An object that Git declares.
#[derive(Debug)]
pub struct Declared {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version that the manifest is written in.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace, the source's where the manifest has none.
    pub namespace: String,
    /// Whether the manifest names a namespace itself.
    pub(super) names_namespace: bool,
    /// The name.
    pub name: String,
    /// The mark in Git that asks to leave the object alone.
    pub left_alone: Option<&'static str>,
    file: Arc<str>,
    text: Box<str>,
    marks: Positions,
}

/// Where something stands in Git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file, from the repository's root.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// The namespace that kubectl takes where nothing names one.
const DEFAULT_NAMESPACE: &str = "default";

impl Declared {
    pub(super) fn new(file: Arc<str>, namespace: Option<&str>, object: manifest::Object) -> Self {
        let manifest::Object { api_version, kind, namespace: own, name, value, marks, .. } = object;
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind,
            names_namespace: own.is_some(),
            namespace: own.unwrap_or_else(|| namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned()),
            name,
            left_alone: opt_out::left_alone_in_git(&value),
            file,
            text: value.to_string().into(),
            marks,
        }
    }

    /// The object's identity, as if it had a namespace.
    pub fn key(&self) -> ObjectKey<'_> {
        let Self { group, kind, namespace, name, .. } = self;
        ObjectKey { group, kind, namespace, name }
    }

    /// The object as Kubernetes would hold it: parsed, and put into the form
    /// that the API server gives it.
    pub fn object(&self) -> Value {
        normalize::normal(self.written())
    }

    /// The file that declares the object.
    pub(super) fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// Where the object begins.
    pub fn start(&self) -> SourceLocation {
        self.find(&Value::Null, &[]).unwrap_or_else(|| self.at(1))
    }

    /// Where fields stand, each or else the nearest thing around it.
    pub fn places(&self, paths: &[&Path]) -> Vec<SourceLocation> {
        if paths.is_empty() {
            return Vec::new();
        }
        let written = self.written();
        paths.iter().map(|path| self.place(path, &written)).collect()
    }

    fn place(&self, path: &Path, written: &Value) -> SourceLocation {
        let mut best = self.start();
        // `data` of a Secret may have been written as `stringData`.
        for steps in [path.steps(), &normalize::as_written(path)] {
            for depth in 1..=steps.len() {
                let Some(found) = self.find(written, &steps[..depth]) else { break };
                best = found;
            }
            if self.find(written, steps).is_some() {
                break;
            }
        }
        best
    }

    fn written(&self) -> Value {
        // `manifest` bounds how deep an object is, at more than serde_json does by itself.
        let mut reader = serde_json::Deserializer::from_str(&self.text);
        reader.disable_recursion_limit();
        Value::deserialize(&mut reader).expect("the text was printed from a value")
    }

    fn find(&self, written: &Value, steps: &[diff::Step]) -> Option<SourceLocation> {
        let mut at = written;
        let mut way = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                diff::Step::Field(name) => {
                    way.push(manifest::Step::Key(name));
                    at = at.get(&**name)?;
                }
                diff::Step::Index(index) => {
                    way.push(manifest::Step::Index(*index));
                    at = at.get(index)?;
                }
                diff::Step::Item(keys) => {
                    // A key that the manifest leaves out has its default.
                    let is =
                        |item: &Value| keys.iter().all(|(key, is)| item.get(&**key).is_none_or(|there| there == is));
                    let index = at.as_array()?.iter().position(is)?;
                    way.push(manifest::Step::Index(index));
                    at = &at[index];
                }
            }
        }
        let Position { line, .. } = self.marks.find(written, &way)?;
        // Of a rendered object some fields stand elsewhere than the others.
        let file = self.marks.file(written, &way).unwrap_or(&self.file);
        Some(SourceLocation { file: file.clone(), line })
    }

    fn at(&self, line: u32) -> SourceLocation {
        SourceLocation { file: self.file.clone(), line }
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
