//! Opaque values: Git holds a value, or a part of a text, encrypted, or a placeholder for
//! it. What is hidden cannot be compared; that a write changes it can be seen, and the text
//! around it is compared.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::schema::{ScalarKind, SchemaRef};

/// Stands in, alone or within a text, for what a later substitution puts there, or what differs
/// from rendering to rendering. Its first character is for private use: no manifest has it by accident.
pub const OPAQUE: &str = "\u{10fffd}opaque";

/// Stands in for what is hidden where people read it.
const SHOWN: &str = "…";

/// Whether a text is encrypted (SOPS), or has an [`OPAQUE`] part.
pub fn is_opaque(text: &str) -> bool {
    is_encrypted(text) || text.contains(OPAQUE)
}

/// Whether nothing of a text is known.
pub fn is_wholly_opaque(text: &str) -> bool {
    is_encrypted(text) || text == OPAQUE
}

fn is_encrypted(text: &str) -> bool {
    text.starts_with("ENC[")
}

/// Whether a value may be what an opaque text becomes: it has all that is known of the
/// text, in its order, and anything in between.
pub(super) fn fits_opaque(text: &str, value: &Value, schema: SchemaRef<'_>) -> bool {
    if is_wholly_opaque(text) {
        return true;
    }
    let written: Cow<'_, str> = match value {
        Value::String(written) => written.into(),
        Value::Bool(_) | Value::Number(_) => value.to_string().into(),
        _ => return false,
    };
    // A Secret's `stringData` is stored in base64.
    let is_in_bytes = || {
        let bytes = if schema.scalar() == ScalarKind::Base64 { STANDARD.decode(&*written).ok() } else { None };
        bytes.is_some_and(|bytes| has_parts(text, &String::from_utf8_lossy(&bytes)))
    };
    has_parts(text, &written) || is_in_bytes()
}

fn has_parts(text: &str, written: &str) -> bool {
    let Some((first, after_first)) = text.split_once(OPAQUE) else { return text == written };
    let (between, last) = after_first.rsplit_once(OPAQUE).unwrap_or(("", after_first));
    let Some(inside) = written.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    let mut rest = inside;
    between.split(OPAQUE).all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// The value as people may see it: without what is hidden.
pub(crate) fn without_opaque(value: &Value) -> Value {
    match value {
        Value::String(text) if is_encrypted(text) => SHOWN.into(),
        Value::String(text) => text.replace(OPAQUE, SHOWN).into(),
        Value::Array(items) => items.iter().map(without_opaque).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), without_opaque(value))).collect(),
        other => other.clone(),
    }
}

/// What stands for a value of which a part is hidden in Git.
pub(crate) fn hidden() -> Value {
    SHOWN.into()
}

/// Whether a value is a text that [is opaque](is_opaque).
pub(super) fn is_opaque_value(value: &Value) -> bool {
    value.as_str().is_some_and(is_opaque)
}

/// Whether a value is opaque or has something opaque inside.
pub(crate) fn contains_opaque(value: &Value) -> bool {
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
                json!([{"name": "web", "image": OPAQUE, "workingDir": "/a"}]),
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
        let declared = json!({"selector": {"matchLabels": {"app": OPAQUE}}});
        let new = json!({"selector": {"matchLabels": {"app": "web"}}});
        let found = changes(&declared, Some(&json!({})), &new);
        assert!(found.iter().all(|(_, change)| *change == ChangeKind::Opaque) && found.len() == 1, "{found:?}");
    }

    #[test]
    fn an_opaque_value_is_recognized_by_its_form() {
        for (text, opaque) in [
            ("ENC[AES256_GCM,data:a]", true),
            (OPAQUE, true),
            (&format!("a-{OPAQUE}-c"), true),
            ("${A}", false),
            ("<path:a#b>", false),
            ("a ENC[b]", false),
        ] {
            assert_eq!(is_opaque(text), opaque, "{text}");
        }
    }

    #[test]
    fn a_value_fits_where_it_has_all_that_is_known_in_its_order() {
        let data = builtin_schema("", "v1", "Secret").unwrap().field("data").field("a");
        for (text, value, schema, fits) in [
            ("?", json!({"a": 1}), unknown_schema(), true),
            ("https://?/x", json!("https://a.b/x"), unknown_schema(), true),
            ("https://?/x", json!("https:///x"), unknown_schema(), true),
            ("https://?/x", json!("https:/x"), unknown_schema(), false),
            ("https://?/x", json!("http://a.b/x"), unknown_schema(), false),
            ("https://?/x", json!("https://a.b/x/y"), unknown_schema(), false),
            ("a?b?c", json!("a1b2c"), unknown_schema(), true),
            ("a?b?c", json!("a12c"), unknown_schema(), false),
            ("a?bc?c", json!("abc"), unknown_schema(), false),
            ("??", json!("x"), unknown_schema(), true),
            ("80?", json!(8080), unknown_schema(), true),
            ("80?", json!(9090), unknown_schema(), false),
            ("80?", json!(["80"]), unknown_schema(), false),
            // `u:p` in base64.
            ("u:?", json!("dTpw"), data, true),
            ("u:?", json!("dTpw"), unknown_schema(), false),
            ("v:?", json!("dTpw"), data, false),
            ("dT?", json!("dTpw"), data, true),
        ] {
            assert_eq!(fits_opaque(&text.replace('?', OPAQUE), &value, schema), fits, "{text} {value}");
        }
    }

    #[test]
    fn around_what_is_hidden_a_text_is_compared() {
        let url = json!({"a": format!("https://{OPAQUE}/x")});
        for (old, new, expected) in [
            ("https://a/x", "https://b/x", Some(ChangeKind::Opaque)),
            ("https://a/x", "https://a/y", Some(ChangeKind::Changed)),
            ("https://a/y", "https://a/x", None),
            ("https://a/y", "https://a/z", Some(ChangeKind::Changed)),
        ] {
            let [old, new] = [old, new].map(|text| json!({"a": text}));
            let found = differences(
                Some(&url),
                Some(&old),
                Some(&new),
                unknown_schema(),
                &Path::default(),
                Allocations::MaybeServer,
            );
            let found: Vec<_> = found.into_iter().map(|difference| difference.change).collect();
            assert_eq!(found, Vec::from_iter(expected), "{old} to {new}");
        }
    }
}
