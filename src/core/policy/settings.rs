//! The configured rules: modes, what is ignored, what is protected, and how strictly
//! each verdict may be answered.

use std::collections::HashMap;

use globset::{GlobMatcher, GlobSet};
use serde_json::Value;

use super::error::PolicyError;
use super::mode::{Mode, Outcome};
use super::mode_rule::{ModeRule, ModeTarget};
use super::protected_keys::ProtectedKeyRules;
use crate::actor::Class;
use crate::desired::ObjectKey;
use crate::diff::{DifferenceRef, Path, Pattern};
use crate::glob;

/// The rules by which verdicts become answers.
#[derive(Debug)]
pub struct Policy {
    /// The mode where no rule and no source says another one.
    pub mode: Mode,
    /// Modes of sources, by the name of the source, where no rule applies.
    pub source_modes: HashMap<String, Mode>,
    /// Modes of parts of the cluster; the first that matches applies.
    pub modes: Vec<ModeRule>,
    /// Fields whose changes are ignored.
    pub ignore: Vec<IgnoreRule>,
    /// How strictly a person's additions to declared objects may be answered.
    pub extras: Vec<NamespaceRule>,
    /// What the creation of an object that Git does not declare is answered.
    pub unmanaged: Vec<NamespaceRule>,
    /// What a write that cannot be evaluated is answered.
    pub on_error: Outcome,
    /// How strictly drift in a dry run may be answered.
    pub dry_run: Outcome,
    /// Keys of labels and annotations that are not to be set other than in Git.
    pub protected_keys: ProtectedKeyRules,
}

/// An answer for some namespaces.
#[derive(Debug)]
pub struct NamespaceRule {
    namespaces: Option<GlobSet>,
    /// The globs as they are configured.
    pub(super) patterns: Vec<String>,
    /// The classes that the rule names; persons, where it names none.
    pub(super) actors: Vec<Class>,
    answer: Outcome,
}

/// Fields of some objects whose changes are ignored.
#[derive(Debug)]
pub struct IgnoreRule {
    group: GlobMatcher,
    kind: GlobMatcher,
    namespace: GlobMatcher,
    name: GlobMatcher,
    paths: Vec<Pattern>,
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
            protected_keys: ProtectedKeyRules::default(),
        }
    }
}

impl Policy {
    /// The mode for drift of an object: that of the first rule that matches, else of its source, else the global one.
    pub fn mode_of(&self, target: &ModeTarget<'_>, source: Option<&str>) -> Mode {
        let mode = |believes_claims: bool| match self.modes.iter().find(|rule| rule.matches(target, believes_claims)) {
            Some(rule) => rule.mode,
            None => source.and_then(|name| self.source_modes.get(name)).copied().unwrap_or(self.mode),
        };
        // What an object merely carries makes no answer softer.
        if target.marks.claimed_applications.is_empty() { mode(false) } else { mode(false).max(mode(true)) }
    }

    /// Whether a mode depends on the labels or the application of an object.
    pub fn has_modes_by_marks(&self) -> bool {
        self.modes.iter().any(ModeRule::is_by_marks)
    }

    /// What the creation of an object that Git does not declare is answered in a namespace.
    pub fn unmanaged_outcome(&self, namespace: &str, class: Class) -> Outcome {
        first_match(&self.unmanaged, namespace, class).unwrap_or(Outcome::Allow)
    }

    /// The namespaces that deny or warn about objects that Git does not declare;
    /// `None` where they are not named one by one, so that it may be any.
    pub fn strict_namespaces(&self) -> Option<Vec<String>> {
        let mut named = Vec::new();
        for NamespaceRule { patterns, actors, answer, .. } in &self.unmanaged {
            let is_for_all = patterns.is_empty();
            if *answer != Outcome::Allow {
                if is_for_all || patterns.iter().any(|pattern| pattern.contains(glob::CHARACTERS)) {
                    return None;
                }
                let is_strict = |name: &&String| {
                    Class::ALL.into_iter().any(|class| self.unmanaged_outcome(name, class) != Outcome::Allow)
                };
                named.extend(patterns.iter().filter(is_strict).cloned());
            }
            if is_for_all && actors.is_empty() {
                // The rules below it never apply.
                break;
            }
        }
        named.sort();
        named.dedup();
        Some(named)
    }

    /// How strictly a person's additions may be answered in a namespace.
    pub fn extras_outcome(&self, namespace: &str) -> Outcome {
        first_match(&self.extras, namespace, Class::Person).unwrap_or(Outcome::Deny)
    }

    pub(super) fn ignores(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.ignore.iter().any(|rule| rule.covers(object, path))
    }

    /// Whether a list that is one value differs only in what is ignored inside of it: as Argo CD does
    /// it, that is taken out of both, by its place in each.
    pub(super) fn ignores_inside(&self, object: ObjectKey<'_>, difference: DifferenceRef<'_>) -> bool {
        let (Some(new @ Value::Array(_)), Some(declared @ Value::Array(_))) = (difference.new, difference.declared)
        else {
            return false;
        };
        let rules = self.ignore.iter().filter(|rule| rule.is_for(object));
        let patterns: Vec<&Pattern> = rules.flat_map(|rule| &rule.paths).collect();
        if patterns.is_empty() {
            return false;
        }
        let [mut new, mut declared] = [new, declared].map(Value::clone);
        let mut is_removed = false;
        for pattern in patterns {
            for side in [&mut new, &mut declared] {
                is_removed |= pattern.remove_below(difference.path, side);
            }
        }
        is_removed && new == declared
    }
}

impl NamespaceRule {
    /// An answer for the namespaces that the globs name; for all, where there are none.
    pub fn new(namespaces: &[String], answer: Outcome) -> Result<Self, PolicyError> {
        let globs = glob::optional_set(namespaces)?;
        Ok(Self { namespaces: globs, patterns: namespaces.to_vec(), actors: Vec::new(), answer })
    }

    /// The rule for writers of these classes only; for persons, where there are none.
    #[must_use]
    pub fn for_actors(self, actors: Vec<Class>) -> Self {
        Self { actors, ..self }
    }

    fn matches(&self, namespace: &str, class: Class) -> bool {
        let is_for_class = if self.actors.is_empty() { class == Class::Person } else { self.actors.contains(&class) };
        is_for_class && self.names(namespace)
    }

    /// Whether the rule is for a namespace, whoever writes.
    pub(super) fn names(&self, namespace: &str) -> bool {
        self.namespaces.as_ref().is_none_or(|globs| globs.is_match(namespace))
    }
}

impl IgnoreRule {
    /// Paths (all, where there are none) of the objects that these globs name.
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str, paths: &[String]) -> Result<Self, PolicyError> {
        Ok(Self {
            group: glob::matcher(group)?,
            kind: glob::matcher(kind)?,
            namespace: glob::matcher(namespace)?,
            name: glob::matcher(name)?,
            paths: paths.iter().map(|path| path.parse()).collect::<Result<_, _>>()?,
        })
    }

    fn covers(&self, object: ObjectKey<'_>, path: &Path) -> bool {
        self.is_for(object) && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.covers(path)))
    }

    pub(super) fn is_for(&self, object: ObjectKey<'_>) -> bool {
        self.group.is_match(object.group)
            && self.kind.is_match(object.kind)
            && self.namespace.is_match(object.namespace)
            && self.name.is_match(object.name)
    }
}

/// The answer of the first rule that names the namespace.
fn first_match(rules: &[NamespaceRule], namespace: &str, class: Class) -> Option<Outcome> {
    rules.iter().find(|rule| rule.matches(namespace, class)).map(|rule| rule.answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_namespaces_are_listed_unless_a_rule_may_match_any() {
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
