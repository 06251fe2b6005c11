//! Entries of the configuration that would let recurring drift pass.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{DriftKey, Recurrence};
use crate::diff::Pattern;
use crate::text::truncate;

/// Characters of a name or path in a comment.
const MAX_CHARS: usize = 300;

/// Recurring drift by the writer and the writer's class.
type ByWriter<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Recurrence>>;

/// YAML for the configuration: rules for each machine that drifted something at least so often, and in comments what
/// persons drifted, since that belongs in Git. Empty where there is nothing to say.
pub fn suggestion(recurrences: &[Recurrence], at_least: u64) -> String {
    let mut machines = ByWriter::new();
    let mut others = ByWriter::new();
    for recurrence in recurrences.iter().filter(|recurrence| recurrence.count >= at_least) {
        let DriftKey { user, actor, field, .. } = &recurrence.key;
        let is_machine = matches!(actor.as_str(), "workload" | "autoscaler");
        // A rule grants fields, and what cannot be written in it stays a comment.
        let is_grantable = is_machine && field.parse::<Pattern>().is_ok();
        let group = if is_grantable { &mut machines } else { &mut others };
        group.entry((user, actor)).or_default().push(recurrence);
    }
    let mut text = String::new();
    if !machines.is_empty() {
        text.push_str(
            "# Before other rules of `actors`. Read each: whoever has this name may then change these fields.\n\
             # For a GitOps tool under a name of its own, write `class: gitops` instead, without fields.\nactors:\n",
        );
    }
    // Writing to a String cannot fail.
    for ((user, actor), recurrences) in &machines {
        for recurrence in recurrences {
            let _ = writeln!(text, "  # {}", sentence(recurrence));
        }
        let _ = writeln!(text, "  - class: {actor}\n    users: [{}]\n    fields:", quoted(&globset::escape(user)));
        let mut kinds: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for Recurrence { key, .. } in recurrences {
            let paths = kinds.entry((&key.group, &key.kind)).or_default();
            if !paths.contains(&key.field.as_str()) {
                paths.push(&key.field);
            }
        }
        for ((group, kind), paths) in kinds {
            let paths: Vec<_> = paths.into_iter().map(quoted).collect();
            let _ = writeln!(
                text,
                "      - group: {}\n        kind: {}\n        paths: [{}]",
                quoted(group),
                quoted(kind),
                paths.join(", ")
            );
        }
    }
    for ((_, actor), recurrences) in &others {
        let _ = writeln!(text, "# {}", advice(actor));
        for recurrence in recurrences {
            let _ = writeln!(text, "#   {}", sentence(recurrence));
        }
    }
    text
}

/// Why there is no rule for what a writer of this class drifts.
fn advice(actor: &str) -> &'static str {
    match actor {
        "person" => {
            "What people change belongs in Git. An `ignore` rule with kind and path lets it pass, for everybody:"
        }
        "controller" => "A rule or preset names this writer; where it is right, add the field to a rule of its own:",
        _ => "No field is changed, so no rule lets this pass but `class: gitops`, which exempts the writer from all:",
    }
}

/// Who drifted what, how often, when, and where for example.
fn sentence(recurrence: &Recurrence) -> String {
    let Recurrence { key, count, first, last, example } = recurrence;
    let DriftKey { user, actor, group, kind, field, operation, source } = key;
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
        let key = DriftKey {
            user: user.into(),
            actor: actor.into(),
            group: "apps".into(),
            kind: "Deployment".into(),
            field: field.into(),
            operation: if field.is_empty() { "DELETE" } else { "UPDATE" }.into(),
            source: "prod".into(),
        };
        let at = |time: &str| time.parse().ok();
        let (first, last) = (at("2026-11-27T08:00:00Z"), at("2026-11-27T20:00:00Z"));
        Recurrence { key, count, first, last, example: "prod/web".into() }
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
# Before other rules of `actors`. Read each: whoever has this name may then change these fields.
# For a GitOps tool under a name of its own, write `class: gitops` instead, without fields.
actors:
  # system:serviceaccount:ci:deployer (workload): UPDATE of Deployment.apps spec.template.spec.containers[name=\"web\"].image: 14 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
  # system:serviceaccount:ci:deployer (workload): UPDATE of Deployment.apps spec.replicas: 2 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
  - class: workload
    users: [\"system:serviceaccount:ci:deployer\"]
    fields:
      - group: \"apps\"
        kind: \"Deployment\"
        paths: [\"spec.template.spec.containers[name=\\\"web\\\"].image\", \"spec.replicas\"]
# What people change belongs in Git. An `ignore` rule with kind and path lets it pass, for everybody:
#   alice (person): UPDATE of Deployment.apps spec.replicas: 9 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
# No field is changed, so no rule lets this pass but `class: gitops`, which exempts the writer from all:
#   system:serviceaccount:ci:deployer (workload): DELETE of Deployment.apps: 3 times, 2026-11-27T08:00:00Z to 2026-11-27T20:00:00Z, such as prod/web, source prod
";
        assert_eq!(suggestion(&seen, 2), expected);
        assert_eq!(suggestion(&[], 1), "");
    }

    #[test]
    fn names_that_a_client_chose_cannot_add_rules() {
        let seen = [
            recurrence("a\nactors: [{class: gitops, users: ['*']}]", "person", "spec.replicas", 5),
            recurrence("b*\"\n- c", "workload", "metadata.annotations[\"x\\ny\"]", 5),
        ];
        let text = suggestion(&seen, 1);
        let rules: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(rules.len(), 7, "{text}");
        assert!(text.contains(r#"users: ["b[*]\"\n- c"]"#), "a name is no pattern: {text}");
    }
}
