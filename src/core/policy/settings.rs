//! What is asked of writers, and how hard: the configuration, made usable.

use std::collections::HashMap;

use globset::{Glob, GlobMatcher, GlobSet, GlobSetBuilder};

use super::protected;
use crate::actor::Class;
use crate::desired::ObjectKey;
use crate::diff::{Path, PathError, Pattern};

/// What becomes of drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// It passes in silence, counted and logged.
    Audit,
    /// It passes, and the client is warned.
    Warn,
    /// It is denied.
    #[default]
    Enforce,
}

/// What a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It passes.
    #[default]
    Allow,
    /// It passes, and the client is warned.
    Warn,
    /// It is refused.
    Deny,
}

/// The rules by which verdicts become answers.
#[derive(Debug)]
pub struct Policy {
    /// The mode where nothing softer is said.
    pub mode: Mode,
    /// Softer modes of sources, by name.
    pub source_modes: HashMap<String, Mode>,
    /// Softer modes by namespace and class; the softest that matches wins.
    pub modes: Vec<ModeRule>,
    /// Fields that are nobody's business.
    pub ignore: Vec<IgnoreRule>,
    /// What a person's additions to declared objects are answered at most.
    pub extras: Vec<NamespaceRule>,
    /// What a new object that Git does not know is answered.
    pub unmanaged: Vec<NamespaceRule>,
    /// What a write that cannot be judged is answered.
    pub on_error: Outcome,
    /// What drift in a dry run is answered at most.
    pub dry_run: Outcome,
    /// Keys of labels and annotations that grant rights: no person may set them beside Git.
    pub protected: GlobSet,
}

/// A softer mode for some namespaces and classes.
#[derive(Debug)]
pub struct ModeRule {
    namespaces: Option<GlobSet>,
    actors: Vec<Class>,
    mode: Mode,
}

/// An outcome for some namespaces.
#[derive(Debug)]
pub struct NamespaceRule {
    namespaces: Option<GlobSet>,
    /// The globs as they are written.
    patterns: Vec<String>,
    answer: Outcome,
}

/// Fields of some objects that are not judged.
#[derive(Debug)]
pub struct IgnoreRule {
    group: GlobMatcher,
    kind: GlobMatcher,
    namespace: GlobMatcher,
    name: GlobMatcher,
    paths: Vec<Pattern>,
}

/// A rule that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not a pattern for names.
    #[error("failed to read the pattern: {0}")]
    Glob(#[from] globset::Error),
    /// Not a path to a field.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Mode {
    /// The mode's name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Enforce => "enforce",
            Self::Warn => "warn",
        }
    }

    /// What drift is answered in this mode.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Audit => Outcome::Allow,
            Self::Enforce => Outcome::Deny,
            Self::Warn => Outcome::Warn,
        }
    }
}

impl Outcome {
    /// The answer's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Warn => "warn",
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            source_modes: HashMap::new(),
            modes: Vec::new(),
            ignore: Vec::new(),
            extras: Vec::new(),
            unmanaged: Vec::new(),
            on_error: Outcome::Allow,
            dry_run: Outcome::Warn,
            protected: globs(&protected::GRANTING).expect("the default keys are checked by a test"),
        }
    }
}

impl Policy {
    /// The mode for drift of an object: the softest that is said for it.
    pub fn mode_of(&self, namespace: &str, class: Class, source: Option<&str>) -> Mode {
        let of_source = source.and_then(|name| self.source_modes.get(name).copied());
        let of_rules = self.modes.iter().filter(|rule| rule.matches(namespace, class)).map(|rule| rule.mode);
        of_rules.chain(of_source).fold(self.mode, Mode::min)
    }

    /// What a new object that Git does not know is answered in a namespace.
    pub fn unmanaged_in(&self, namespace: &str) -> Outcome {
        scoped(&self.unmanaged, namespace).unwrap_or(Outcome::Allow)
    }

    /// The namespaces that take only what Git declares, or warn; `None` where
    /// they are not named one by one, so that it may be any.
    pub fn strict_namespaces(&self) -> Option<Vec<String>> {
        let mut named = Vec::new();
        for NamespaceRule { patterns, answer, .. } in &self.unmanaged {
            let is_for_all = patterns.is_empty();
            if *answer != Outcome::Allow {
                if is_for_all || patterns.iter().any(|pattern| pattern.contains(GLOB)) {
                    return None;
                }
                named.extend(patterns.iter().filter(|name| self.unmanaged_in(name) != Outcome::Allow).cloned());
            }
            if is_for_all {
                // The rules below it never apply.
                break;
            }
        }
        named.sort();
        named.dedup();
        Some(named)
    }

    /// What a person's additions are answered at most in a namespace.
    pub fn extras_in(&self, namespace: &str) -> Outcome {
        scoped(&self.extras, namespace).unwrap_or(Outcome::Deny)
    }

    pub(super) fn ignores(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.ignore.iter().any(|rule| rule.covers(object, path))
    }
}

impl ModeRule {
    /// A mode for the namespaces that the globs name (all, where there are
    /// none) and the classes (all, where there are none).
    pub fn new(namespaces: &[String], actors: Vec<Class>, mode: Mode) -> Result<Self, PolicyError> {
        Ok(Self { namespaces: some_globs(namespaces)?, actors, mode })
    }

    fn matches(&self, namespace: &str, class: Class) -> bool {
        self.namespaces.as_ref().is_none_or(|globs| globs.is_match(namespace))
            && (self.actors.is_empty() || self.actors.contains(&class))
    }
}

impl NamespaceRule {
    /// An answer for the namespaces that the globs name; for all, where there are none.
    pub fn new(namespaces: &[String], answer: Outcome) -> Result<Self, PolicyError> {
        Ok(Self { namespaces: some_globs(namespaces)?, patterns: namespaces.to_vec(), answer })
    }
}

impl IgnoreRule {
    /// Paths (all, where there are none) of the objects that these globs name.
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str, paths: &[String]) -> Result<Self, PolicyError> {
        let glob = |text: &str| Ok::<_, PolicyError>(Glob::new(text)?.compile_matcher());
        Ok(Self {
            group: glob(group)?,
            kind: glob(kind)?,
            namespace: glob(namespace)?,
            name: glob(name)?,
            paths: paths.iter().map(|path| path.parse()).collect::<Result<_, _>>()?,
        })
    }

    fn covers(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.group.is_match(object.group)
            && self.kind.is_match(object.kind)
            && self.namespace.is_match(object.namespace)
            && self.name.is_match(object.name)
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.covers(path)))
    }
}

/// What makes a name a pattern of several.
const GLOB: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

fn scoped(rules: &[NamespaceRule], namespace: &str) -> Option<Outcome> {
    let names = |rule: &&NamespaceRule| rule.namespaces.as_ref().is_none_or(|globs| globs.is_match(namespace));
    rules.iter().find(names).map(|rule| rule.answer)
}

fn some_globs(patterns: &[String]) -> Result<Option<GlobSet>, PolicyError> {
    Ok(if patterns.is_empty() { None } else { Some(globs(patterns)?) })
}

/// A set of globs.
pub(super) fn globs(patterns: &[impl AsRef<str>]) -> Result<GlobSet, PolicyError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern.as_ref())?);
    }
    Ok(set.build()?)
}

impl Policy {
    /// Replaces the keys that grant rights.
    pub fn protect(&mut self, keys: &[String]) -> Result<(), PolicyError> {
        self.protected = globs(keys)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_namespaces_are_named_or_may_be_any() {
        use Outcome::{Allow, Deny, Warn};
        type Rules = &'static [(&'static [&'static str], Outcome)];
        let cases: [(Rules, Option<&[&str]>); 9] = [
            (&[], Some(&[])),
            (&[(&[], Allow)], Some(&[])),
            (&[(&[], Deny)], None),
            (&[(&["prod", "a"], Deny), (&["b"], Warn), (&["a"], Warn)], Some(&["a", "b", "prod"])),
            (&[(&["pro*"], Deny)], None),
            (&[(&["{a,b}"], Warn)], None),
            (&[(&["prod-*"], Allow), (&["prod-1", "prod"], Deny)], Some(&["prod"])),
            (&[(&["prod"], Deny), (&[], Allow), (&[], Deny)], Some(&["prod"])),
            (&[(&["prod"], Allow), (&[], Warn)], None),
        ];
        for (rules, expected) in cases {
            let scoped = rules.iter().map(|(namespaces, answer)| {
                let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
                NamespaceRule::new(&namespaces, *answer).unwrap()
            });
            let policy = Policy { unmanaged: scoped.collect(), ..Policy::default() };
            let strict = policy.strict_namespaces();
            let strict = strict.as_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(strict.as_deref(), expected, "{rules:?}");
        }
    }
}
