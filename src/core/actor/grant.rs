//! What a rule grants its writers, whatever Git says: fields to change, and objects to delete.

use globset::GlobMatcher;
use serde::{Deserialize, Serialize};

use super::ActorError;
use crate::diff::{Path, Pattern};
use crate::glob;

/// Fields of some kinds that a writer may change, or kinds whose objects it may delete.
#[derive(Debug)]
pub struct Grant {
    group: GlobMatcher,
    kind: GlobMatcher,
    paths: Vec<Pattern>,
    written: WrittenGrant,
}

/// A grant as it is written: globs and paths.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenGrant {
    /// Glob of API groups.
    pub group: String,
    /// Glob of kinds.
    pub kind: String,
    /// Paths of fields to change.
    pub paths: Vec<String>,
    /// Whether it is not about fields, but about deleting objects.
    pub deletes: bool,
}

impl Grant {
    /// Fields of the kinds that these globs name.
    pub fn new(group: &str, kind: &str, paths: &[impl AsRef<str>]) -> Result<Self, ActorError> {
        let paths: Vec<_> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        Ok(Self {
            group: glob::matcher(group)?,
            kind: glob::matcher(kind)?,
            paths: paths.iter().map(|path| path.parse()).collect::<Result<_, _>>()?,
            written: WrittenGrant { group: group.to_owned(), kind: kind.to_owned(), paths, deletes: false },
        })
    }

    /// The deletion of objects of the kinds that these globs name.
    pub fn to_delete(group: &str, kind: &str) -> Result<Self, ActorError> {
        let mut grant = Self::new(group, kind, &[""; 0])?;
        grant.written.deletes = true;
        Ok(grant)
    }

    /// The grant as it is written.
    pub fn written(&self) -> &WrittenGrant {
        &self.written
    }

    pub(crate) fn covers(&self, group: &str, kind: &str, path: &Path) -> bool {
        self.is_of(group, kind) && self.paths.iter().any(|pattern| pattern.covers(path))
    }

    pub(crate) fn covers_deletion(&self, group: &str, kind: &str) -> bool {
        self.written.deletes && self.is_of(group, kind)
    }

    /// Whether it is about objects of this kind.
    pub(crate) fn is_of(&self, group: &str, kind: &str) -> bool {
        self.group.is_match(group) && self.kind.is_match(kind)
    }
}
