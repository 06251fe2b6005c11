//! Opaque values: Git holds a value encrypted, or a placeholder for it. It cannot
//! be compared; that a write changes it can be seen.

use serde_json::Value;

/// Stands in for a value that differs from rendering to rendering. Its first
/// character is for private use: no manifest has it by accident.
pub const OPAQUE: &str = "\u{10fffd}opaque";

/// Whether a text is an opaque value: encrypted (SOPS), a placeholder for a later
/// substitution (Flux's `${VAR}`, argocd-vault-plugin's `<path:…>`), or different
/// in every rendering ([`OPAQUE`]).
pub fn is_opaque(text: &str) -> bool {
    let between = |open: &str, close: &str| text.find(open).is_some_and(|at| text[at..].contains(close));
    text.starts_with("ENC[") || between("${", "}") || between("<path:", ">") || text == OPAQUE
}

/// Whether a value is a text that [is opaque](is_opaque).
pub(super) fn is_opaque_value(value: &Value) -> bool {
    value.as_str().is_some_and(is_opaque)
}

/// Whether a value is opaque or has something opaque inside.
pub(super) fn contains_opaque(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(contains_opaque),
        Value::Object(fields) => fields.values().any(contains_opaque),
        other => is_opaque_value(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::{Allocations, ChangeKind, Path, builtin_schema, differences, unknown_schema};

    /// What a write changes in a Deployment's `spec`, by field.
    fn changes(declared: &Value, old: Option<&Value>, new: &Value) -> Vec<(String, ChangeKind)> {
        let schema = builtin_schema("apps", "v1", "Deployment").unwrap().field("spec");
        let found = differences(Some(declared), old, Some(new), schema, &Path::of(&["spec"]), Allocations::MaybeServer);
        found.into_iter().map(|difference| (difference.path.to_string(), difference.change)).collect()
    }

    fn spec(containers: &Value) -> Value {
        json!({"template": {"spec": {"containers": containers}}})
    }

    #[test]
    fn only_the_opaque_part_of_a_value_is_opaque() {
        let list = "spec.template.spec.containers";
        let web = format!("{list}[name=\"web\"]");
        let sealed = "ENC[AES256_GCM,data:aa,iv:bb,tag:cc,type:str]";
        for (declared, old, new, expected) in [
            // One value of several.
            (
                json!([{"name": "web", "image": "${IMAGE}", "workingDir": "/a"}]),
                json!([{"name": "web", "image": "a", "workingDir": "/a"}]),
                json!([{"name": "web", "image": "b", "workingDir": "/b"}]),
                vec![(format!("{web}.image"), ChangeKind::Opaque), (format!("{web}.workingDir"), ChangeKind::Changed)],
            ),
            // Inside a list that is replaced as a whole.
            (
                json!([{"name": "web", "args": ["--port=1", OPAQUE]}]),
                json!([{"name": "web", "args": ["--port=1", "--seed=1"]}]),
                json!([{"name": "web", "args": ["--port=1", "--seed=2"]}]),
                vec![(format!("{web}.args"), ChangeKind::Opaque)],
            ),
            (
                json!([{"name": "web", "args": ["--port=1", OPAQUE]}]),
                json!([{"name": "web", "args": ["--port=1", "--seed=1"]}]),
                json!([{"name": "web", "args": ["--port=2", "--seed=1"]}]),
                vec![(format!("{web}.args"), ChangeKind::Changed)],
            ),
            (
                json!([{"name": "web", "args": ["--port=1", OPAQUE]}]),
                json!([{"name": "web", "args": ["--port=2", "--seed=1"]}]),
                json!([{"name": "web", "args": ["--port=1", "--seed=1"]}]),
                vec![],
            ),
            // What identifies the items.
            (
                json!([{"name": sealed, "image": sealed}]),
                json!([{"name": "web", "image": "a"}]),
                json!([{"name": "web", "image": "b"}]),
                vec![(list.to_owned(), ChangeKind::Opaque)],
            ),
            // A list whose length differs from rendering to rendering.
            (
                json!([{"name": "web", "args": OPAQUE}]),
                json!([{"name": "web", "args": ["a"]}]),
                json!([{"name": "web", "args": ["a", "b"]}]),
                vec![(format!("{web}.args"), ChangeKind::Opaque)],
            ),
            // Keys count, whatever they hold.
            (
                json!([{"name": "web", "workingDir": sealed}]),
                json!([{"name": "web", "workingDir": "/a"}]),
                json!([{"name": "web"}]),
                vec![(format!("{web}.workingDir"), ChangeKind::RemovedDeclared)],
            ),
            (
                json!([{"name": "web", "image": sealed}]),
                json!([{"name": "web", "image": "a"}]),
                json!([{"name": "web", "image": "a", "stdin": true}]),
                vec![(format!("{web}.stdin"), ChangeKind::Extra)],
            ),
        ] {
            let (declared, old, new) = (spec(&declared), spec(&old), spec(&new));
            assert_eq!(changes(&declared, Some(&old), &new), expected, "{declared} {new}");
        }
    }

    #[test]
    fn an_object_whose_values_are_all_encrypted_is_compared_by_its_keys() {
        let sealed = |kind: &str| format!("ENC[AES256_GCM,data:aa,iv:bb,tag:cc,type:{kind}]");
        let declared = json!({
            "a": {"b": sealed("int"), "c": sealed("bool"), "d": [sealed("str"), sealed("str")]},
            "e": [{"f": sealed("str")}],
        });
        let old = json!({"a": {"b": 1, "c": true, "d": ["x", "y"]}, "e": [{"f": "z"}]});
        let found = |new: Value| -> Vec<(String, ChangeKind)> {
            let found = differences(
                Some(&declared),
                Some(&old),
                Some(&new),
                unknown_schema(),
                &Path::default(),
                Allocations::MaybeServer,
            );
            found.into_iter().map(|difference| (difference.path.to_string(), difference.change)).collect()
        };
        let one = |path: &str, change| vec![(path.to_owned(), change)];
        assert_eq!(found(old.clone()), []);
        for (change, path) in
            [(json!({"b": 2}), "a.b"), (json!({"c": false}), "a.c"), (json!({"d": ["x", "z"]}), "a.d")]
        {
            let mut new = old.clone();
            let fields = change.as_object().unwrap().clone();
            new["a"].as_object_mut().unwrap().extend(fields);
            assert_eq!(found(new), one(path, ChangeKind::Opaque), "{change}");
        }
        let mut new = old.clone();
        new["a"].as_object_mut().unwrap().remove("b");
        assert_eq!(found(new), one("a.b", ChangeKind::RemovedDeclared));
        let mut new = old.clone();
        new["a"]["g"] = 1.into();
        assert_eq!(found(new), one("a.g", ChangeKind::Extra));
        let mut new = old.clone();
        new["e"][0]["f"] = "other".into();
        assert_eq!(found(new), one("e", ChangeKind::Opaque));
    }

    #[test]
    fn a_selector_with_a_placeholder_is_opaque() {
        let declared = json!({"selector": {"matchLabels": {"app": "${NAME}"}}});
        let new = json!({"selector": {"matchLabels": {"app": "web"}}});
        let found = changes(&declared, Some(&json!({})), &new);
        assert!(found.iter().all(|(_, change)| *change == ChangeKind::Opaque) && found.len() == 1, "{found:?}");
    }

    #[test]
    fn an_opaque_value_is_recognized_by_its_form() {
        for (text, opaque) in [
            ("ENC[AES256_GCM,data:a]", true),
            ("${A}", true),
            ("a-${A:=b}-c", true),
            ("<path:a#b>", true),
            ("$A", false),
            ("}${", false),
            ("a ENC[b]", false),
            ("<a>", false),
        ] {
            assert_eq!(is_opaque(text), opaque, "{text}");
        }
    }
}
