//! From the file format to what is used: values get their meaning, and cannot be bad from then on.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use globset::{ErrorKind, Glob};

use super::sources::SourceBuilder;
use super::{ClusterAccess, Config, cluster, file_format};
use crate::source::SourceSpec;
use driftwall_core::actor::{ActorRule, ActorRules, Class, Grant};
use driftwall_core::diff::Pattern;
use driftwall_core::policy::{IgnoreRule, Mode, ModeRule, NamespaceRule, Policy};

/// What is wrong with the value of a key: the key as the file format has it, and the words.
pub(super) type KeyProblem = (String, String);

/// Collects what is wrong, so that one run tells it all.
#[derive(Default)]
pub(super) struct KeyProblems(Vec<KeyProblem>);

impl KeyProblems {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push((key.into(), message.into()));
    }

    /// The value, where there is one.
    pub(super) fn check<T>(&mut self, result: Result<T, KeyProblem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    /// The value of a key, where it can be made.
    pub(super) fn check_at<T>(&mut self, key: &str, result: Result<T, impl ToString>) -> Option<T> {
        self.check(result.map_err(|error| (key.to_owned(), error.to_string())))
    }

    /// Checks globs, each at its own place, in words of ours.
    pub(super) fn check_globs(&mut self, key: &str, globs: &[String]) {
        for (index, glob) in globs.iter().enumerate() {
            self.check_glob(&format!("{key}[{index}]"), glob);
        }
    }

    pub(super) fn check_glob(&mut self, key: &str, glob: &str) {
        if let Err(error) = Glob::new(glob) {
            self.add(key, format!("`{glob}` is no pattern: {}; write one such as prod-*", glob_message(&error)));
        }
    }

    fn count(&self) -> usize {
        self.0.len()
    }
}

/// Makes a configuration usable; what is wrong with it otherwise, at least one thing.
pub(super) fn validate(written: file_format::Config, folder: &Path) -> Result<Config, Vec<KeyProblem>> {
    let mut problems = KeyProblems::default();
    let config = config(written, folder, &mut problems);
    match config {
        Some(config) if problems.0.is_empty() => Ok(config),
        _ => Err(problems.0),
    }
}

/// Nothing only where there are problems.
fn config(written: file_format::Config, folder: &Path, problems: &mut KeyProblems) -> Option<Config> {
    let file_format::Config {
        mode,
        listen,
        admin,
        cluster,
        tls,
        registration,
        break_glass,
        events,
        presets,
        sources,
        modes,
        actors,
        ignore,
        unmanaged,
        extras,
        on_error,
        dry_run,
        protected_keys,
        max_staleness,
        git,
        programs,
        drain,
    } = written;

    let mut policy = Policy {
        mode: mode.into(),
        modes: each("modes", modes, problems, mode_rule),
        ignore: each("ignore", ignore, problems, ignore_rule),
        unmanaged: each("unmanaged", unmanaged.into_rules(), problems, namespace_rule),
        extras: each("extras", extras.into_rules(), problems, namespace_rule),
        on_error: on_error.into(),
        dry_run: dry_run.into(),
        ..Policy::default()
    };
    if let Some(keys) = &protected_keys {
        protect(&mut policy, keys, problems);
    }
    for source in &sources {
        if let Some(mode) = source.mode {
            policy.source_modes.insert(source.name.clone(), Mode::from(mode));
        }
    }
    let sources = source_specs(&sources, &SourceBuilder::new(folder, &git.data_dir, programs), problems);
    let rules = each("actors", actors, problems, actor_rule);
    let actors = problems.check_at("presets", ActorRules::new(rules, &presets));

    let listen = problems.check(address("listen", &listen));
    let admin = problems.check(address("admin", &admin));
    let tls = tls.map(|tls| problems.check(cluster::tls(tls, folder)));
    let registration = problems.check(cluster::registration(registration));
    let break_glass = problems.check(cluster::break_glass(&break_glass));
    let poll_interval = problems.check(positive_duration("git.poll", &git.poll, "30s"));
    let refresh_after = problems.check(duration("git.refreshAfter", &git.refresh_after));
    let refresh_timeout = problems.check(duration("git.refreshTimeout", &git.refresh_timeout));
    let max_staleness = problems.check(duration("maxStaleness", &max_staleness));
    let drain = problems.check(duration("drain", &drain));
    Some(Config {
        listen: listen?,
        admin: admin?,
        tls: match tls {
            Some(tls) => Some(tls?),
            None => None,
        },
        cluster: cluster.into(),
        registration: registration?,
        break_glass: break_glass?,
        events,
        sources,
        actors: actors?,
        policy,
        presets,
        poll_interval: poll_interval?,
        refresh_after: refresh_after?,
        refresh_timeout: refresh_timeout?,
        max_staleness: max_staleness?,
        drain: drain?,
    })
}

/// The items of a list, each made usable; those that cannot be are left out, with a problem.
fn each<T, U>(
    key: &str,
    items: Vec<T>,
    problems: &mut KeyProblems,
    make: impl Fn(&str, T, &mut KeyProblems) -> Option<U>,
) -> Vec<U> {
    let items = items.into_iter().enumerate();
    items.filter_map(|(index, item)| make(&format!("{key}[{index}]"), item, problems)).collect()
}

fn mode_rule(key: &str, rule: file_format::ModeRule, problems: &mut KeyProblems) -> Option<ModeRule> {
    let file_format::ModeRule { namespaces, actors, mode } = rule;
    let before = problems.count();
    problems.check_globs(&format!("{key}.namespaces"), &namespaces);
    let mut classes = Vec::new();
    for (index, class) in actors.iter().enumerate() {
        classes.extend(problems.check_at(&format!("{key}.actors[{index}]"), class.parse::<Class>()));
    }
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, ModeRule::new(&namespaces, classes, mode.into()))
}

fn ignore_rule(key: &str, rule: file_format::IgnoreRule, problems: &mut KeyProblems) -> Option<IgnoreRule> {
    let file_format::IgnoreRule { group, kind, namespace, name, paths } = rule;
    let before = problems.count();
    for (part, glob) in [("group", &group), ("kind", &kind), ("namespace", &namespace), ("name", &name)] {
        problems.check_glob(&format!("{key}.{part}"), glob);
    }
    check_paths(&format!("{key}.paths"), &paths, problems);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, IgnoreRule::new(&group, &kind, &namespace, &name, &paths))
}

fn namespace_rule(key: &str, rule: file_format::NamespaceRule, problems: &mut KeyProblems) -> Option<NamespaceRule> {
    let file_format::NamespaceRule { namespaces, answer } = rule;
    let before = problems.count();
    problems.check_globs(&format!("{key}.namespaces"), &namespaces);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, NamespaceRule::new(&namespaces, answer.into()))
}

fn actor_rule(key: &str, actor: file_format::Actor, problems: &mut KeyProblems) -> Option<ActorRule> {
    let file_format::Actor { class, users, groups, fields } = actor;
    let before = problems.count();
    if users.is_empty() && groups.is_empty() {
        problems.add(key, "it names nobody; give users or groups");
    }
    problems.check_globs(&format!("{key}.users"), &users);
    problems.check_globs(&format!("{key}.groups"), &groups);
    let class = problems.check_at(&format!("{key}.class"), class.parse());
    let grants = each(&format!("{key}.fields"), fields, problems, field_grant);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, ActorRule::new(class?, &users, &groups, grants))
}

fn field_grant(key: &str, grant: file_format::FieldGrant, problems: &mut KeyProblems) -> Option<Grant> {
    let file_format::FieldGrant { group, kind, paths } = grant;
    let before = problems.count();
    problems.check_glob(&format!("{key}.group"), &group);
    problems.check_glob(&format!("{key}.kind"), &kind);
    check_paths(&format!("{key}.paths"), &paths, problems);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, Grant::new(&group, &kind, &paths))
}

fn check_paths(key: &str, paths: &[String], problems: &mut KeyProblems) {
    for (index, path) in paths.iter().enumerate() {
        if let Err(error) = path.parse::<Pattern>() {
            problems.add(format!("{key}[{index}]"), format!("{error}; write a path such as spec.replicas"));
        }
    }
}

fn protect(policy: &mut Policy, keys: &[String], problems: &mut KeyProblems) {
    let before = problems.count();
    problems.check_globs("protectedKeys", keys);
    if problems.count() == before {
        problems.check_at("protectedKeys", policy.set_protected_keys(keys));
    }
}

fn source_specs(
    sources: &[file_format::Source],
    builder: &SourceBuilder<'_>,
    problems: &mut KeyProblems,
) -> Vec<SourceSpec> {
    let mut names = HashSet::new();
    let mut specs = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let key = format!("sources[{index}]");
        if !names.insert(&source.name) {
            problems.add(format!("{key}.name"), format!("another source is called `{}`, too; rename one", source.name));
        }
        specs.extend(builder.build(&key, source, problems));
    }
    specs
}

fn address(key: &str, text: &str) -> Result<SocketAddr, KeyProblem> {
    text.parse().map_err(|_| {
        (key.to_owned(), format!("`{text}` is no address; write an IP address and a port, such as 0.0.0.0:8443"))
    })
}

/// A duration of some length; `example` is one.
pub(super) fn positive_duration(key: &str, text: &str, example: &str) -> Result<Duration, KeyProblem> {
    let duration = duration(key, text)?;
    if duration.is_zero() {
        return Err((key.to_owned(), format!("it is zero; write a duration such as {example}")));
    }
    Ok(duration)
}

pub(super) fn duration(key: &str, text: &str) -> Result<Duration, KeyProblem> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| duration.try_into().ok());
    parsed.ok_or_else(|| (key.to_owned(), format!("`{text}` is no duration; write one such as 30s, 5m or 1h")))
}

/// What is wrong with a glob.
fn glob_message(error: &globset::Error) -> String {
    match error.kind() {
        ErrorKind::DanglingEscape => "it ends with a `\\`".into(),
        ErrorKind::InvalidRange(from, to) => format!("its range {from}-{to} runs backwards"),
        ErrorKind::NestedAlternates => "it has a `{` inside another".into(),
        ErrorKind::UnclosedAlternates => "its `{` is not closed".into(),
        ErrorKind::UnclosedClass => "its `[` is not closed".into(),
        ErrorKind::UnopenedAlternates => "its `}` has no `{` before it".into(),
        _ => "it is too large".into(),
    }
}

impl From<file_format::Cluster> for ClusterAccess {
    fn from(written: file_format::Cluster) -> Self {
        match written {
            file_format::Cluster::Auto => Self::Auto,
            file_format::Cluster::Off => Self::Off,
        }
    }
}
