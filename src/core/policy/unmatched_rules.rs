//! Rules of the configuration that match nothing of what Git declares now: where a namespace, a kind or a name is
//! misspelt, a rule seems to do something, and does not.

use std::cell::OnceCell;

use super::mode_rule::{ModeRule, ModeTarget};
use super::object_marks::ObjectMarks;
use super::settings::{IgnoreRule, NamespaceRule, Policy};
use crate::actor::{ActorRules, Class, Grant};
use crate::desired::{Declared, ObjectKey, Snapshot, Source};

const NO_OBJECT: &str = "it matches no object that Git declares now; correct it, unless it is for what Git is to \
     declare, or for what controllers make of declared objects";
const NO_NAMESPACE: &str =
    "Git declares nothing in the namespaces that it names now; correct them, unless they are to have nothing of Git's";
const NO_KIND: &str = "Git declares no object of this kind now; correct group and kind, or take it out";

/// A rule that matches nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmatchedRule {
    /// Its key in the configuration.
    pub key: String,
    /// A sentence.
    pub message: &'static str,
}

/// The rules that match no object of the snapshot, in the order of the configuration; none where it has no object at
/// all, which is told otherwise.
pub fn unmatched_rules(policy: &Policy, actors: &ActorRules, snapshot: &Snapshot) -> Vec<UnmatchedRule> {
    let mut unmatched = rules(policy, actors);
    let mut has_objects = false;
    for object in declared_objects(snapshot) {
        has_objects = true;
        unmatched.retain(|(_, rule)| !rule.matches(&object));
        if unmatched.is_empty() {
            break;
        }
    }
    if !has_objects {
        return Vec::new();
    }
    unmatched.into_iter().map(|(key, rule)| UnmatchedRule { key, message: rule.message() }).collect()
}

/// A rule that names objects.
enum Rule<'r> {
    Grant(&'r Grant),
    Ignore(&'r IgnoreRule),
    Mode(&'r ModeRule),
    Namespaces(&'r NamespaceRule),
}

fn rules<'r>(policy: &'r Policy, actors: &'r ActorRules) -> Vec<(String, Rule<'r>)> {
    let Policy { modes, ignore, extras, unmanaged, .. } = policy;
    let mut rules = Vec::new();
    for (index, grants) in actors.configured_grants().enumerate() {
        for (list, deletes) in [("fields", false), ("deletes", true)] {
            let of_list = grants.iter().filter(|grant| grant.written().deletes == deletes);
            rules.extend(
                of_list
                    .enumerate()
                    .map(|(item, grant)| (format!("actors[{index}].{list}[{item}]"), Rule::Grant(grant))),
            );
        }
    }
    rules.extend(modes.iter().enumerate().map(|(index, rule)| (format!("modes[{index}]"), Rule::Mode(rule))));
    rules.extend(ignore.iter().enumerate().map(|(index, rule)| (format!("ignore[{index}]"), Rule::Ignore(rule))));
    for (key, answers) in [("extras", extras), ("unmanaged", unmanaged)] {
        let answers = answers.iter().enumerate();
        rules.extend(answers.map(|(index, rule)| (format!("{key}[{index}]"), Rule::Namespaces(rule))));
    }
    rules
}

/// An object that Git declares, as rules name it.
struct RuleTarget<'s> {
    key: ObjectKey<'s>,
    source: &'s Source,
    /// What a source says of it; nothing is known of what an application only lists.
    declared: Option<&'s Declared>,
    marks: OnceCell<ObjectMarks>,
}

fn declared_objects(snapshot: &Snapshot) -> impl Iterator<Item = RuleTarget<'_>> {
    let read = snapshot.sources().flat_map(|contents| {
        contents.objects().map(|declared| RuleTarget {
            key: declared.key(),
            source: &contents.source,
            declared: Some(declared),
            marks: OnceCell::new(),
        })
    });
    let listed = snapshot.applications().iter().flat_map(|application| {
        application.objects.objects.iter().map(|listed| RuleTarget {
            key: ObjectKey {
                group: &listed.group,
                kind: &listed.kind,
                namespace: &listed.namespace,
                name: &listed.name,
            },
            source: &application.source,
            declared: None,
            marks: OnceCell::new(),
        })
    });
    read.chain(listed)
}

impl RuleTarget<'_> {
    /// The namespaces that a review of it may name: its own; none, where its kind has no namespaces; of a Namespace, its name.
    fn namespaces(&self) -> [&str; 3] {
        let own = if self.key.kind == "Namespace" { self.key.name } else { self.key.namespace };
        [own, self.key.namespace, ""]
    }

    fn marks(&self) -> &ObjectMarks {
        self.marks.get_or_init(|| ObjectMarks::in_git(Some(self.source), self.declared))
    }
}

impl Rule<'_> {
    fn matches(&self, object: &RuleTarget<'_>) -> bool {
        match self {
            Self::Grant(grant) => grant.is_of(object.key.group, object.key.kind),
            Self::Ignore(rule) => rule.is_for(object.key) || rule.is_for(object.key.without_namespace()),
            Self::Mode(rule) => object.namespaces().into_iter().any(|namespace| mode_matches(rule, object, namespace)),
            Self::Namespaces(rule) => object.namespaces().into_iter().any(|namespace| rule.names(namespace)),
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::Grant(_) => NO_KIND,
            Self::Ignore(_) | Self::Mode(_) => NO_OBJECT,
            Self::Namespaces(_) => NO_NAMESPACE,
        }
    }
}

fn mode_matches(rule: &ModeRule, object: &RuleTarget<'_>, namespace: &str) -> bool {
    let ObjectKey { group, kind, .. } = object.key;
    let class = rule.actors.first().copied().unwrap_or(Class::Person);
    let no_marks = ObjectMarks::default();
    let marks = if rule.is_by_marks() { object.marks() } else { &no_marks };
    let target = ModeTarget { namespace, group, kind, class, marks };
    // The labels of what is only listed are seen when it is written.
    let has_unknown_labels = object.declared.is_none() && !rule.label_patterns.is_empty();
    has_unknown_labels || rule.matches(&target, true)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::mode::{Mode, Outcome};
    use super::*;
    use crate::actor::ActorRule;
    use crate::desired::{FileContents, SourceContents};
    use crate::manifest;

    const GIT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod, labels: {tier: critical}}
---
apiVersion: v1
kind: Namespace
metadata: {name: staging}
";

    fn snapshot(text: &str) -> Snapshot {
        let objects = manifest::parse("git.yaml", text.as_bytes()).objects;
        let file = FileContents::new(&Arc::from("git.yaml"), None, objects).unwrap();
        let source = Source { name: "shop".into(), ..Source::default() };
        Snapshot::new(vec![Arc::new(SourceContents::new(source, vec![Arc::new(file)]))])
    }

    fn keys(policy: &Policy, actors: &ActorRules, snapshot: &Snapshot) -> Vec<String> {
        unmatched_rules(policy, actors, snapshot).into_iter().map(|rule| rule.key).collect()
    }

    fn texts(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn rules_that_match_no_declared_object_are_told_and_no_others() {
        let mode = |namespaces: &[&str], kinds: &[&str]| {
            ModeRule::new(&texts(namespaces), Vec::new(), Mode::Warn).unwrap().for_kinds(&texts(kinds)).unwrap()
        };
        let label = |value: &str| BTreeMap::from([("tier".to_owned(), value.to_owned())]);
        let ignore = |kind: &str, namespace: &str, name: &str| {
            IgnoreRule::new("*", kind, namespace, name, &texts(&["spec.replicas"])).unwrap()
        };
        let namespaces = |names: &[&str]| NamespaceRule::new(&texts(names), Outcome::Warn).unwrap();
        let policy = Policy {
            modes: vec![
                mode(&["prod"], &["Deployment", "Typo"]),
                mode(&["pord"], &[]),
                mode(&[], &["Deploymnet"]),
                mode(&["staging"], &["Deployment"]),
                mode(&["staging"], &[]),
                mode(&[], &["Deployment.apps"]).for_applications(&texts(&["shop"])).unwrap(),
                mode(&[], &[]).for_applications(&texts(&["shpo"])).unwrap(),
                mode(&[], &[]).for_labels(&label("critical")).unwrap(),
                mode(&[], &[]).for_labels(&label("other")).unwrap(),
            ],
            ignore: vec![
                ignore("Deployment", "prod", "w*"),
                ignore("Deployment", "prod", "wbe"),
                ignore("*", "pord", "*"),
                ignore("Namespace", "*", "staging"),
            ],
            extras: vec![namespaces(&["prod"]), namespaces(&["pord"]), namespaces(&[])],
            unmanaged: vec![namespaces(&["staging"]), namespaces(&["stagign"])],
            ..Policy::default()
        };
        let grants = vec![
            Grant::new("apps", "Deployment", &["spec.replicas"]).unwrap(),
            Grant::to_delete("*", "Deploymnet").unwrap(),
            Grant::new("app", "Deployment", &["spec.replicas"]).unwrap(),
        ];
        let rule = ActorRule::new(Class::Controller, &["scaler"], &[""; 0], grants).unwrap();
        let actors = ActorRules::new(vec![rule], &["flagger".to_owned()]).unwrap();
        let expected = [
            "actors[0].fields[1]",
            "actors[0].deletes[0]",
            "modes[1]",
            "modes[2]",
            "modes[3]",
            "modes[6]",
            "modes[8]",
            "ignore[1]",
            "ignore[2]",
            "extras[1]",
            "unmanaged[1]",
        ];
        assert_eq!(keys(&policy, &actors, &snapshot(GIT)), expected);
        assert!(keys(&policy, &actors, &snapshot("")).is_empty(), "that nothing is declared is told otherwise");
    }
}
