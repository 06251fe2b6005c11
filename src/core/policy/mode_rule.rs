//! The rules that give a part of the cluster a mode of its own.

use std::collections::BTreeMap;

use globset::{GlobMatcher, GlobSet};

use super::error::PolicyError;
use super::mode::Mode;
use super::object_marks::ObjectMarks;
use crate::actor::Class;
use crate::glob;

/// A mode for some namespaces, kinds, applications, labels and classes.
#[derive(Debug)]
pub struct ModeRule {
    namespaces: Option<GlobSet>,
    /// The globs as they are configured.
    pub(super) namespace_patterns: Vec<String>,
    kinds: Option<GlobSet>,
    pub(super) kind_patterns: Vec<String>,
    applications: Option<GlobSet>,
    pub(super) application_patterns: Vec<String>,
    labels: Vec<(String, GlobMatcher)>,
    pub(super) label_patterns: BTreeMap<String, String>,
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
    /// Its labels and applications.
    pub marks: &'a ObjectMarks,
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
            applications: None,
            application_patterns: Vec::new(),
            labels: Vec::new(),
            label_patterns: BTreeMap::new(),
            actors,
            mode,
        })
    }

    /// The rule for these kinds only: globs of `Kind` or `Kind.group`; for all, where there are none.
    pub fn for_kinds(self, kinds: &[String]) -> Result<Self, PolicyError> {
        Ok(Self { kinds: glob::optional_set(kinds)?, kind_patterns: kinds.to_vec(), ..self })
    }

    /// The rule for these applications only: globs of `NAME` or `NAMESPACE/NAME`; for all, where there are none.
    pub fn for_applications(self, applications: &[String]) -> Result<Self, PolicyError> {
        let application_patterns = applications.to_vec();
        Ok(Self { applications: glob::optional_set(applications)?, application_patterns, ..self })
    }

    /// The rule only for objects that have all of these labels in Git; the values are globs.
    pub fn for_labels(self, labels: &BTreeMap<String, String>) -> Result<Self, PolicyError> {
        let compiled = labels.iter().map(|(key, glob)| Ok((key.clone(), glob::matcher(glob)?)));
        let compiled = compiled.collect::<Result<_, PolicyError>>()?;
        Ok(Self { labels: compiled, label_patterns: labels.clone(), ..self })
    }

    /// Whether the rule depends on the labels or the application of an object.
    pub(super) fn is_by_marks(&self) -> bool {
        self.applications.is_some() || !self.labels.is_empty()
    }

    /// Whether the rule is for whatever a source declares, whoever writes it.
    pub(super) fn is_for_all_of(&self, source: &str) -> bool {
        let others = self.namespaces.is_some() || self.kinds.is_some() || !self.labels.is_empty();
        !others && self.actors.is_empty() && self.applications.as_ref().is_none_or(|globs| globs.is_match(source))
    }

    /// Whether the rule is for the target; `believes_claims` says whether the applications count that the
    /// object merely claims to belong to.
    pub(super) fn matches(&self, target: &ModeTarget<'_>, believes_claims: bool) -> bool {
        let ModeTarget { namespace, group, kind, class, marks } = target;
        let claimed = if believes_claims { &*marks.claimed_applications } else { &[] };
        let is_application =
            |globs: &GlobSet| marks.applications.iter().chain(claimed).any(|application| globs.is_match(application));
        let has_label = |(key, glob): &(String, GlobMatcher)| marks.labels.get(key).is_some_and(|it| glob.is_match(it));
        let is_kind = |globs: &GlobSet| globs.is_match(kind) || globs.is_match(format!("{kind}.{group}"));
        self.namespaces.as_ref().is_none_or(|globs| globs.is_match(namespace))
            && self.kinds.as_ref().is_none_or(is_kind)
            && self.applications.as_ref().is_none_or(is_application)
            && self.labels.iter().all(has_label)
            && (self.actors.is_empty() || self.actors.contains(class))
    }
}
