//! Of rules, the first that matches applies: which of them have no effect because of that, or
//! another one than somebody expects who takes the softest for the one that applies.

use super::mode_rule::ModeRule;
use super::settings::{GLOB_CHARACTERS, NamespaceRule, Policy};
use crate::actor::Class;
use crate::glob;

const WITHOUT_EFFECT: &str = "it has no effect: a rule above it is for the same writes, and the first applies";
const COMES_SECOND: &str =
    "a stricter rule above it applies where both match; move this one up if it is to apply there";
const STRICTER: &str = "it is stricter than `mode`, and applies to what it matches";

impl Policy {
    /// What is to be said of the order of rules when a configuration is loaded: the key of a rule, and a sentence.
    pub fn notes_on_order(&self) -> Vec<(String, &'static str)> {
        let mut notes = Vec::new();
        for (index, rule) in self.modes.iter().enumerate() {
            let mut earlier = self.modes[..index].iter();
            let note = if earlier.clone().any(|first| covers_rule(first, rule)) {
                WITHOUT_EFFECT
            } else if earlier.any(|first| first.mode > rule.mode && may_overlap_rule(first, rule)) {
                COMES_SECOND
            } else if rule.mode > self.mode {
                STRICTER
            } else {
                continue;
            };
            notes.push((format!("modes[{index}]"), note));
        }
        for (key, rules) in [("unmanaged", &self.unmanaged), ("extras", &self.extras)] {
            for (index, rule) in rules.iter().enumerate() {
                if rules[..index].iter().any(|first| covers_namespaces(first, rule)) {
                    notes.push((format!("{key}[{index}]"), WITHOUT_EFFECT));
                }
            }
        }
        notes
    }
}

/// Whether the first rule matches whatever the other one matches, as far as their globs tell.
fn covers_rule(first: &ModeRule, other: &ModeRule) -> bool {
    covers(&first.namespace_patterns, &other.namespace_patterns)
        && covers(&first.kind_patterns, &other.kind_patterns)
        && (first.actors.is_empty() || (!other.actors.is_empty() && has_all(&first.actors, &other.actors)))
}

/// Whether both rules may match one write, as far as their globs tell.
fn may_overlap_rule(first: &ModeRule, other: &ModeRule) -> bool {
    may_overlap(&first.namespace_patterns, &other.namespace_patterns)
        && may_overlap(&first.kind_patterns, &other.kind_patterns)
        && (first.actors.is_empty()
            || other.actors.is_empty()
            || first.actors.iter().any(|class| other.actors.contains(class)))
}

fn covers_namespaces(first: &NamespaceRule, other: &NamespaceRule) -> bool {
    let classes = |rule: &NamespaceRule| if rule.actors.is_empty() { vec![Class::Person] } else { rule.actors.clone() };
    covers(&first.patterns, &other.patterns) && has_all(&classes(first), &classes(other))
}

fn has_all(classes: &[Class], others: &[Class]) -> bool {
    others.iter().all(|class| classes.contains(class))
}

/// Whether the globs match whatever the others match: all, or each of the others word for word, or as a plain name.
fn covers(globs: &[String], others: &[String]) -> bool {
    globs.is_empty()
        || (!others.is_empty() && others.iter().all(|other| globs.iter().any(|glob| is_within(other, glob))))
}

/// Whether one of the globs may match what one of the others does. Of two patterns nothing is known: they may.
fn may_overlap(globs: &[String], others: &[String]) -> bool {
    let is_pattern = |glob: &str| glob.contains(GLOB_CHARACTERS);
    let meet = |one: &String, other: &String| {
        (is_pattern(one) && is_pattern(other)) || is_within(one, other) || is_within(other, one)
    };
    globs.is_empty() || others.is_empty() || globs.iter().any(|one| others.iter().any(|other| meet(one, other)))
}

/// Whether the glob matches the name, or is the same glob.
fn is_within(name: &str, glob: &str) -> bool {
    let is_plain = !name.contains(GLOB_CHARACTERS);
    name == glob || glob == "*" || (is_plain && glob::matcher(glob).is_ok_and(|matcher| matcher.is_match(name)))
}

#[cfg(test)]
mod tests {
    use super::super::mode::{Mode, Outcome};
    use super::*;

    fn rule(namespaces: &[&str], actors: &[Class], mode: Mode) -> ModeRule {
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        ModeRule::new(&namespaces, actors.to_vec(), mode).unwrap()
    }

    #[test]
    fn rules_that_come_too_late_are_told() {
        use Mode::{Audit, Enforce, Warn};
        for (modes, expected) in [
            (vec![rule(&["prod"], &[], Warn), rule(&["test"], &[], Audit)], vec![]),
            (
                vec![rule(&["prod"], &[], Audit), rule(&["prod"], &[Class::Person], Warn)],
                vec![("modes[1]", WITHOUT_EFFECT)],
            ),
            (vec![rule(&[], &[], Warn), rule(&["prod"], &[], Audit)], vec![("modes[1]", WITHOUT_EFFECT)]),
            (vec![rule(&["pr*"], &[], Warn), rule(&["prod"], &[], Audit)], vec![("modes[1]", WITHOUT_EFFECT)]),
            (vec![rule(&["prod"], &[], Warn), rule(&["pr*"], &[], Audit)], vec![("modes[1]", COMES_SECOND)]),
            (vec![rule(&["prod"], &[], Warn), rule(&[], &[Class::Person], Audit)], vec![("modes[1]", COMES_SECOND)]),
            (vec![rule(&["prod"], &[Class::Workload], Warn), rule(&[], &[Class::Person], Audit)], vec![]),
            (vec![rule(&["prod"], &[], Audit), rule(&["pr*"], &[], Warn)], vec![]),
        ] {
            let policy = Policy { mode: Enforce, modes, ..Policy::default() };
            let notes = policy.notes_on_order();
            let notes: Vec<_> = notes.iter().map(|(key, note)| (key.as_str(), *note)).collect();
            assert_eq!(notes, expected, "{:?}", policy.modes);
        }
        let policy = Policy { mode: Audit, modes: vec![rule(&["prod"], &[], Enforce)], ..Policy::default() };
        assert_eq!(policy.notes_on_order(), [("modes[0]".to_owned(), STRICTER)]);
    }

    #[test]
    fn namespaces_that_come_too_late_are_told() {
        let rule = |namespaces: &[&str]| {
            let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
            NamespaceRule::new(&namespaces, Outcome::Deny).unwrap()
        };
        let for_workloads = rule(&["prod"]).for_actors(vec![Class::Workload]);
        let policy = Policy { unmanaged: vec![rule(&[]), rule(&["prod"]), for_workloads], ..Policy::default() };
        assert_eq!(policy.notes_on_order(), [("unmanaged[1]".to_owned(), WITHOUT_EFFECT)]);
    }
}
