//! The rules that give a part of the cluster a mode of its own.

use globset::GlobSet;

use super::error::PolicyError;
use super::mode::Mode;
use crate::actor::Class;
use crate::glob;

/// A mode for some namespaces, kinds and classes.
#[derive(Debug)]
pub struct ModeRule {
    namespaces: Option<GlobSet>,
    /// The globs as they are configured.
    pub(super) namespace_patterns: Vec<String>,
    kinds: Option<GlobSet>,
    pub(super) kind_patterns: Vec<String>,
    pub(super) actors: Vec<Class>,
    pub(super) mode: Mode,
}

/// What a mode is asked for: whose write, and of what.
#[derive(Clone, Copy, Debug)]
pub struct ModeTarget<'a> {
    /// The namespace of the review.
    pub namespace: &'a str,
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// Who writes.
    pub class: Class,
}

impl ModeRule {
    /// A mode for the namespaces that the globs name (all, where there are
    /// none), and the classes (all, where there are none), of all kinds.
    pub fn new(namespaces: &[String], actors: Vec<Class>, mode: Mode) -> Result<Self, PolicyError> {
        Ok(Self {
            namespaces: glob::optional_set(namespaces)?,
            namespace_patterns: namespaces.to_vec(),
            kinds: None,
            kind_patterns: Vec::new(),
            actors,
            mode,
        })
    }

    /// The rule for these kinds only: globs of `Kind` or `Kind.group`; for all, where there are none.
    pub fn for_kinds(self, kinds: &[String]) -> Result<Self, PolicyError> {
        Ok(Self { kinds: glob::optional_set(kinds)?, kind_patterns: kinds.to_vec(), ..self })
    }

    fn matches(&self, target: &ModeTarget<'_>) -> bool {
        let ModeTarget { namespace, group, kind, class } = target;
        let is_kind = |globs: &GlobSet| globs.is_match(kind) || globs.is_match(format!("{kind}.{group}"));
        self.namespaces.as_ref().is_none_or(|globs| globs.is_match(namespace))
            && self.kinds.as_ref().is_none_or(is_kind)
            && (self.actors.is_empty() || self.actors.contains(class))
    }
}

