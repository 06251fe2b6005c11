//! Recurring drift as text: entries of the configuration that would let it pass, and comments.

use std::fmt::Write as _;

use super::entries::{Entries, WriterEntry};
use super::{DriftKey, Recurrence};
use crate::actor::{WrittenGrant, looks_like_gitops_tool};
use crate::text::truncate;

/// Characters of a name or path in a comment.
const MAX_CHARS: usize = 300;

/// The most lines of a comment on one entry.
const MAX_LINES: usize = 10;

const ACTORS: &str = "\
# Where your configuration has `actors` already, put these items before its own: the first that matches applies.
# Read each: whoever has this name may then do this, whatever Git says. For a GitOps tool under a name of its own,
# write `class: gitops` instead, without fields.
";
const PRESETS: &str = "\
# GitOps tools by the names of their usual installations. Where your configuration has `presets` already, put this in
# its place.
";
const BY_ADMISSION: &str = "\
# Nothing says that the people who wrote sent these values: an admission webhook or a default of the API server may
# have made them. Declare in Git what it makes. Only where that cannot be, `ignore` it; then people may change it too:
";
const BY_PEOPLE: &str = "\
# What people change belongs in Git, so nothing is suggested for it. Where one of them is a machine (a pipeline that
# logs in by OIDC or a cloud's role), name it in `actors` with `class: workload`, and look again:
";
const BY_PROXY: &str = "\
# This account writes for whoever clicks, so nothing is suggested for it: what people change belongs in Git.
";
const MARKS: &str = "\
# These labels and annotations take an object from its GitOps tool or from driftwall, whoever writes it then, so nothing
# is suggested for them. A GitOps tool under a name of its own needs `class: gitops` in `actors`:
";
const WITHOUT_ENTRY: &str = "\
# No field is changed and nothing deleted, so no rule lets this pass but `class: gitops`, which exempts from all:
";

/// YAML for the configuration: the narrowest entries that let pass what machines drifted at least so often, and in
/// comments what people drifted, which belongs in Git. `presets` are those in use. Empty where there is nothing to say.
pub fn suggestion(recurrences: &[Recurrence], presets: &[String], at_least: u64) -> String {
    let Entries { presets: missing, writers, by_admission, by_people, by_proxy, marks, without_entry } =
        Entries::of(recurrences, at_least);
    let mut text = String::new();
    // Writing to a String cannot fail.
    if !missing.is_empty() {
        text.push_str(PRESETS);
        for seen in missing.values() {
            comment(&mut text, "# ", seen);
        }
        let all = presets.iter().map(String::as_str).chain(missing.into_keys());
        let _ = writeln!(text, "presets: [{}]", all.collect::<Vec<_>>().join(", "));
    }
    if !writers.is_empty() {
        let _ = writeln!(text, "{ACTORS}actors:");
    }
    for writer in &writers {
        rule(&mut text, writer);
    }
    if !by_admission.is_empty() {
        let _ = writeln!(text, "{BY_ADMISSION}# ignore:");
        for recurrence in by_admission {
            let _ = writeln!(text, "#   - {}\n#     # {}", ignored(recurrence), sentence(recurrence));
        }
    }
    for (head, seen) in [(BY_PEOPLE, by_people), (BY_PROXY, by_proxy), (MARKS, marks), (WITHOUT_ENTRY, without_entry)] {
        if !seen.is_empty() {
            text.push_str(head);
        }
        for recurrence in seen {
            let _ = writeln!(text, "#   {}", sentence(recurrence));
        }
    }
    text
}

fn rule(text: &mut String, writer: &WriterEntry<'_>) {
    let WriterEntry { users, class, granted, grants, seen, preset } = writer;
    comment(text, "  # ", seen);
    if let Some(preset) = preset {
        let _ = writeln!(
            text,
            "  # If this is that tool, `presets: [{preset}]` names the writer, too, and what it changes."
        );
    }
    if looks_like_gitops_tool(users) {
        text.push_str(
            "  # This looks like a GitOps tool: then write `class: gitops`, without fields, or discover it.\n",
        );
    }
    let _ = writeln!(text, "  - class: {class}\n    users: [{}]", quoted(users));
    let mut head = "    fields:\n";
    for (grant, is_new) in granted.iter().map(|grant| (grant, false)).chain(grants.iter().map(|grant| (grant, true))) {
        if grant.deletes {
            continue;
        }
        let WrittenGrant { group, kind, paths, .. } = grant;
        let paths: Vec<_> = paths.iter().map(|path| quoted(path)).collect();
        let note = if is_new { "" } else { "   # as granted before" };
        let _ = writeln!(
            text,
            "{head}      - group: {}{note}\n        kind: {}\n        paths: [{}]",
            quoted(group),
            quoted(kind),
            paths.join(", ")
        );
        head = "";
    }
    let mut head = "    deletes:\n";
    for WrittenGrant { group, kind, .. } in granted.iter().chain(grants).filter(|grant| grant.deletes) {
        let _ = writeln!(text, "{head}      - group: {}\n        kind: {}", quoted(group), quoted(kind));
        head = "";
    }
}

/// The rule of `ignore` for one field of one object.
fn ignored(recurrence: &Recurrence) -> String {
    let Recurrence { key: DriftKey { group, kind, field, .. }, example, .. } = recurrence;
    let (namespace, name) = example.split_once('/').unwrap_or(("", example));
    let glob = |text: &str| quoted(&globset::escape(text));
    let paths = quoted(&field.parse().map_or_else(|_| field.clone(), |path| crate::diff::exact_pattern(&path)));
    format!(
        "{{group: {}, kind: {}, namespace: {}, name: {}, paths: [{paths}]}}",
        glob(group),
        glob(kind),
        glob(namespace),
        glob(name)
    )
}

/// What was seen, a line each, the most frequent first.
fn comment(text: &mut String, indent: &str, seen: &[&Recurrence]) {
    for recurrence in seen.iter().take(MAX_LINES) {
        let _ = writeln!(text, "{indent}{}", sentence(recurrence));
    }
    if let Some(more) = seen.len().checked_sub(MAX_LINES).filter(|more| *more > 0) {
        let _ = writeln!(text, "{indent}… and {more} more");
    }
}

/// Who drifted what, how often, when, and where for example.
fn sentence(recurrence: &Recurrence) -> String {
    let Recurrence { key, count, first, last, example, granted: _ } = recurrence;
    let DriftKey { user, actor, group, kind, field, operation, source, may_be_admission: _ } = key;
    let short = |text: &str| truncate(text, MAX_CHARS);
    let kind = if group.is_empty() { short(kind) } else { format!("{}.{}", short(kind), short(group)) };
    let what = if field.is_empty() { String::new() } else { format!(" {}", short(field)) };
    let times = match (first, last) {
        (Some(first), Some(last)) => format!(", {first:.0} to {last:.0}"),
        _ => String::new(),
    };
    let often = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
    let source = if source.is_empty() { String::new() } else { format!(", source {}", short(source)) };
    format!(
        "{} ({actor}): {operation} of {kind}{what}: {often}{times}, such as {}{source}",
        short(user),
        short(example)
    )
}

/// A text in quotes, as YAML and JSON have them.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recurrence(user: &str, actor: &str, field: &str, count: u64) -> Recurrence {
        let at = |time: &str| time.parse().ok();
        let (first, last) = (at("2026-11-27T08:00:00Z"), at("2026-11-27T20:00:00Z"));
        Recurrence { first, last, ..super::super::recurrence(user, actor, field, count) }
    }

    #[test]
    fn machines_get_a_rule_and_persons_a_comment() {
        let ci = "system:serviceaccount:ci:deployer";
        let seen = [
            recurrence(ci, "workload", "spec.template.spec.containers[name=\"web\"].image", 14),
            recurrence(ci, "workload", "spec.replicas", 2),
            recurrence(ci, "workload", "", 3),
            recurrence("alice", "person", "spec.replicas", 9),
            recurrence("bob", "workload", "spec.paused", 1),
        ];
        let expected = "\
# Where your configuration has `actors` already, put these items before its own: the first that matches applies.
# Read each: whoever has this name may then do this, whatever Git says. For a GitOps tool under a name of its own,
# write `class: gitops` instead, without fields.
actors:
  # system:serviceaccount:ci:deployer (workload): DELETE of Deployment.apps: 3 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
  # system:serviceaccount:ci:deployer (workload): UPDATE of Deployment.apps spec.template.spec.containers[name=\"web\"].image: 14 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
  # system:serviceaccount:ci:deployer (workload): UPDATE of Deployment.apps spec.replicas: 2 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
  - class: workload
    users: [\"system:serviceaccount:ci:deployer\"]
    fields:
      - group: \"apps\"
        kind: \"Deployment\"
        paths: [\"spec.replicas\", \"spec.template.spec.containers[name=\\\"web\\\"].image\"]
    deletes:
      - group: \"apps\"
        kind: \"Deployment\"
# What people change belongs in Git, so nothing is suggested for it. Where one of them is a machine (a pipeline that
# logs in by OIDC or a cloud's role), name it in `actors` with `class: workload`, and look again:
#   alice (person): UPDATE of Deployment.apps spec.replicas: 9 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
";
        assert_eq!(suggestion(&seen, &[], 2), expected);
        assert_eq!(suggestion(&[], &[], 1), "");
    }

    #[test]
    fn presets_and_what_admission_makes_are_suggested_in_their_own_way() {
        let mut made = recurrence("alice", "person", "spec.replicas", 2);
        made.key.may_be_admission = true;
        let flux = recurrence("system:serviceaccount:flux-system:helm-controller", "workload", "spec.paused", 2);
        let seen = [made, flux];
        let text = suggestion(&seen, &["vpa".to_owned()], 2);
        let rules: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(rules, ["presets: [vpa, flux]"], "{text}");
        let ignored =
            r#"#   - {group: "apps", kind: "Deployment", namespace: "prod", name: "web", paths: ["spec.replicas"]}"#;
        assert!(text.contains(&format!("# ignore:\n{ignored}\n")), "{text}");
    }

    #[test]
    fn names_that_a_client_chose_cannot_add_rules() {
        let seen = [
            recurrence("a\nactors: [{class: gitops, users: ['*']}]", "person", "spec.replicas", 5),
            recurrence("b*\"\n- c", "workload", "metadata.annotations[\"x\\ny\"]", 5),
        ];
        let text = suggestion(&seen, &[], 1);
        let rules: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(rules.len(), 7, "{text}");
        assert!(text.contains(r#"users: ["b[*]\"\n- c"]"#), "a name is no pattern: {text}");
    }
}
