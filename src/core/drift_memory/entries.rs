//! From recurring drift to the entries of the configuration that would let it pass: for machines only, each the
//! narrowest that does. What people change belongs in Git, whoever carries it.

use std::collections::{BTreeMap, BTreeSet};

use super::Recurrence;
use crate::actor::{Class, Preset, WrittenGrant, passes_on_what_people_tell, presets_naming};
use crate::diff::{Path, Pattern, exact_pattern, general_pattern};
use crate::policy::takes_object_away;

/// What is to be said of recurring drift.
#[derive(Debug, Default)]
pub(super) struct Entries<'a> {
    /// Presets of GitOps tools that are not in use, with what their accounts drift.
    pub(super) presets: BTreeMap<&'static str, Vec<&'a Recurrence>>,
    /// Rules for machines.
    pub(super) writers: Vec<WriterEntry<'a>>,
    /// What an admission webhook may have made in people's writes, and nobody was seen to change by hand.
    pub(super) by_admission: Vec<&'a Recurrence>,
    /// What people change.
    pub(super) by_people: Vec<&'a Recurrence>,
    /// What people change through an account that writes for whoever asks.
    pub(super) by_proxy: Vec<&'a Recurrence>,
    /// Marks that machines set, by which an object would be taken from its tool or from driftwall for everybody.
    pub(super) marks: Vec<&'a Recurrence>,
    /// What a machine does that no rule names.
    pub(super) without_entry: Vec<&'a Recurrence>,
}

/// A rule of `actors`.
#[derive(Debug)]
pub(super) struct WriterEntry<'a> {
    /// Glob of user names.
    pub(super) users: String,
    /// The class, which stays as it is.
    pub(super) class: &'a str,
    /// What a rule grants the writer already: this one comes before it.
    pub(super) granted: Vec<WrittenGrant>,
    /// What lets the drift pass.
    pub(super) grants: Vec<WrittenGrant>,
    /// The drift that is let pass.
    pub(super) seen: Vec<&'a Recurrence>,
    /// A preset that names the writer, and is not in use.
    pub(super) preset: Option<&'static str>,
}

/// API group and kind.
type GroupKind<'a> = (&'a str, &'a str);

impl<'a> Entries<'a> {
    /// The entries for what was seen at least so often.
    pub(super) fn of(recurrences: &'a [Recurrence], at_least: u64) -> Self {
        let mut entries = Self::default();
        let names = Names::of(recurrences);
        let mut machines: BTreeMap<(String, &str), Vec<&Recurrence>> = BTreeMap::new();
        for recurrence in recurrences {
            let key = &recurrence.key;
            let recurs = recurrence.count >= at_least;
            if passes_on_what_people_tell(&key.user) {
                entries.by_proxy.extend(recurs.then_some(recurrence));
            } else if key.actor == Class::Person.as_str() {
                let list = if is_by_admission(recurrences, recurrence) {
                    &mut entries.by_admission
                } else {
                    &mut entries.by_people
                };
                list.extend(recurs.then_some(recurrence));
            } else if let Some(preset) = gitops_preset(&key.user) {
                entries.presets.entry(preset).or_default().extend(recurs.then_some(recurrence));
            } else {
                machines.entry((names.pattern(&key.user), &key.actor)).or_default().push(recurrence);
            }
        }
        entries.presets.retain(|_, seen| !seen.is_empty());
        for ((users, class), seen) in machines {
            entries.add_writer(users, class, &seen, at_least);
        }
        entries
    }

    fn add_writer(&mut self, users: String, class: &'a str, seen: &[&'a Recurrence], at_least: u64) {
        let mut kinds: BTreeMap<GroupKind<'_>, Vec<&Recurrence>> = BTreeMap::new();
        for recurrence in seen {
            kinds.entry((&recurrence.key.group, &recurrence.key.kind)).or_default().push(recurrence);
        }
        let (mut grants, mut let_pass) = (Vec::new(), Vec::new());
        for ((group, kind), seen) in kinds {
            let grant = |paths: Vec<String>, deletes: bool| WrittenGrant {
                group: globset::escape(group),
                kind: globset::escape(kind),
                paths,
                deletes,
            };
            let (deletions, others): (Vec<_>, Vec<_>) = seen.into_iter().partition(|seen| is_deletion(seen));
            if sum(&deletions) >= at_least {
                grants.push(grant(Vec::new(), true));
                let_pass.extend(deletions);
            }
            let mut fields = Vec::new();
            for recurrence in others {
                let recurs = recurrence.count >= at_least;
                match recurrence.key.field.parse::<Path>() {
                    Ok(path) if is_mark(&path) => self.marks.extend(recurs.then_some(recurrence)),
                    Ok(path) => fields.push((path, recurrence)),
                    Err(_) => self.without_entry.extend(recurs.then_some(recurrence)),
                }
            }
            let paths = recurring_paths(&fields, at_least);
            let patterns: Vec<Pattern> = paths.iter().filter_map(|path| path.parse().ok()).collect();
            let is_covered = |path: &Path| patterns.iter().any(|pattern| pattern.covers(path));
            let_pass.extend(fields.into_iter().filter(|(path, _)| is_covered(path)).map(|(_, recurrence)| recurrence));
            if !paths.is_empty() {
                grants.push(grant(paths, false));
            }
        }
        if grants.is_empty() {
            return;
        }
        let granted: BTreeSet<_> = seen.iter().flat_map(|recurrence| recurrence.granted.iter().cloned()).collect();
        let preset = seen.first().and_then(|first| presets_naming(&first.key.user).next());
        let preset = preset.filter(|_| class == Class::Workload.as_str()).map(|preset| preset.name);
        let granted = granted.into_iter().collect();
        self.writers.push(WriterEntry { users, class, granted, grants, seen: let_pass, preset });
    }
}

/// The patterns of fields that recur: each as it is; what recurs only taken together, such as the image of a
/// container that has another name in each object, by what it has in common.
fn recurring_paths(fields: &[(Path, &Recurrence)], at_least: u64) -> Vec<String> {
    let mut exact: BTreeMap<String, u64> = BTreeMap::new();
    let mut general: BTreeMap<String, u64> = BTreeMap::new();
    for (path, recurrence) in fields {
        *exact.entry(exact_pattern(path)).or_default() += recurrence.count;
    }
    for (path, recurrence) in fields {
        if exact[&exact_pattern(path)] < at_least
            && let Some(pattern) = general_pattern(path)
        {
            *general.entry(pattern).or_default() += recurrence.count;
        }
    }
    general.retain(|_, count| *count >= at_least);
    exact.retain(|_, count| *count >= at_least);
    let is_in_general = |pattern: &String| {
        let of_path = |(path, _): &(Path, _)| exact_pattern(path) == *pattern;
        let path = fields.iter().find(|field| of_path(field));
        path.and_then(|(path, _)| general_pattern(path)).is_some_and(|pattern| general.contains_key(&pattern))
    };
    let mut paths: Vec<_> = exact.into_keys().filter(|pattern| !is_in_general(pattern)).collect();
    paths.extend(general.into_keys());
    paths
}

/// Whether the path is of a label or annotation that takes an object from its tool or from driftwall.
fn is_mark(path: &Path) -> bool {
    let is_key = path.starts_with(&["metadata", "labels"]) || path.starts_with(&["metadata", "annotations"]);
    is_key && path.last_field().is_some_and(takes_object_away)
}

fn is_deletion(recurrence: &Recurrence) -> bool {
    recurrence.key.field.is_empty() && recurrence.key.operation == "DELETE"
}

fn sum(recurrences: &[&Recurrence]) -> u64 {
    recurrences.iter().map(|recurrence| recurrence.count).sum()
}

/// Whether an admission webhook may have made the value, and no person was seen to change the field.
fn is_by_admission(all: &[Recurrence], recurrence: &Recurrence) -> bool {
    let key = &recurrence.key;
    let is_same_field = |other: &Recurrence| {
        let other = &other.key;
        (&other.group, &other.kind, &other.field) == (&key.group, &key.kind, &key.field)
    };
    let by_hand = |other: &Recurrence| other.key.actor == key.actor && !other.key.may_be_admission;
    key.may_be_admission && !all.iter().any(|other| is_same_field(other) && by_hand(other))
}

/// The preset of a GitOps tool that names the user.
fn gitops_preset(user: &str) -> Option<&'static str> {
    let is_gitops = |preset: &&Preset| preset.class == Class::Gitops;
    presets_naming(user).find(is_gitops).map(|preset| preset.name)
}

/// Names of writers. A service account whose name was generated has another one next time: what two of them have in
/// common names them.
struct Names {
    stems: BTreeSet<String>,
}

impl Names {
    fn of(recurrences: &[Recurrence]) -> Self {
        let users: BTreeSet<&str> = recurrences.iter().map(|recurrence| recurrence.key.user.as_str()).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for user in users {
            if let Some(stem) = stem(user) {
                *counts.entry(stem).or_default() += 1;
            }
        }
        Self { stems: counts.into_iter().filter(|(_, count)| *count > 1).map(|(stem, _)| stem.to_owned()).collect() }
    }

    /// The glob of a user's name.
    fn pattern(&self, user: &str) -> String {
        match stem(user) {
            Some(stem) if self.stems.contains(stem) => format!("{}*", globset::escape(stem)),
            _ => globset::escape(user),
        }
    }
}

/// What a service account's name has before the part that the API server generated.
fn stem(user: &str) -> Option<&str> {
    /// Characters of a generated name (`k8s.io/apimachinery/pkg/util/rand`).
    const GENERATED: &str = "bcdfghjklmnpqrstvwxz2456789";
    const LENGTH: usize = 5;
    let (before, last) = user.strip_prefix("system:serviceaccount:").and(user.rsplit_once('-'))?;
    let is_generated = last.len() == LENGTH && last.chars().all(|c| GENERATED.contains(c)) && !before.ends_with(':');
    is_generated.then_some(&user[..=before.len()])
}

#[cfg(test)]
mod tests {
    use super::super::recurrence as seen;
    use super::*;

    /// Each rule as `USERS CLASS PATHS…`, with `DELETE` for deletions.
    fn rules(seen: &[Recurrence]) -> Vec<String> {
        let rule = |entry: &WriterEntry<'_>| {
            let grants = entry.granted.iter().chain(&entry.grants);
            let rights = grants.map(|grant| if grant.deletes { "DELETE".to_owned() } else { grant.paths.join(" ") });
            format!("{} {} {}", entry.users, entry.class, rights.collect::<Vec<_>>().join(" "))
        };
        Entries::of(seen, 2).writers.iter().map(rule).collect()
    }

    const CI: &str = "system:serviceaccount:ci:deployer";

    #[test]
    fn each_machine_gets_the_narrowest_rule_for_what_recurs() {
        let image = |name: &str| format!(r#"spec.template.spec.containers[name="{name}"].image"#);
        for (seen, expected) in [
            (
                vec![seen(CI, "workload", "spec.replicas", 2), seen(CI, "workload", "spec.paused", 1)],
                vec![format!("{CI} workload spec.replicas")],
            ),
            // What has another name in each object recurs by what it has in common.
            (
                vec![seen(CI, "workload", &image("a"), 1), seen(CI, "workload", &image("b"), 1)],
                vec![format!("{CI} workload spec.template.spec.containers[*].image")],
            ),
            (
                vec![seen(CI, "workload", &image("a"), 9), seen(CI, "workload", &image("b"), 1)],
                vec![format!("{CI} workload {}", image("a"))],
            ),
            (
                vec![
                    seen(CI, "workload", &image("a"), 9),
                    seen(CI, "workload", &image("b"), 1),
                    seen(CI, "workload", &image("c"), 1),
                ],
                vec![format!("{CI} workload spec.template.spec.containers[*].image")],
            ),
            (
                vec![seen(CI, "workload", "", 2), seen(CI, "workload", "spec.paused", 3)],
                vec![format!("{CI} workload DELETE spec.paused")],
            ),
            // Never for people, nor for who carries what they say.
            (vec![seen("alice", "person", "spec.replicas", 99)], vec![]),
            (vec![seen("system:serviceaccount:argocd:argocd-server", "workload", "spec.replicas", 99)], vec![]),
            // A generated name is another one tomorrow; a name with a dash need not be generated.
            (
                vec![
                    seen("system:serviceaccount:ci:run-x7f2k", "workload", "spec.paused", 1),
                    seen("system:serviceaccount:ci:run-9zb4c", "workload", "spec.paused", 1),
                ],
                vec!["system:serviceaccount:ci:run-* workload spec.paused".into()],
            ),
            (
                vec![seen("system:serviceaccount:ci:run-blue", "workload", "spec.paused", 2)],
                vec!["system:serviceaccount:ci:run-blue workload spec.paused".into()],
            ),
            // A name is no pattern.
            (vec![seen("system:x*", "workload", "spec.paused", 2)], vec!["system:x[*] workload spec.paused".into()]),
        ] {
            assert_eq!(rules(&seen), expected);
        }
    }

    #[test]
    fn no_machine_is_suggested_to_take_an_object_away_from_everybody() {
        let opt_out = r#"metadata.annotations["driftwall.io/ignore"]"#;
        let seen = [seen(CI, "workload", opt_out, 9), seen(CI, "workload", r#"metadata.labels["version"]"#, 9)];
        assert_eq!(rules(&seen), [format!(r#"{CI} workload metadata.labels["version"]"#)]);
        assert_eq!(Entries::of(&seen, 2).marks.len(), 1);
    }

    #[test]
    fn what_a_rule_grants_already_stays_granted() {
        let granted = WrittenGrant { group: "keda.sh".into(), paths: vec!["spec.x".into()], ..WrittenGrant::default() };
        let mut scaler = seen("system:serviceaccount:keda:keda-operator", "controller", "spec.paused", 3);
        scaler.granted = vec![granted];
        assert_eq!(rules(&[scaler]), ["system:serviceaccount:keda:keda-operator controller spec.x spec.paused"]);
    }

    #[test]
    fn gitops_tools_by_their_usual_names_get_their_preset() {
        let flux = seen("system:serviceaccount:flux-system:kustomize-controller", "workload", "", 3);
        let entries = [flux];
        let entries = Entries::of(&entries, 2);
        assert_eq!(entries.presets.keys().copied().collect::<Vec<_>>(), ["flux"]);
        assert!(entries.writers.is_empty());
    }

    #[test]
    fn what_admission_may_have_made_is_told_apart_unless_people_change_it_too() {
        let by_admission = |user: &str| {
            let mut recurrence = seen(user, "person", "spec.replicas", 3);
            recurrence.key.may_be_admission = true;
            recurrence
        };
        let alone = [by_admission("alice")];
        let entries = Entries::of(&alone, 2);
        assert_eq!((entries.by_admission.len(), entries.by_people.len()), (1, 0));
        // Even once, and by somebody else.
        let both = [by_admission("alice"), seen("bob", "person", "spec.replicas", 1)];
        let entries = Entries::of(&both, 2);
        assert_eq!((entries.by_admission.len(), entries.by_people.len()), (0, 1));
    }
}
