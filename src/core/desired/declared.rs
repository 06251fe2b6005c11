//! One object that Git declares. It is kept as compact text, and parsed only for
//! the rare write that needs it.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::Value;

use super::object_key::ObjectKey;
use super::{normalize, opt_out, placeholders};
use crate::diff::{Path, PathElement};
use crate::manifest::{self, Lines};

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
    /// The label or annotation in Git by which the object opts out, if any.
    pub opt_out: Option<&'static str>,
    file: Arc<str>,
    json: Box<str>,
    /// `None` where it is not read from a file.
    lines: Option<Lines>,
}

/// A file and line in Git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The file, from the repository's root.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// The namespace that kubectl uses where nothing names one.
const DEFAULT_NAMESPACE: &str = "default";

impl Declared {
    pub(super) fn new(file: Arc<str>, namespace: Option<&str>, object: manifest::Object) -> Self {
        let manifest::Object { api_version, kind, namespace: own_namespace, name, mut value, positions, .. } = object;
        placeholders::hide_vault_values(&mut value);
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind,
            names_namespace: own_namespace.is_some(),
            namespace: own_namespace.unwrap_or_else(|| namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned()),
            name,
            opt_out: opt_out::git_opt_out(&value),
            file,
            json: json_of(&value),
            lines: Some(Lines::of(positions)),
        }
    }

    /// What a GitOps tool applied of the object of this key, whatever file that is written in.
    pub(crate) fn applied(key: ObjectKey<'_>, value: &Value) -> Self {
        let api_version = value["apiVersion"].as_str().unwrap_or_default();
        let ObjectKey { group, kind, namespace, name } = key;
        Self {
            group: group.to_owned(),
            version: api_version.rsplit('/').next().unwrap_or_default().to_owned(),
            kind: kind.to_owned(),
            names_namespace: !namespace.is_empty(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            opt_out: opt_out::git_opt_out(value),
            file: "".into(),
            json: json_of(value),
            lines: None,
        }
    }

    /// The object's identity, with a namespace even where its kind has none.
    pub fn key(&self) -> ObjectKey<'_> {
        let Self { group, kind, namespace, name, .. } = self;
        ObjectKey { group, kind, namespace, name }
    }

    /// Group and version, as in `apiVersion`.
    pub fn api_version(&self) -> String {
        let Self { group, version, .. } = self;
        if group.is_empty() { version.clone() } else { format!("{group}/{version}") }
    }

    /// The object in the form in which the API server would store it.
    pub fn object(&self) -> Value {
        normalize::normalize(self.written())
    }

    /// The `status` of the manifest, which the API server does not take for kinds that have one as a subresource;
    /// null where there is none.
    pub(crate) fn written_status(&self) -> Value {
        self.written()["status"].take()
    }

    /// The file that declares the object.
    pub(super) fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// The first line of the object; `None` where it is not read from a file.
    pub fn start(&self) -> Option<SourceLocation> {
        self.lines.as_ref()?;
        let first_line = || SourceLocation { file: self.file.clone(), line: 1 };
        Some(self.find(&Value::Null, &[]).unwrap_or_else(first_line))
    }

    /// Where fields are written: each field, or else the nearest thing around it. None, where
    /// the object is not read from a file.
    pub fn locations(&self, paths: &[&Path]) -> Vec<SourceLocation> {
        let Some(start) = self.start().filter(|_| !paths.is_empty()) else { return Vec::new() };
        let written = self.written();
        paths.iter().map(|path| self.location(path, &written, start.clone())).collect()
    }

    fn location(&self, path: &Path, written: &Value, start: SourceLocation) -> SourceLocation {
        let mut nearest = start;
        // `data` of a Secret may have been written as `stringData`.
        for elements in [path.elements(), &normalize::as_string_data(path)] {
            for depth in 1..=elements.len() {
                let Some(found) = self.find(written, &elements[..depth]) else { break };
                nearest = found;
            }
            if self.find(written, elements).is_some() {
                break;
            }
        }
        nearest
    }

    /// How many bytes its text has.
    pub(super) fn text_bytes(&self) -> usize {
        self.json.len()
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.json.len() + self.lines.as_ref().map_or(0, Lines::bytes)
    }

    /// The object as the manifest has it.
    fn written(&self) -> Value {
        // `manifest` bounds the depth of an object; serde_json's own limit is lower.
        let mut deserializer = serde_json::Deserializer::from_str(&self.json);
        deserializer.disable_recursion_limit();
        Value::deserialize(&mut deserializer).expect("the text was printed from a value")
    }

    /// Where a field is written; `None` where the manifest does not have it.
    fn find(&self, written: &Value, elements: &[PathElement]) -> Option<SourceLocation> {
        let mut value = written;
        let mut segments = Vec::with_capacity(elements.len());
        for element in elements {
            match element {
                PathElement::Field(name) => {
                    segments.push(manifest::Segment::Key(name));
                    value = value.get(&**name)?;
                }
                PathElement::Index(index) => {
                    segments.push(manifest::Segment::Index(*index));
                    value = value.get(index)?;
                }
                PathElement::Item(position) => {
                    // A key that the manifest leaves out has its default.
                    let has_key = |item: &Value, key: &str, wanted: &Value| item.get(key).is_none_or(|it| it == wanted);
                    let has_keys =
                        |item: &Value| position.keys().iter().all(|(key, wanted)| has_key(item, key, wanted));
                    let index = value.as_array()?.iter().position(has_keys)?;
                    segments.push(manifest::Segment::Index(index));
                    value = &value[index];
                }
            }
        }
        let lines = self.lines.as_ref()?;
        let line = lines.find(written, &segments)?;
        // Some fields of a rendered object are written in another file than the others.
        let file = lines.file(written, &segments).unwrap_or(&self.file);
        Some(SourceLocation { file: file.clone(), line })
    }
}

/// A value as compact text. The general way to print it is twice as slow.
fn json_of(value: &Value) -> Box<str> {
    serde_json::to_string(value).expect("all keys of a value are texts").into()
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
