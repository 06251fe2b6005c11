//! What is to be noted of a configuration that can be used: rules that have no effect, or another one than it seems.

use super::file_format;
use super::values::KeyProblem;
use driftwall_core::actor::Class;
use driftwall_core::glob::{self, is_within};
use driftwall_core::policy::{OrderNote, Policy};

const NO_SOURCES: &str = "it is empty: nothing is declared, so every write passes; add a source, or discover";
const EXEMPT_CLASSES: &str = "it has no effect: writers of these classes are exempt, and never answered by a rule";
const EXEMPT_FIELDS: &str = "it has no effect: writers of this class are exempt, and may change any field";
const EXEMPT_DELETES: &str = "it has no effect: writers of this class are exempt, and may delete any object";
const NO_PATHS: &str = "it has no effect: it names no field; write a path such as spec.replicas";
const EXCLUDED: &str =
    "writes in these namespaces are not sent to driftwall: registration.excludeNamespaces names them";
const IGNORES_ALL: &str =
    "it has neither kind, namespace, name nor paths, so no field of any object is compared; name what is to be ignored";
const SAME_WRITERS: &str = "it has no effect: a rule above it names the same writers, and the first applies";
const SAME_FIELDS: &str = "it has no effect: a rule above it ignores the same fields";
const NO_ACCOUNT: &str = "it matches nobody: the name of a service account is system:serviceaccount:NAMESPACE:NAME; write both, or a pattern";

/// What is written of rules, apart from their order.
pub(super) fn of_rules(written: &file_format::Config) -> Vec<KeyProblem> {
    let mut notes = Vec::new();
    let discovers = written.discover.argocd.is_some() || written.discover.flux.is_some();
    if written.sources.is_empty() && !discovers {
        notes.push(KeyProblem::new("sources", NO_SOURCES));
    }
    let excluded = &written.registration.exclude_namespaces;
    let mut places = Vec::new();
    for (index, rule) in written.modes.iter().enumerate() {
        places.push((format!("modes[{index}]"), &rule.namespaces, rule.actors.as_slice()));
    }
    if let file_format::UnmanagedAnswer::Rules(rules) = &written.unmanaged {
        for (index, rule) in rules.iter().enumerate() {
            places.push((format!("unmanaged[{index}]"), &rule.namespaces, rule.actors.as_slice()));
        }
    }
    if let file_format::AnswerOrRules::Rules(rules) = &written.extras {
        for (index, rule) in rules.iter().enumerate() {
            places.push((format!("extras[{index}]"), &rule.namespaces, &[][..]));
        }
    }
    for (key, namespaces, actors) in places {
        if !actors.is_empty() && actors.iter().all(|class| is_exempt(class)) {
            notes.push(KeyProblem::new(format!("{key}.actors"), EXEMPT_CLASSES));
        }
        if !namespaces.is_empty() && namespaces.iter().all(|namespace| excluded.contains(namespace)) {
            notes.push(KeyProblem::new(format!("{key}.namespaces"), EXCLUDED));
        }
    }
    of_actors(&written.actors, &mut notes);
    of_ignored(&written.ignore, &mut notes);
    notes
}

/// What the order of rules does, and the modes of sources that rules override.
pub(super) fn of_order(policy: &Policy, sources: &[file_format::Source]) -> Vec<KeyProblem> {
    let mut notes = Vec::new();
    for OrderNote { key, message, other } in policy.notes_on_order() {
        notes.push(KeyProblem { other, ..KeyProblem::new(key, message) });
    }
    for (index, source) in sources.iter().enumerate() {
        let Some(mode) = source.mode else { continue };
        if let Some(note) = policy.note_on_source_mode(&source.name, mode.into(), &source.namespaces) {
            notes.push(KeyProblem::new(format!("sources[{index}].mode"), note));
        }
    }
    notes
}

fn of_actors(actors: &[file_format::Actor], notes: &mut Vec<KeyProblem>) {
    for (index, actor) in actors.iter().enumerate() {
        let key = format!("actors[{index}]");
        for (list, globs, names) in
            [("users", &actor.users, names_all_users as Named), ("groups", &actor.groups, names_all_groups)]
        {
            for (item, glob) in globs.iter().enumerate() {
                let key = format!("{key}.{list}[{item}]");
                if let Some(whom) = names(glob) {
                    let effect =
                        if is_exempt(&actor.class) { ", and is exempt: nothing of theirs is denied" } else { "" };
                    let class = &actor.class;
                    notes.push(KeyProblem::new(
                        key,
                        format!("{whom} counts as `{class}` by this{effect}; name whom you mean"),
                    ));
                } else if list == "users" && is_half_an_account(glob) {
                    notes.push(KeyProblem::new(key, NO_ACCOUNT));
                }
            }
        }
        if is_exempt(&actor.class) && !actor.fields.is_empty() {
            notes.push(KeyProblem::new(format!("{key}.fields"), EXEMPT_FIELDS));
        }
        for (item, _) in actor.fields.iter().enumerate().filter(|(_, grant)| grant.paths.is_empty()) {
            notes.push(KeyProblem::new(format!("{key}.fields[{item}].paths"), NO_PATHS));
        }
        if is_exempt(&actor.class) && !actor.deletes.is_empty() {
            notes.push(KeyProblem::new(format!("{key}.deletes"), EXEMPT_DELETES));
        }
        if let Some(first) = actors[..index].iter().position(|first| names_whom(first, actor)) {
            notes.push(KeyProblem { other: Some(format!("actors[{first}]")), ..KeyProblem::new(key, SAME_WRITERS) });
        }
    }
}

type Named = fn(&str) -> Option<&'static str>;

const EVERYBODY: &str = "everybody";
const EVERY_ACCOUNT: &str = "every service account";

/// Whether a glob of user names names everybody, or all accounts. Names that nobody has in common tell.
fn names_all_users(pattern: &str) -> Option<&'static str> {
    let matches = |name: &str| glob::matcher(pattern).is_ok_and(|matcher| matcher.is_match(name));
    let accounts = ["system:serviceaccount:x:y", "system:serviceaccount:0-q:9"];
    match (["~", "k@0.example"].into_iter().all(matches), accounts.into_iter().all(matches)) {
        (true, true) => Some(EVERYBODY),
        (false, true) => Some(EVERY_ACCOUNT),
        (_, false) => None,
    }
}

/// The same of groups: of these, the API server itself puts everybody in.
fn names_all_groups(pattern: &str) -> Option<&'static str> {
    let matches = |name: &str| glob::matcher(pattern).is_ok_and(|matcher| matcher.is_match(name));
    match (matches("system:authenticated"), matches("system:serviceaccounts")) {
        (true, _) => Some(EVERYBODY),
        (false, true) => Some(EVERY_ACCOUNT),
        (false, false) => None,
    }
}

fn is_half_an_account(name: &str) -> bool {
    let rest = name.strip_prefix("system:serviceaccount:");
    rest.is_some_and(|rest| {
        !rest.contains(glob::CHARACTERS) && rest.split(':').filter(|part| !part.is_empty()).count() != 2
    })
}

/// Whether the first rule names whom the other one names.
fn names_whom(first: &file_format::Actor, other: &file_format::Actor) -> bool {
    let has_group = |group: &str| first.groups.iter().any(|glob| is_within(group, glob));
    let has_user = |user: &String| {
        let namespace = user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
        let is_in_group = namespace.is_some_and(|(namespace, _)| {
            has_group("system:serviceaccounts") || has_group(&format!("system:serviceaccounts:{namespace}"))
        });
        is_in_group || has_group("system:authenticated") || first.users.iter().any(|glob| is_within(user, glob))
    };
    other.users.iter().all(has_user)
        && other.groups.iter().all(|group| has_group("system:authenticated") || has_group(group))
}

fn of_ignored(rules: &[file_format::IgnoreRule], notes: &mut Vec<KeyProblem>) {
    for (index, rule) in rules.iter().enumerate() {
        let key = format!("ignore[{index}]");
        let names = [&rule.group, &rule.kind, &rule.namespace, &rule.name];
        if rule.paths.is_empty() && names.iter().all(|glob| *glob == "*") {
            notes.push(KeyProblem::new(key, IGNORES_ALL));
        } else if let Some(first) = rules[..index].iter().position(|first| ignores_what(first, rule)) {
            notes.push(KeyProblem { other: Some(format!("ignore[{first}]")), ..KeyProblem::new(key, SAME_FIELDS) });
        }
    }
}

fn ignores_what(first: &file_format::IgnoreRule, other: &file_format::IgnoreRule) -> bool {
    let is_below = |path: &String, around: &String| {
        path.strip_prefix(around.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    is_within(&other.group, &first.group)
        && is_within(&other.kind, &first.kind)
        && is_within(&other.namespace, &first.namespace)
        && is_within(&other.name, &first.name)
        && (first.paths.is_empty()
            || (!other.paths.is_empty()
                && other.paths.iter().all(|path| first.paths.iter().any(|around| is_below(path, around)))))
}

fn is_exempt(class: &str) -> bool {
    matches!(class.parse(), Ok(Class::ControlPlane | Class::Gitops))
}
