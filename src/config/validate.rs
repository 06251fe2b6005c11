//! From the file format to what is used: parses and checks values; the result is always valid.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;

use super::sources::SourceBuilder;
use super::values::{KeyProblem, KeyProblems, address, bytes, duration, positive_duration};
use super::{ClusterAccess, Config, Positions, cluster, discover, file_format, names, notes, rendering, value_notes};
use crate::source::SourceSpec;
use driftwall_core::actor::{ActorRule, ActorRules, Class, Grant};
use driftwall_core::diff::Pattern;
use driftwall_core::policy::{IgnoreRule, Mode, ModeRule, NamespaceRule, Policy, ProtectedKeyRules};

/// A configuration, and what is to be noted of it: what may have another effect than it seems to.
type Noted = (Config, Vec<KeyProblem>);

/// Makes a configuration usable; what is wrong with it otherwise, at least one thing.
pub(super) fn validate(written: file_format::Config, folder: &Path) -> Result<Noted, Vec<KeyProblem>> {
    let mut problems = KeyProblems::default();
    let config = config(written, folder, &mut problems);
    match config {
        Some(noted) if problems.count() == 0 => Ok(noted),
        _ => Err(problems.into()),
    }
}

/// `None` only after a problem was added.
fn config(written: file_format::Config, folder: &Path, problems: &mut KeyProblems) -> Option<Noted> {
    let mut notes = notes::of_rules(&written);
    notes.extend(value_notes::of_values(&written));
    let file_format::Config {
        mode,
        listen,
        admin,
        cluster,
        cluster_name,
        tls,
        registration,
        break_glass,
        events,
        presets,
        discover: written_discovery,
        sources,
        repositories,
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
        render,
        programs,
        drain,
    } = written;

    let mut policy = Policy {
        mode: mode.into(),
        modes: each("modes", modes, problems, mode_rule),
        ignore: each("ignore", ignore, problems, ignore_rule),
        unmanaged: each("unmanaged", unmanaged.into_rules(), problems, unmanaged_rule),
        extras: each("extras", extras.into_rules(), problems, namespace_rule),
        on_error: on_error.into(),
        dry_run: dry_run.into(),
        ..Policy::default()
    };
    if let Some(keys) = protected_key_rules(protected_keys, problems) {
        policy.protected_keys = keys;
    }
    for source in &sources {
        if let Some(mode) = source.mode {
            policy.source_modes.insert(source.name.clone(), Mode::from(mode));
        }
    }
    notes.extend(notes::of_order(&policy, &sources));
    let limits = rendering::limits(&render, problems);
    let max_mirror_bytes = problems.check(bytes("git.maxMirrorSize", &git.max_mirror_size)).unwrap_or_default();
    if max_mirror_bytes == 0 && problems.count() == 0 {
        problems.add("git.maxMirrorSize", "it is zero; write a number of bytes such as 4Gi");
    }
    let builder = SourceBuilder::new(folder, &git.data_dir, max_mirror_bytes, programs, limits.unwrap_or_default());
    let builder = builder.with_repositories(&repositories, problems);
    let builder = builder.with_renderer(rendering::renderer(render.renderer, folder, problems));
    let sources = source_specs(&sources, &builder, problems);
    let discovery = problems.check(discover::settings(written_discovery, folder)).unwrap_or_default();
    let presets = discover::presets(presets, &discovery);
    let mut rules = each("actors", actors, problems, actor_rule);
    rules.extend(discover::controllers(&discovery));
    let actors = problems.check_at("presets", ActorRules::new(rules, &presets));

    let cluster_name = problems.check(names::cluster_name(cluster_name));
    let addresses = addresses(&listen, &admin, problems);
    let tls = tls.map(|tls| problems.check(cluster::tls(tls, folder)));
    let registration = problems.check(cluster::registration(registration, folder));
    let break_glass = problems.check(cluster::break_glass(&break_glass));
    let poll_interval = problems.check(positive_duration("git.poll", &git.poll, "30s"));
    if let Some(text) = &git.refresh_after {
        problems.check(duration("git.refreshAfter", text))?;
    }
    let refresh_timeout = problems.check(duration("git.refreshTimeout", &git.refresh_timeout));
    let max_staleness = problems.check(duration("maxStaleness", &max_staleness));
    let drain = problems.check(duration("drain", &drain));
    let (listen, admin) = addresses?;
    let config = Config {
        listen,
        admin,
        tls: if let Some(tls) = tls { Some(tls?) } else { None },
        cluster: cluster.into(),
        cluster_name: cluster_name?,
        registration: registration?,
        break_glass: break_glass?,
        events,
        discovery,
        sources,
        render_parallel: render.parallel.into(),
        actors: actors?,
        policy,
        notes: Vec::new(),
        positions: Positions::default(),
        presets,
        poll_interval: poll_interval?,
        has_refresh_after: git.refresh_after.is_some(),
        refresh_timeout: refresh_timeout?,
        max_staleness: max_staleness?,
        drain: drain?,
    };
    Some((config, notes))
}

/// Where the webhook listens, and where probes and metrics are served.
fn addresses(listen: &str, admin: &str, problems: &mut KeyProblems) -> Option<(SocketAddr, SocketAddr)> {
    let listen = problems.check(address("listen", listen));
    let admin = problems.check(address("admin", admin));
    if listen == admin && listen.is_some_and(|address| address.port() != 0) {
        problems.add("admin", "it is the same as listen; write another port, such as 0.0.0.0:8080");
    }
    listen.zip(admin)
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
    let file_format::ModeRule { namespaces, kinds, applications, labels, actors, mode } = rule;
    let before = problems.count();
    problems.check_namespaces(&format!("{key}.namespaces"), &namespaces);
    for (index, kind) in kinds.iter().enumerate() {
        problems.check_kind(&format!("{key}.kinds[{index}]"), kind, true);
    }
    problems.check_globs(&format!("{key}.applications"), &applications);
    for (label, glob) in &labels {
        problems.check_glob(&format!("{key}.labels.{label}"), glob);
    }
    let classes = classes(key, &actors, problems);
    if problems.count() > before {
        return None;
    }
    let rule = ModeRule::new(&namespaces, classes, mode.into()).and_then(|rule| rule.for_kinds(&kinds));
    let rule = rule.and_then(|rule| rule.for_applications(&applications)).and_then(|rule| rule.for_labels(&labels));
    problems.check_at(key, rule)
}

fn classes(key: &str, actors: &[String], problems: &mut KeyProblems) -> Vec<Class> {
    let mut classes = Vec::new();
    for (index, class) in actors.iter().enumerate() {
        classes.extend(problems.check_at(&format!("{key}.actors[{index}]"), class.parse::<Class>()));
    }
    classes
}

fn unmanaged_rule(key: &str, rule: file_format::UnmanagedRule, problems: &mut KeyProblems) -> Option<NamespaceRule> {
    let file_format::UnmanagedRule { namespaces, actors, answer } = rule;
    let classes = classes(key, &actors, problems);
    let rule = namespace_rule(key, file_format::NamespaceRule { namespaces, answer }, problems)?;
    Some(rule.for_actors(classes))
}

fn ignore_rule(key: &str, rule: file_format::IgnoreRule, problems: &mut KeyProblems) -> Option<IgnoreRule> {
    let file_format::IgnoreRule { group, kind, namespace, name, paths } = rule;
    let before = problems.count();
    problems.check_glob(&format!("{key}.group"), &group);
    problems.check_namespace(&format!("{key}.namespace"), &namespace);
    problems.check_glob(&format!("{key}.name"), &name);
    problems.check_kind(&format!("{key}.kind"), &kind, false);
    check_paths(&format!("{key}.paths"), &paths, problems);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, IgnoreRule::new(&group, &kind, &namespace, &name, &paths))
}

fn namespace_rule(key: &str, rule: file_format::NamespaceRule, problems: &mut KeyProblems) -> Option<NamespaceRule> {
    let file_format::NamespaceRule { namespaces, answer } = rule;
    let before = problems.count();
    problems.check_namespaces(&format!("{key}.namespaces"), &namespaces);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, NamespaceRule::new(&namespaces, answer.into()))
}

fn actor_rule(key: &str, actor: file_format::Actor, problems: &mut KeyProblems) -> Option<ActorRule> {
    let file_format::Actor { class, users, groups, fields, deletes } = actor;
    let before = problems.count();
    if users.is_empty() && groups.is_empty() {
        problems.add(key, "it names nobody; give users or groups");
    }
    problems.check_globs(&format!("{key}.users"), &users);
    problems.check_globs(&format!("{key}.groups"), &groups);
    let class = problems.check_at(&format!("{key}.class"), class.parse());
    let mut grants = each(&format!("{key}.fields"), fields, problems, field_grant);
    grants.extend(each(&format!("{key}.deletes"), deletes, problems, delete_grant));
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, ActorRule::new(class?, &users, &groups, grants))
}

fn field_grant(key: &str, grant: file_format::FieldGrant, problems: &mut KeyProblems) -> Option<Grant> {
    let file_format::FieldGrant { group, kind, paths } = grant;
    let before = problems.count();
    problems.check_glob(&format!("{key}.group"), &group);
    problems.check_kind(&format!("{key}.kind"), &kind, false);
    check_paths(&format!("{key}.paths"), &paths, problems);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, Grant::new(&group, &kind, &paths))
}

fn delete_grant(key: &str, grant: file_format::DeleteGrant, problems: &mut KeyProblems) -> Option<Grant> {
    let file_format::DeleteGrant { group, kind } = grant;
    let before = problems.count();
    problems.check_glob(&format!("{key}.group"), &group);
    problems.check_kind(&format!("{key}.kind"), &kind, false);
    if problems.count() > before {
        return None;
    }
    problems.check_at(key, Grant::to_delete(&group, &kind))
}

fn check_paths(key: &str, paths: &[String], problems: &mut KeyProblems) {
    for (index, path) in paths.iter().enumerate() {
        if let Err(error) = path.parse::<Pattern>() {
            problems.add(format!("{key}[{index}]"), format!("{error}; write a path such as spec.replicas"));
        }
    }
}

fn protected_key_rules(written: file_format::ProtectedKeys, problems: &mut KeyProblems) -> Option<ProtectedKeyRules> {
    let is_list = matches!(written, file_format::ProtectedKeys::Denied(_));
    let tiers = written.into_tiers();
    let before = problems.count();
    problems.check_globs(if is_list { "protectedKeys" } else { "protectedKeys.deny" }, &tiers.deny);
    problems.check_globs("protectedKeys.warn", &tiers.warn);
    if problems.count() > before {
        return None;
    }
    problems.check_at("protectedKeys", ProtectedKeyRules::new(&tiers.deny, &tiers.warn, tiers.replace))
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

impl From<file_format::Cluster> for ClusterAccess {
    fn from(written: file_format::Cluster) -> Self {
        match written {
            file_format::Cluster::Auto => Self::Auto,
            file_format::Cluster::Off => Self::Off,
        }
    }
}
