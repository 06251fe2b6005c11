//! The CA in the webhooks of a webhook configuration, and the patches that leave everything else alone.

use serde_json::{Value, json};

use driftwall_core::webhook_config::{FAILURE_POLICY_ANNOTATION, WRITES_WEBHOOK};

fn webhooks(config: &Value) -> impl Iterator<Item = &Value> {
    config["webhooks"].as_array().into_iter().flatten()
}

fn webhook_named<'a>(config: &'a Value, name: &Value) -> Option<&'a Value> {
    webhooks(config).find(|webhook| webhook["name"] == *name)
}

/// The webhook that is asked about writes of what Git declares.
pub(super) fn writes_webhook(config: &Value) -> Option<&Value> {
    webhook_named(config, &WRITES_WEBHOOK.into())
}

/// A webhook's `caBundle`; `None` where it is empty.
fn ca_of(webhook: &Value) -> Option<&str> {
    webhook["clientConfig"]["caBundle"].as_str().filter(|bundle| !bundle.is_empty())
}

/// Whether every webhook that exists has the desired CA, where one is desired.
pub(super) fn has_desired_ca(live: &Value, desired: &Value) -> bool {
    webhooks(live).all(|webhook| {
        let desired = webhook_named(desired, &webhook["name"]);
        let bundle = desired.and_then(|desired| desired["clientConfig"]["caBundle"].as_str());
        bundle.is_none_or(|bundle| webhook["clientConfig"]["caBundle"] == bundle)
    })
}

/// Whether every webhook names a CA.
pub(super) fn names_a_ca(config: &Value) -> bool {
    webhooks(config).all(|webhook| ca_of(webhook).is_some())
}

/// Takes over the CAs that somebody else sets. A new webhook gets the CA of another
/// one: all webhooks are the same server.
pub(super) fn keep_live_ca(desired: &mut Value, live: Option<&Value>) {
    let Some(live) = live else { return };
    let any = writes_webhook(live).and_then(ca_of).or_else(|| webhooks(live).find_map(ca_of));
    for webhook in desired["webhooks"].as_array_mut().into_iter().flatten() {
        if let Some(bundle) = webhook_named(live, &webhook["name"]).and_then(ca_of).or(any) {
            webhook["clientConfig"]["caBundle"] = bundle.into();
        }
    }
}

/// Sets every failure policy to `Ignore`. A webhook without a CA cannot be called, and
/// `Fail` would then refuse every write. The annotation says `Ignore` too, so that the
/// configured policy is set together with the CA.
pub(super) fn ignore_failures(desired: &mut Value) {
    desired["metadata"]["annotations"][FAILURE_POLICY_ANNOTATION] = "Ignore".into();
    for webhook in desired["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["failurePolicy"] = "Ignore".into();
    }
}

/// The operation that makes a patch fail where the webhook configuration was changed meanwhile.
fn test_resource_version(live: &Value) -> Value {
    json!({"op": "test", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]})
}

/// The JSON patch that sets the desired CA in the webhooks that exist.
pub(super) fn ca_patch(live: &Value, desired: &Value) -> Value {
    let mut operations = vec![test_resource_version(live)];
    for (index, webhook) in webhooks(live).enumerate() {
        let Some(bundle) = webhook_named(desired, &webhook["name"]).and_then(ca_of) else { continue };
        let path = format!("/webhooks/{index}/clientConfig/caBundle");
        operations.push(json!({"op": "add", "path": path, "value": bundle}));
    }
    operations.into()
}

/// The JSON patch that replaces all webhooks.
pub(super) fn webhooks_patch(live: &Value, desired: &Value) -> Value {
    json!([test_resource_version(live), {"op": "replace", "path": "/webhooks", "value": desired["webhooks"]}])
}
