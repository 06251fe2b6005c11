//! Values that Git holds without telling them. What they hide cannot be
//! compared; that they are changed can.

use serde_json::Value;

/// What stands in place of a value that does not render the same way twice. Its
/// first character is for private use: no manifest has it by accident.
pub const OPAQUE: &str = "\u{10fffd}opaque";

/// A value that Git holds encrypted (SOPS), as a placeholder for a later
/// substitution (Flux's `${VAR}`, argocd-vault-plugin's `<path:…>`), or that
/// every rendering makes anew ([`OPAQUE`]).
pub fn is_opaque(text: &str) -> bool {
    let between = |open: &str, close: &str| text.find(open).is_some_and(|at| text[at..].contains(close));
    text.starts_with("ENC[") || between("${", "}") || between("<path:", ">") || text == OPAQUE
}

/// Whether a value is one that Git does not tell.
pub(super) fn is_hidden(value: &Value) -> bool {
    value.as_str().is_some_and(is_opaque)
}

/// Whether something inside a value is not told.
pub(super) fn hides(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(hides),
        Value::Object(fields) => fields.values().any(hides),
        other => is_hidden(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::diff::{ChangeKind, Path, builtin, differences, unknown};

    /// What a write does to a Deployment's `spec`, by field.
    fn moved(declared: &Value, old: Option<&Value>, new: &Value) -> Vec<(String, ChangeKind)> {
        let place = builtin("apps", "v1", "Deployment").unwrap().field("spec");
        let found = differences(Some(declared), old, Some(new), place, &Path::of(&["spec"]));
        found.into_iter().map(|difference| (difference.path.to_string(), difference.nature)).collect()
    }

    fn spec(containers: &Value) -> Value {
        json!({"template": {"spec": {"containers": containers}}})
    }

    #[test]
    fn what_hides_something_is_opaque_as_far_as_it_does() {
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
            // What tells the items apart.
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
                vec![(format!("{web}.workingDir"), ChangeKind::Missing)],
            ),
            (
                json!([{"name": "web", "image": sealed}]),
                json!([{"name": "web", "image": "a"}]),
                json!([{"name": "web", "image": "a", "stdin": true}]),
                vec![(format!("{web}.stdin"), ChangeKind::Extra)],
            ),
        ] {
            let (declared, old, new) = (spec(&declared), spec(&old), spec(&new));
            assert_eq!(moved(&declared, Some(&old), &new), expected, "{declared} {new}");
        }
    }

    #[test]
    fn an_object_that_is_encrypted_whole_is_compared_by_its_keys() {
        let sealed = |kind: &str| format!("ENC[AES256_GCM,data:aa,iv:bb,tag:cc,type:{kind}]");
        let declared = json!({
            "a": {"b": sealed("int"), "c": sealed("bool"), "d": [sealed("str"), sealed("str")]},
            "e": [{"f": sealed("str")}],
        });
        let old = json!({"a": {"b": 1, "c": true, "d": ["x", "y"]}, "e": [{"f": "z"}]});
        let found = |new: Value| -> Vec<(String, ChangeKind)> {
            let found = differences(Some(&declared), Some(&old), Some(&new), unknown(), &Path::default());
            found.into_iter().map(|difference| (difference.path.to_string(), difference.nature)).collect()
        };
        let one = |path: &str, nature| vec![(path.to_owned(), nature)];
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
        assert_eq!(found(new), one("a.b", ChangeKind::Missing));
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
        let sent = json!({"selector": {"matchLabels": {"app": "web"}}});
        let found = moved(&declared, Some(&json!({})), &sent);
        assert!(found.iter().all(|(_, nature)| *nature == ChangeKind::Opaque) && found.len() == 1, "{found:?}");
    }
}
