//! Patterns that can match nothing that there is in a cluster: their rules seem to do something, and do not.

use super::is_label;
use driftwall_core::diff::{Path, PathElement, Pattern};
use driftwall_core::glob::CHARACTERS;

/// Why a glob of the keys of labels or annotations matches none; nothing where it may match some.
pub(super) fn key(glob: &str) -> Option<String> {
    let is_of_keys = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    unmatched(glob, is_of_keys, "key of a label or annotation", "acme.example.org/*")
}

/// The same of the values of labels. An empty one is a value.
pub(super) fn label_value(glob: &str) -> Option<String> {
    let is_of_values = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if glob.is_empty() { None } else { unmatched(glob, is_of_values, "value of a label", "critical or prod-*") }
}

/// The same of applications: `NAME`, or `NAMESPACE/NAME`.
pub(super) fn application(glob: &str) -> Option<String> {
    let is_of_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/".contains(c);
    unmatched(glob, is_of_names, "application", "payments or argocd/payments")
}

/// The same of kinds, which begin with a capital letter.
pub(super) fn kind(glob: &str) -> Option<String> {
    let is_small = glob.starts_with(|c: char| c.is_ascii_lowercase());
    (glob.is_empty() || is_small).then(|| {
        let right = match glob.chars().next() {
            Some(first) => format!("{}{}", first.to_ascii_uppercase(), &glob[1..]),
            None => "Deployment".into(),
        };
        format!("no kind is written so; write {right}")
    })
}

/// The same of API groups.
pub(super) fn group(glob: &str) -> Option<String> {
    if glob == "core" {
        return Some("the core group has no name; write \"\"".into());
    }
    if let Some((group, version)) = glob.split_once('/')
        && version.starts_with('v')
    {
        return Some(format!("an API group has no version; write {group}"));
    }
    let is_of_groups = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    if glob.is_empty() { None } else { unmatched(glob, is_of_groups, "API group", "apps") }
}

/// The same of the names of objects: some kinds take almost anything.
pub(super) fn name(glob: &str) -> Option<String> {
    unmatched(glob, |c: char| !c.is_whitespace() && !"/%".contains(c), "name of an object", "web-*")
}

/// The same of users and groups.
pub(super) fn user(glob: &str, is_group: bool) -> Option<String> {
    if glob.trim() != glob || glob.is_empty() {
        return Some("it matches nobody: no name is empty or begins or ends with a space; write the whole name".into());
    }
    let (own, other, right) = if is_group {
        ("system:serviceaccounts:", "system:serviceaccount:", "in `users`, or write system:serviceaccounts:NAMESPACE")
    } else {
        (
            "system:serviceaccount:",
            "system:serviceaccounts",
            "in `groups`, or write system:serviceaccount:NAMESPACE:NAME",
        )
    };
    if glob.starts_with(other) {
        return Some(format!("it matches nobody: write it {right}"));
    }
    if let Some((namespace, name)) = glob.split_once('/').filter(|_| !is_group)
        && is_label(namespace)
        && is_label(name)
    {
        return Some(format!("a service account is called system:serviceaccount:{namespace}:{name}; is it one?"));
    }
    let is_upper = glob.strip_prefix(own).is_some_and(|rest| rest.contains(|c: char| c.is_ascii_uppercase()));
    is_upper.then(|| "it matches nobody: names of namespaces and service accounts have small letters".into())
}

/// What the API server keeps of every object: no rule is needed for it.
const KEPT: [&str; 7] =
    ["creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// The same of the paths of fields.
pub(super) fn path(text: &str) -> Option<String> {
    let rest = text.strip_prefix('$').map(|rest| rest.trim_start_matches('.'));
    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
        return Some(format!("no field is called `$`; write {rest}"));
    }
    if text.starts_with('/') {
        return None;
    }
    text.parse::<Pattern>().ok()?;
    // What has wildcards is no path of one field; what stands before them is.
    let plain = text.split('*').next().unwrap_or_default().trim_end_matches(['[', '.', '"']);
    let path = plain.parse::<Path>().ok()?;
    let names = path.elements().iter().map(|element| match element {
        PathElement::Field(name) => Some(&**name),
        PathElement::Index(_) | PathElement::Item(_) => None,
    });
    let names: Vec<_> = names.map_while(|name| name).collect();
    match names.as_slice() {
        ["metadata", kept, ..] if KEPT.contains(kept) => {
            Some("the API server keeps this, so it is never compared".into())
        }
        ["metadata", map @ ("labels" | "annotations"), key, more @ ..] if !more.is_empty() && !text.contains('*') => {
            let key = [&[*key], more].concat().join(".");
            Some(format!("a key with dots is written in brackets: metadata.{map}[\"{key}\"]"))
        }
        [first, ..] if first.starts_with(|c: char| c.is_ascii_uppercase()) => {
            Some("no field of an object begins with a capital letter; write one such as spec.replicas".into())
        }
        _ => None,
    }
}

/// Why a glob of `what` matches none, where it is empty, or has what none of them has.
fn unmatched(glob: &str, is_of_names: impl Fn(char) -> bool, what: &str, example: &str) -> Option<String> {
    let can_match = |c: char| is_of_names(c) || CHARACTERS.contains(&c) || "!^,".contains(c);
    let is_fine = !glob.is_empty() && glob.chars().all(can_match);
    (!is_fine).then(|| format!("`{glob}` matches no {what}; write one such as {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&str) -> Option<String>;

    #[test]
    fn what_can_match_nothing_is_told_and_nothing_else() {
        let users: Check = |text| user(text, false);
        let groups: Check = |text| user(text, true);
        let table: [(&str, Check, &[&str], &[&str]); 9] = [
            ("key", key, &["acme.example.org/*", "tier", "*", "{a,b}/x"], &["", "a b", "a:b", "ä"]),
            ("label_value", label_value, &["", "critical", "v1.2-*"], &["x y", "a/b"]),
            ("application", application, &["shop", "argocd/shop-*", "*"], &["", "Shop", "a b"]),
            ("kind", kind, &["Deployment", "*", "*Route", "[A-Z]x"], &["", "deployment", "pods"]),
            ("group", group, &["", "apps", "*.example.org", "*"], &["core", "apps/v1", "Apps", "a b"]),
            ("name", name, &["web-*", "system:node", "Web_1"], &["", "a/b", "a b"]),
            (
                "user",
                users,
                &[
                    "alice",
                    "system:serviceaccount:ci:deployer",
                    "arn:aws:sts::1:assumed-role/CI/*",
                    "oidc:Jo Doe",
                    "eks:*",
                ],
                &["", " ci", "ci ", "ci/deployer", "system:serviceaccounts:ci", "system:serviceaccount:Ci:x"],
            ),
            (
                "group of users",
                groups,
                &["dev", "system:serviceaccounts", "system:serviceaccounts:ci", "system:masters"],
                &["", "dev ", "system:serviceaccount:ci:x", "system:serviceaccounts:Ci"],
            ),
            (
                "path",
                path,
                &[
                    "spec.replicas",
                    "/metadata/annotations/a~1b",
                    "metadata.annotations[\"a.b/c\"]",
                    "metadata.annotations[\"a.b/*\"]",
                    "metadata.annotations.*",
                    "metadata.labels.app",
                    "status.x",
                    "data",
                    "spec.containers[*].image",
                    "*.replicas",
                ],
                &[
                    "$.spec.replicas",
                    "Spec.replicas",
                    "metadata.managedFields",
                    "metadata.uid",
                    "metadata.annotations.example.org/owner",
                ],
            ),
        ];
        for (what, check, fine, wrong) in table {
            for text in fine {
                assert_eq!(check(text), None, "{what} {text:?}");
            }
            for text in wrong {
                assert!(check(text).is_some(), "{what} {text:?}");
            }
        }
        let words = path("metadata.annotations.example.org/owner").unwrap();
        assert!(words.ends_with("metadata.annotations[\"example.org/owner\"]"), "{words}");
    }
}
