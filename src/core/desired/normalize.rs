//! From a manifest as it is written to the object as the API server stores it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::diff::{Path, PathElement};

/// The metadata that the API server sets itself.
const SERVER_METADATA: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The object in the form in which the API server would store it.
pub(super) fn normalize(mut object: Value) -> Value {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(fields) = object.as_object_mut() else { return object };
    fields.remove("status");
    // Decrypting removes SOPS's own block too; the encrypted values are opaque.
    if fields.get("sops").is_some_and(|block| block["mac"].is_string()) {
        fields.remove("sops");
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        metadata.retain(|name, _| !SERVER_METADATA.contains(&name.as_str()));
    }
    match (api_version.as_str(), kind.as_str()) {
        ("v1", "Secret") => {
            unwrap_encrypted(fields);
            encode_string_data(fields);
        }
        // The aggregation controller writes the rules of an aggregated role.
        (version, "ClusterRole")
            if version.starts_with("rbac.authorization.k8s.io/")
                && fields.get("aggregationRule").is_some_and(|rule| !rule.is_null()) =>
        {
            fields.remove("rules");
        }
        _ => {}
    }
    object
}

/// A secretGenerator that reads an encrypted file encodes the ciphertext in base64,
/// where it would look like a value: undo that.
fn unwrap_encrypted(secret: &mut Map<String, Value>) {
    let Some(Value::Object(data)) = secret.get_mut("data") else { return };
    for value in data.values_mut() {
        let encoded = value.as_str().filter(|text| text.starts_with(ENCRYPTED));
        if let Some(bytes) = encoded.and_then(|text| STANDARD.decode(text).ok())
            && let Ok(ciphertext) = String::from_utf8(bytes)
        {
            *value = ciphertext.into();
        }
    }
}

/// `ENC[AES256_GCM,` in base64.
const ENCRYPTED: &str = "RU5DW0FFUzI1Nl9HQ00s";

/// The server merges `stringData` into `data`, in base64, and drops it.
fn encode_string_data(secret: &mut Map<String, Value>) {
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    let data = secret.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if data.is_null() {
        *data = Value::Object(Map::new());
    }
    let Value::Object(data) = data else { return };
    for (name, text) in texts {
        // An opaque value stays as it is written: encoded, it could not be recognized.
        let encoded = match text {
            Value::String(text) if crate::diff::is_opaque(&text) => Value::String(text),
            Value::String(text) => STANDARD.encode(text).into(),
            other => other,
        };
        data.insert(name, encoded);
    }
}

/// The path under which a manifest may have the field instead: a Secret's `data`
/// is often written as `stringData`.
pub(super) fn as_string_data(path: &Path) -> Vec<PathElement> {
    let mut elements = path.elements().to_vec();
    if path.starts_with(&["data"]) {
        elements[0] = PathElement::Field("stringData".into());
    }
    elements
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sops_encrypted_values_keep_their_keys() {
        let sealed = |kind: &str| format!("ENC[AES256_GCM,data:p5A=,iv:aa=,tag:bb==,type:{kind}]");
        let sops = json!({"mac": sealed("str"), "lastmodified": "2026-01-01T00:00:00Z", "version": "3.9.0"});
        let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "data": data});
        for (written, stored) in [
            (
                json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": sealed("str"), "b": sealed("int")}, "sops": sops}),
                secret(json!({"a": sealed("str"), "b": sealed("int")})),
            ),
            // `encrypted_regex: ^(password)$`: the rest is not encrypted.
            (
                json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"password": sealed("str"), "user": "u"}, "sops": sops}),
                secret(json!({"password": sealed("str"), "user": "dQ=="})),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": sealed("str")}, "sops": sops}),
                secret(json!({"a": sealed("str")})),
            ),
            // A generated Secret.
            (secret(json!({"a": STANDARD.encode(sealed("str"))})), secret(json!({"a": sealed("str")}))),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": sealed("int"), "paused": sealed("bool")}, "sops": sops}),
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": sealed("int"), "paused": sealed("bool")}}),
            ),
            // A custom resource with a field of that name.
            (
                json!({"apiVersion": "example.org/v1", "kind": "Team", "sops": {"lead": "a"}}),
                json!({"apiVersion": "example.org/v1", "kind": "Team", "sops": {"lead": "a"}}),
            ),
        ] {
            assert_eq!(normalize(written.clone()), stored, "{written}");
        }
    }

    #[test]
    fn a_manifest_becomes_what_the_server_stores() {
        for (written, stored) in [
            (json!({"status": {}, "spec": 1}), json!({"spec": 1})),
            (json!({"sops": {"mac": "a"}, "spec": 1}), json!({"spec": 1})),
            (json!({"sops": "a", "spec": 1}), json!({"sops": "a", "spec": 1})),
            (
                json!({"metadata": {"name": "a", "namespace": "b", "creationTimestamp": null, "uid": "c"}}),
                json!({"metadata": {"name": "a"}}),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "Yg=="}, "stringData": {"a": "c", "d": "e"}}),
                json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "Yw==", "d": "ZQ=="}}),
            ),
            (
                json!({"apiVersion": "v1", "kind": "Secret", "data": null, "stringData": {"a": crate::diff::OPAQUE}}),
                json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": crate::diff::OPAQUE}}),
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "stringData": {"a": "c"}}),
                json!({"apiVersion": "v1", "kind": "ConfigMap", "stringData": {"a": "c"}}),
            ),
            (
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "aggregationRule": {}, "rules": []}),
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "aggregationRule": {}}),
            ),
            (
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": []}),
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": []}),
            ),
        ] {
            assert_eq!(normalize(written.clone()), stored, "{written}");
        }
    }
}
