//! The CA in a configuration's webhooks, and the patches that mind whose it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::registration::WRITES;

fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

fn named<'a>(configuration: &'a Value, name: &Value) -> Option<&'a Value> {
    webhooks(configuration).find(|webhook| webhook["name"] == *name)
}

pub(super) fn writes(configuration: &Value) -> Option<&Value> {
    named(configuration, &WRITES.into())
}

/// The CAs that the API server goes by, PEM; empty where none is named.
pub(super) fn bundle_of(configuration: &Value) -> String {
    let text = writes(configuration).and_then(|webhook| webhook["clientConfig"]["caBundle"].as_str());
    let pem = text.and_then(|text| STANDARD.decode(text).ok()).and_then(|pem| String::from_utf8(pem).ok());
    pem.unwrap_or_default()
}

/// Whether each webhook that is there has the wanted CA, where one is wanted.
pub(super) fn has_bundles(live: &Value, wanted: &Value) -> bool {
    webhooks(live).all(|webhook| {
        let wanted = named(wanted, &webhook["name"]).and_then(|wanted| wanted["clientConfig"]["caBundle"].as_str());
        wanted.is_none_or(|wanted| webhook["clientConfig"]["caBundle"] == wanted)
    })
}

/// A patch must not undo what happened since.
fn unless_changed(live: &Value) -> Value {
    json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]})
}

/// The patch that sets the wanted CA in the webhooks that are there.
pub(super) fn only_bundles(live: &Value, wanted: &Value) -> Value {
    let mut operations = vec![unless_changed(live)];
    for (index, webhook) in webhooks(live).enumerate() {
        let Some(wanted) = named(wanted, &webhook["name"]) else { continue };
        let path = format!("/webhooks/{index}/clientConfig/caBundle");
        operations.push(json!({"op": "add", "path": path, "value": wanted["clientConfig"]["caBundle"]}));
    }
    operations.into()
}

/// The patch that sets all webhooks; a CA that others keep stays.
pub(super) fn all_webhooks(live: &Value, wanted: &Value) -> Value {
    let mut all = wanted["webhooks"].clone();
    for webhook in all.as_array_mut().into_iter().flatten() {
        let there = named(live, &webhook["name"]).map(|there| there["clientConfig"]["caBundle"].clone());
        if let (true, Some(bundle @ Value::String(_))) = (webhook["clientConfig"]["caBundle"].is_null(), there) {
            webhook["clientConfig"]["caBundle"] = bundle;
        }
    }
    json!([unless_changed(live), {"op": "replace", "path": "/webhooks", "value": all}])
}
