//! The CA in a configuration's webhooks, and the patches that mind whose it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use driftwall_core::webhook_config::{FAILURE_POLICY_ANNOTATION, WRITES_WEBHOOK};

fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

fn named<'a>(configuration: &'a Value, name: &Value) -> Option<&'a Value> {
    webhooks(configuration).find(|webhook| webhook["name"] == *name)
}

pub(super) fn writes(configuration: &Value) -> Option<&Value> {
    named(configuration, &WRITES_WEBHOOK.into())
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

fn ca(webhook: &Value) -> Option<&str> {
    webhook["clientConfig"]["caBundle"].as_str().filter(|bundle| !bundle.is_empty())
}

/// Whether every webhook names a CA.
pub(super) fn names_a_ca(configuration: &Value) -> bool {
    webhooks(configuration).all(|webhook| ca(webhook).is_some())
}

/// Takes the CAs over that others keep. A webhook that is new gets that of another
/// one, for all are one server.
pub(super) fn keep_bundles(wanted: &mut Value, live: Option<&Value>) {
    let Some(live) = live else { return };
    let any = writes(live).and_then(ca).or_else(|| webhooks(live).find_map(ca));
    for webhook in wanted["webhooks"].as_array_mut().into_iter().flatten() {
        if let Some(bundle) = named(live, &webhook["name"]).and_then(ca).or(any) {
            webhook["clientConfig"]["caBundle"] = bundle.into();
        }
    }
}

/// A webhook without a CA cannot be called: `Fail` would refuse every write. What is
/// noted is what is asked for here, so that the policy of the configuration comes with the CA.
pub(super) fn open(wanted: &mut Value) {
    wanted["metadata"]["annotations"][FAILURE_POLICY_ANNOTATION] = "Ignore".into();
    for webhook in wanted["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["failurePolicy"] = "Ignore".into();
    }
}

/// A patch must not undo what happened since.
fn unless_changed(live: &Value) -> Value {
    json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]})
}

/// The patch that sets the wanted CA in the webhooks that are there.
pub(super) fn only_bundles(live: &Value, wanted: &Value) -> Value {
    let mut operations = vec![unless_changed(live)];
    for (index, webhook) in webhooks(live).enumerate() {
        let Some(bundle) = named(wanted, &webhook["name"]).and_then(ca) else { continue };
        let path = format!("/webhooks/{index}/clientConfig/caBundle");
        operations.push(json!({"op": "add", "path": path, "value": bundle}));
    }
    operations.into()
}

/// The patch that sets all webhooks.
pub(super) fn all_webhooks(live: &Value, wanted: &Value) -> Value {
    json!([unless_changed(live), {"op": "replace", "path": "/webhooks", "value": wanted["webhooks"]}])
}
