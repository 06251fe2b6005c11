//! Of rules, the first that matches applies: which of them have no effect because of that, or
//! another one than somebody expects who takes the softest for the one that applies.

use super::mode::Mode;
use super::mode_rule::ModeRule;
use super::settings::{NamespaceRule, Policy};
use crate::actor::Class;
use crate::glob::{self, is_within};

const WITHOUT_EFFECT: &str = "it has no effect: a rule above it is for the same writes, and the first applies";
const COMES_SECOND: &str =
    "a stricter rule above it applies where both match; move this one up if it is to apply there";
const OVERRIDES_SOURCE: &str = "a rule of `modes` is stricter and applies first where it matches; put a rule with this mode and the source's name in `applications` above it if the source's is to apply there";
const STRICTER: &str = "it is stricter than `mode`, and applies to what it matches";

/// What is to be said of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderNote {
    /// The rule's key.
    pub key: String,
    /// A sentence.
    pub message: &'static str,
    /// The key of the rule above it that is the reason, where one is.
    pub other: Option<String>,
}

impl Policy {
    /// Whether a rule may make the answers stricter that a source with a mode of its own gets. `namespaces` are the
    /// globs of those that the source may declare; all, where there are none.
    pub fn note_on_source_mode(&self, source: &str, mode: Mode, namespaces: &[String]) -> Option<&'static str> {
        let in_scope = |rule: &&ModeRule| may_overlap(&rule.namespace_patterns, namespaces);
        for rule in self.modes.iter().filter(in_scope) {
            if rule.mode > mode {
                return Some(OVERRIDES_SOURCE);
            }
            if rule.is_for_all_of(source) {
                return None;
            }
        }
        None
    }

    /// What is to be said of the order of rules when a configuration is loaded.
    pub fn notes_on_order(&self) -> Vec<OrderNote> {
        let mut notes = Vec::new();
        for (index, rule) in self.modes.iter().enumerate() {
            let mut earlier = self.modes[..index].iter();
            let covering = earlier.clone().position(|first| covers_rule(first, rule));
            let stricter = earlier.position(|first| first.mode > rule.mode && may_overlap_rule(first, rule));
            let (message, other) = match (covering, stricter) {
                (Some(first), _) => (WITHOUT_EFFECT, Some(first)),
                (None, Some(first)) => (COMES_SECOND, Some(first)),
                (None, None) if rule.mode > self.mode => (STRICTER, None),
                (None, None) => continue,
            };
            let other = other.map(|first| format!("modes[{first}]"));
            notes.push(OrderNote { key: format!("modes[{index}]"), message, other });
        }
        for (key, rules) in [("unmanaged", &self.unmanaged), ("extras", &self.extras)] {
            for (index, rule) in rules.iter().enumerate() {
                if let Some(first) = rules[..index].iter().position(|first| covers_namespaces(first, rule)) {
                    let other = Some(format!("{key}[{first}]"));
                    notes.push(OrderNote { key: format!("{key}[{index}]"), message: WITHOUT_EFFECT, other });
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
        && covers(&first.application_patterns, &other.application_patterns)
        && first.label_patterns.iter().all(|(key, glob)| has_label(other, key, |value| is_within(value, glob)))
        && (first.actors.is_empty() || (!other.actors.is_empty() && has_all(&first.actors, &other.actors)))
}

/// Whether both rules may match one write, as far as their globs tell.
fn may_overlap_rule(first: &ModeRule, other: &ModeRule) -> bool {
    may_overlap(&first.namespace_patterns, &other.namespace_patterns)
        && may_overlap(&first.kind_patterns, &other.kind_patterns)
        && first.label_patterns.iter().all(|(key, glob)| {
            !other.label_patterns.contains_key(key) || has_label(other, key, |value| may_meet(value, glob))
        })
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
    globs.is_empty() || others.is_empty() || globs.iter().any(|one| others.iter().any(|other| may_meet(one, other)))
}

/// Whether two globs may match the same name.
fn may_meet(one: &str, other: &str) -> bool {
    let is_pattern = |glob: &str| glob.contains(glob::CHARACTERS);
    (is_pattern(one) && is_pattern(other)) || is_within(one, other) || is_within(other, one)
}

/// Whether a rule asks for a label, and for such a value of it.
fn has_label(rule: &ModeRule, key: &str, is_such: impl Fn(&str) -> bool) -> bool {
    rule.label_patterns.get(key).is_some_and(|value| is_such(value))
}

#[cfg(test)]
mod tests {
    use super::super::mode::Outcome;
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
            let notes: Vec<_> = notes.iter().map(|note| (note.key.as_str(), note.message)).collect();
            assert_eq!(notes, expected, "{:?}", policy.modes);
        }
        let policy = Policy { mode: Audit, modes: vec![rule(&["prod"], &[], Enforce)], ..Policy::default() };
        let note = OrderNote { key: "modes[0]".into(), message: STRICTER, other: None };
        assert_eq!(policy.notes_on_order(), [note]);
    }

    #[test]
    fn rules_by_labels_and_applications_are_told_like_others() {
        use Mode::{Audit, Enforce, Warn};
        let by = |labels: &[(&str, &str)], applications: &[&str], mode| {
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let applications: Vec<_> = applications.iter().map(|name| (*name).to_owned()).collect();
            rule(&[], &[], mode).for_labels(&labels).unwrap().for_applications(&applications).unwrap()
        };
        for (first, second, expected) in [
            (by(&[("team", "a")], &[], Warn), by(&[("team", "a"), ("tier", "x")], &[], Audit), Some(WITHOUT_EFFECT)),
            (by(&[("team", "*")], &[], Warn), by(&[("team", "a")], &[], Audit), Some(WITHOUT_EFFECT)),
            (by(&[("team", "a")], &[], Warn), by(&[("team", "b")], &[], Audit), None),
            (by(&[("team", "a")], &[], Warn), by(&[("tier", "b")], &[], Audit), Some(COMES_SECOND)),
            (by(&[("team", "a")], &[], Warn), by(&[], &[], Audit), Some(COMES_SECOND)),
            (by(&[], &["a/*"], Warn), by(&[], &["a/shop"], Audit), Some(WITHOUT_EFFECT)),
            // An object may belong to two applications, by different marks.
            (by(&[], &["shop"], Warn), by(&[], &["cart"], Audit), Some(COMES_SECOND)),
        ] {
            let policy = Policy { mode: Enforce, modes: vec![first, second], ..Policy::default() };
            let notes: Vec<_> = policy.notes_on_order().into_iter().map(|note| note.message).collect();
            assert_eq!(notes, expected.into_iter().collect::<Vec<_>>(), "{:?}", policy.modes);
        }
    }

    #[test]
    fn a_softer_mode_of_a_source_is_told_where_a_rule_may_override_it() {
        use Mode::{Audit, Enforce, Warn};
        let of_shop = |mode| rule(&[], &[], mode).for_applications(&["shop".to_owned()]).unwrap();
        for (modes, namespaces, is_told) in [
            (vec![], &[][..], false),
            (vec![rule(&["prod"], &[], Enforce)], &[], true),
            (vec![rule(&["prod"], &[], Enforce)], &["prod-eu"], false),
            (vec![rule(&["prod*"], &[], Enforce)], &["prod-eu"], true),
            (vec![rule(&["prod"], &[], Audit)], &[], false),
            (vec![rule(&["prod"], &[], Warn)], &[], false),
            (vec![of_shop(Warn), rule(&["prod"], &[], Enforce)], &[], false),
            (vec![rule(&["prod"], &[], Enforce), of_shop(Warn)], &[], true),
        ] {
            let policy = Policy { modes, ..Policy::default() };
            let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
            let note = policy.note_on_source_mode("shop", Warn, &namespaces);
            assert_eq!(note.is_some(), is_told, "{:?} {namespaces:?}", policy.modes);
        }
    }

    #[test]
    fn namespaces_that_come_too_late_are_told() {
        let rule = |namespaces: &[&str]| {
            let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
            NamespaceRule::new(&namespaces, Outcome::Deny).unwrap()
        };
        let for_workloads = rule(&["prod"]).for_actors(vec![Class::Workload]);
        let policy = Policy { unmanaged: vec![rule(&[]), rule(&["prod"]), for_workloads], ..Policy::default() };
        let other = Some("unmanaged[0]".into());
        let note = OrderNote { key: "unmanaged[1]".into(), message: WITHOUT_EFFECT, other };
        assert_eq!(policy.notes_on_order(), [note]);
    }
}
