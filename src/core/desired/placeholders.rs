//! Placeholders: what a tool puts into a manifest on its way to the cluster. What it puts
//! in is hidden from driftwall; the text around it is not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::diff::OPAQUE;

/// The label or annotation by which an object keeps its variables
/// (<https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution>).
const KEEPS_VARIABLES: &str = "kustomize.toolkit.fluxcd.io/substitute";
/// The annotation that says where argocd-vault-plugin finds the values of `<key>`
/// (<https://argocd-vault-plugin.readthedocs.io/en/stable/howitworks/>).
const VAULT_PATH: &str = "avp.kubernetes.io/path";
/// The annotation by which argocd-vault-plugin leaves an object as it is.
const VAULT_IGNORE: &str = "avp.kubernetes.io/ignore";

/// Hides the variables that Flux substitutes, `${NAME}`, in an object of a Kustomization with
/// `spec.postBuild`; `$${NAME}` is `${NAME}` itself.
pub fn hide_variables(object: &mut Value) {
    let metadata = &object["metadata"];
    let keeps = |map: &str| {
        let value = metadata[map].get(KEEPS_VARIABLES).and_then(Value::as_str);
        value.is_some_and(|value| value.eq_ignore_ascii_case("disabled"))
    };
    if !keeps("annotations") && !keeps("labels") {
        in_each_text(object, &|text| if text.contains("${") { Some(without_variables(text)) } else { None });
    }
}

/// Hides what argocd-vault-plugin replaces: `<path:…#…>`, and `<key>` in an object that names a path.
/// In a Secret it looks inside of base64 too.
pub(super) fn hide_vault_values(object: &mut Value) {
    let annotations = &object["metadata"]["annotations"];
    if annotations[VAULT_IGNORE] == "true" {
        return;
    }
    let has_path = annotations.get(VAULT_PATH).is_some();
    let hidden = |text: &str| {
        // Most texts of a repository have none.
        if !text.contains('<') {
            return None;
        }
        let hidden = without_vault_values(text, has_path);
        (hidden != text).then_some(hidden)
    };
    in_each_text(object, &hidden);
    if object["kind"] == "Secret"
        && let Some(data) = object.get_mut("data")
    {
        in_each_text(data, &|encoded| {
            let bytes = STANDARD.decode(encoded.trim_end()).ok()?;
            hidden(std::str::from_utf8(&bytes).ok()?)
        });
    }
}

/// Replaces each text in which something is to be hidden; keys stay.
fn in_each_text(value: &mut Value, hidden: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(hidden) = hidden(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| in_each_text(item, hidden)),
        Value::Object(fields) => fields.values_mut().for_each(|value| in_each_text(value, hidden)),
        _ => {}
    }
}

fn without_variables(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        match end_of_variable(from) {
            // Escaped.
            _ if before.ends_with('$') => {
                hidden.push_str(&before[..at - 1]);
                hidden.push_str("${");
                rest = &from[2..];
            }
            Some(end) => {
                hidden.push_str(before);
                hidden.push_str(OPAQUE);
                rest = &from[end..];
            }
            None => break,
        }
    }
    hidden + rest
}

/// Where the variable ends with which a text begins; its default may have variables of its own.
fn end_of_variable(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(at + 1),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn without_vault_values(text: &str, has_path: bool) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        hidden.push_str(before);
        let line = from.split('\n').next().unwrap_or(from);
        match line.find('>') {
            Some(end) if is_vault_value(&from[1..end], has_path) => {
                hidden.push_str(OPAQUE);
                rest = &from[end + 1..];
            }
            _ => {
                hidden.push('<');
                rest = &from[1..];
            }
        }
    }
    hidden + rest
}

fn is_vault_value(inside: &str, has_path: bool) -> bool {
    let is_path = inside.starts_with("path:") && inside.contains('#');
    is_path || (has_path && !inside.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_hidden_and_the_text_around_them_is_not() {
        for (written, hidden) in [
            ("${A}", "?"),
            ("https://${DOMAIN}/x", "https://?/x"),
            ("${A}-${B:=b}", "?-?"),
            ("${A:=${B}}c", "?c"),
            ("$${A} ${A}", "${A} ?"),
            ("$A ${", "$A ${"),
            ("}${", "}${"),
            ("ä${A}ö", "ä?ö"),
        ] {
            let mut object = json!({"a": [written]});
            hide_variables(&mut object);
            assert_eq!(object, json!({"a": [hidden.replace('?', OPAQUE)]}), "{written}");
        }
        for map in ["annotations", "labels"] {
            let kept = json!({"metadata": {map: {KEEPS_VARIABLES: "disabled"}}, "a": "${A}"});
            let mut object = kept.clone();
            hide_variables(&mut object);
            assert_eq!(object, kept, "{map}");
        }
    }

    #[test]
    fn values_of_a_vault_are_hidden() {
        let named = json!({VAULT_PATH: "kv/data/a"});
        let ignored = json!({VAULT_PATH: "kv/data/a", VAULT_IGNORE: "true"});
        for (annotations, written, hidden) in [
            (json!({}), "<path:kv/data/a#b>", "?"),
            (json!({}), "u:<path:kv/data/a#b#1>@h", "u:?@h"),
            (json!({}), "<password> <path:b>", "<password> <path:b>"),
            (named.clone(), "u:<password | base64encode>", "u:?"),
            (named.clone(), "a < b\n> <>", "a < b\n> <>"),
            (ignored, "<path:kv/data/a#b> <key>", "<path:kv/data/a#b> <key>"),
        ] {
            let mut object = json!({"metadata": {"annotations": annotations}, "a": written});
            hide_vault_values(&mut object);
            assert_eq!(object["a"], hidden.replace('?', OPAQUE), "{written}");
        }
        let encoded = STANDARD.encode("u:<password>");
        let mut secret = json!({"kind": "Secret", "metadata": {"annotations": named}, "data": {"a": encoded}});
        hide_vault_values(&mut secret);
        assert_eq!(secret["data"]["a"], format!("u:{OPAQUE}"));
    }
}
