//! What is to be noted of single values: those that can match nothing, and those that do something else than they seem.

use std::time::Duration;

use driftwall_core::actor::CONTROLLERS;
use driftwall_core::glob;
use driftwall_core::policy::is_denied_by_default;

use super::file_format::{self, ProtectedKeys, Render};
use super::never_matches as never;
use super::values::{KeyProblem, duration};

const NO_FIELDS: &str =
    "a controller without fields is judged as a workload; write what it may change, or class: workload";
const OF_KUBERNETES: &str =
    "this is a part of Kubernetes, exempt without any rule; by this rule its writes are judged, and may be denied";
const TWICE: &str = "it is named twice; remove one of the two";
const NOTHING_LEFT: &str = "it stands in place of the default keys and names none: only what steers GitOps tools and driftwall stays protected";
const PROTECTED: &str = "it has no effect: this key is denied by default";
const NEVER_DENIED: &str = "nothing is ever denied by this: every sync is older; write a duration such as 30m";
const OLDER_THAN_POLL: &str = "it is shorter than git.poll, so drift is only warned about between two syncs";
const NO_WAIT: &str = "a denial waits for no sync by this: people are denied for what they pushed a moment ago";
const LONGER_THAN_REVIEW: &str =
    "a denial waits for a second less than registration.timeoutSeconds at most: later it would come too late";
const NO_CLUSTER: &str = "it has no effect with cluster: off; remove one of the two";
const NOT_MANAGED: &str = "it has no effect without manage: true";
const OUT_OF_SCOPE: &str =
    "`namespaces` does not have this namespace: objects whose manifests name none are out of scope, and do not count";
const NOT_IN_REPOSITORY: &str = "it matches no file: paths in a repository begin with neither `/` nor `./`";
const NOT_HELM: &str = "it has no effect: this source is not rendered by Helm";

/// What is written of values, each by itself.
pub(super) fn of_values(written: &file_format::Config) -> Vec<KeyProblem> {
    let mut notes = Notes::default();
    of_modes(&written.modes, &mut notes);
    of_actors(&written.actors, &mut notes);
    for (index, rule) in written.ignore.iter().enumerate() {
        let key = format!("ignore[{index}]");
        of_kinds(&key, &rule.group, &rule.kind, &mut notes);
        notes.add(format!("{key}.name"), never::name(&rule.name));
        of_paths(&format!("{key}.paths"), &rule.paths, &mut notes);
    }
    of_protected_keys(&written.protected_keys, &mut notes);
    for (index, preset) in written.presets.iter().enumerate() {
        let is_twice = written.presets[..index].contains(preset);
        notes.add(format!("presets[{index}]"), is_twice.then_some(TWICE));
    }
    let is_unmanaged = written.registration.self_heal && !written.registration.manage;
    notes.add("registration.selfHeal", is_unmanaged.then_some(NOT_MANAGED));
    of_times(written, &mut notes);
    of_cluster(written, &mut notes);
    for (index, source) in written.sources.iter().enumerate() {
        of_source(&format!("sources[{index}]"), source, &mut notes);
    }
    notes.0
}

#[derive(Default)]
struct Notes(Vec<KeyProblem>);

impl Notes {
    fn add(&mut self, key: impl Into<String>, message: Option<impl Into<String>>) {
        self.0.extend(message.map(|message| KeyProblem::new(key, message)));
    }

    fn add_each(&mut self, key: &str, items: &[String], check: impl Fn(&str) -> Option<String>) {
        for (index, item) in items.iter().enumerate() {
            self.add(format!("{key}[{index}]"), check(item));
        }
    }
}

fn of_modes(modes: &[file_format::ModeRule], notes: &mut Notes) {
    for (index, rule) in modes.iter().enumerate() {
        let key = format!("modes[{index}]");
        for (label, value) in &rule.labels {
            let message = never::key(label).or_else(|| never::label_value(value));
            notes.add(format!("{key}.labels.{label}"), message);
        }
        notes.add_each(&format!("{key}.applications"), &rule.applications, never::application);
        notes.add_each(&format!("{key}.kinds"), &rule.kinds, |kind| {
            let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
            never::kind(kind).or_else(|| never::group(group))
        });
    }
}

fn of_actors(actors: &[file_format::Actor], notes: &mut Notes) {
    for (index, actor) in actors.iter().enumerate() {
        let key = format!("actors[{index}]");
        notes.add_each(&format!("{key}.users"), &actor.users, |user| {
            let is_judged = !matches!(actor.class.as_str(), "control plane" | "gitops");
            never::user(user, false).or_else(|| (is_judged && is_of_kubernetes(user)).then(|| OF_KUBERNETES.to_owned()))
        });
        notes.add_each(&format!("{key}.groups"), &actor.groups, |group| never::user(group, true));
        let has_no_fields = actor.class == "controller" && actor.fields.is_empty() && actor.deletes.is_empty();
        notes.add(format!("{key}.fields"), has_no_fields.then_some(NO_FIELDS));
        for (index, grant) in actor.fields.iter().enumerate() {
            let key = format!("{key}.fields[{index}]");
            of_kinds(&key, &grant.group, &grant.kind, notes);
            of_paths(&format!("{key}.paths"), &grant.paths, notes);
        }
        for (index, grant) in actor.deletes.iter().enumerate() {
            of_kinds(&format!("{key}.deletes[{index}]"), &grant.group, &grant.kind, notes);
        }
    }
}

/// Whether a name is, word for word, that of a controller of Kubernetes or of a node's group.
fn is_of_kubernetes(user: &str) -> bool {
    let account = user.strip_prefix("system:serviceaccount:kube-system:");
    account.is_some_and(|name| CONTROLLERS.contains(&name))
}

fn of_kinds(key: &str, group: &str, kind: &str, notes: &mut Notes) {
    notes.add(format!("{key}.group"), never::group(group));
    notes.add(format!("{key}.kind"), never::kind(kind));
}

fn of_paths(key: &str, paths: &[String], notes: &mut Notes) {
    notes.add_each(key, paths, never::path);
}

fn of_protected_keys(written: &ProtectedKeys, notes: &mut Notes) {
    let of_list = |key: &str, keys: &[String], notes: &mut Notes| {
        notes.add_each(key, keys, |key| {
            never::key(key).or_else(|| is_denied_by_default(key).then(|| PROTECTED.to_owned()))
        });
    };
    match written {
        ProtectedKeys::Denied(keys) => of_list("protectedKeys", keys, notes),
        ProtectedKeys::Tiers(tiers) => {
            if !tiers.replace {
                of_list("protectedKeys.deny", &tiers.deny, notes);
            }
            notes.add_each("protectedKeys.warn", &tiers.warn, never::key);
            let is_nothing = tiers.replace && tiers.deny.is_empty() && tiers.warn.is_empty();
            notes.add("protectedKeys.replace", is_nothing.then_some(NOTHING_LEFT));
        }
    }
}

fn of_times(written: &file_format::Config, notes: &mut Notes) {
    let time = |key: &str, text: &str| duration(key, text).ok();
    let staleness = time("maxStaleness", &written.max_staleness);
    let poll = time("git.poll", &written.git.poll);
    let message = match (staleness, poll) {
        (Some(staleness), _) if staleness.is_zero() => Some(NEVER_DENIED),
        (Some(staleness), Some(poll)) if staleness < poll => Some(OLDER_THAN_POLL),
        _ => None,
    };
    notes.add("maxStaleness", message);
    let longest = Duration::from_secs(written.registration.timeout_seconds.saturating_sub(1).into());
    let message = match time("git.refreshTimeout", &written.git.refresh_timeout) {
        Some(wait) if wait.is_zero() => Some(NO_WAIT),
        Some(wait) if wait > longest => Some(LONGER_THAN_REVIEW),
        _ => None,
    };
    notes.add("git.refreshTimeout", message);
}

/// What needs a cluster, where the configuration says that there is none.
fn of_cluster(written: &file_format::Config, notes: &mut Notes) {
    if matches!(written.cluster, file_format::Cluster::Auto) {
        return;
    }
    notes.add("discover.argocd", written.discover.argocd.as_ref().map(|_| NO_CLUSTER));
    notes.add("discover.flux", written.discover.flux.as_ref().map(|_| NO_CLUSTER));
    notes.add("registration.manage", written.registration.manage.then_some(NO_CLUSTER));
}

fn of_source(key: &str, source: &file_format::Source, notes: &mut Notes) {
    let file_format::Source { namespace, namespaces, include, exclude, helm, render, .. } = source;
    let is_in = |namespace: &str| {
        let matches = |pattern: &String| glob::matcher(pattern).is_ok_and(|matcher| matcher.is_match(namespace));
        namespaces.is_empty() || namespaces.iter().any(matches)
    };
    let is_out = namespace.as_deref().is_some_and(|namespace| !is_in(namespace));
    notes.add(format!("{key}.namespace"), is_out.then_some(OUT_OF_SCOPE));
    for (name, globs) in [("include", include), ("exclude", exclude)] {
        notes.add_each(&format!("{key}.{name}"), globs, |glob| {
            let is_outside = glob.is_empty() || glob.starts_with('/') || glob.starts_with("./");
            is_outside.then(|| NOT_IN_REPOSITORY.to_owned())
        });
    }
    let is_other = matches!(render, Render::Kustomize | Render::Plain) || !include.is_empty() || !exclude.is_empty();
    let file_format::Helm { release_name, values_files, values, kube_version, api_versions } = helm;
    let has_helm = !release_name.is_empty()
        || !values_files.is_empty()
        || values.is_some()
        || kube_version.is_some()
        || !api_versions.is_empty();
    notes.add(format!("{key}.helm"), (has_helm && is_other).then_some(NOT_HELM));
}
