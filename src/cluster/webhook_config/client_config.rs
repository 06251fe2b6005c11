//! The CA and the path in the webhooks of a webhook configuration, and the patches that leave everything
//! else alone.

use serde_json::{Value, json};

use driftwall_core::webhook_config::{FAILURE_POLICY_ANNOTATION, WRITES_WEBHOOK, path_of_url};

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

/// Whether every webhook that exists calls driftwall as desired: by the CA, where one is desired, and by
/// the path.
pub(super) fn has_desired_client(live: &Value, desired: &Value) -> bool {
    webhooks(live).all(|webhook| {
        let Some(desired) = webhook_named(desired, &webhook["name"]) else { return true };
        let (live, desired) = (&webhook["clientConfig"], &desired["clientConfig"]);
        let has_ca = desired["caBundle"].as_str().is_none_or(|bundle| live["caBundle"] == bundle);
        has_ca && path_fix(live, desired).is_none()
    })
}

/// Where the path of a webhook is and what it should be, where it is driftwall's Service or URL that is
/// called by another path.
fn path_fix<'a>(live: &Value, desired: &'a Value) -> Option<(&'static str, &'a Value)> {
    let is_same_service = ["namespace", "name"].iter().all(|key| live["service"][key] == desired["service"][key]);
    let server = |config: &Value| {
        let url = config["url"].as_str()?;
        Some(url.strip_suffix(path_of_url(url))?.to_owned())
    };
    let (pointer, wanted) = match (&desired["service"]["path"], &desired["url"]) {
        (path @ Value::String(_), _) if is_same_service => ("service/path", path),
        (_, url @ Value::String(_)) if server(live) == server(desired) => ("url", url),
        _ => return None,
    };
    let current = live.pointer(&format!("/{pointer}"));
    (current != Some(wanted)).then_some((pointer, wanted))
}

/// The live webhook configuration with the desired paths. A path is replaced by driftwall alone: that
/// another one is desired now is no change that somebody made.
pub(super) fn with_desired_paths(live: &Value, desired: &Value) -> Value {
    let mut with_paths = live.clone();
    for webhook in with_paths["webhooks"].as_array_mut().into_iter().flatten() {
        let Some(desired) = webhook_named(desired, &webhook["name"]) else { continue };
        if let Some((field, value)) = path_fix(&webhook["clientConfig"], &desired["clientConfig"])
            && let Some(path) = webhook.pointer_mut(&format!("/clientConfig/{field}"))
        {
            *path = value.clone();
        }
    }
    with_paths
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

/// The JSON patch that sets the desired CA and path in the webhooks that exist.
pub(super) fn client_patch(live: &Value, desired: &Value) -> Value {
    let mut operations = vec![test_resource_version(live)];
    for (index, webhook) in webhooks(live).enumerate() {
        let Some(desired) = webhook_named(desired, &webhook["name"]) else { continue };
        let mut add = |field: &str, value: Value| {
            let path = format!("/webhooks/{index}/clientConfig/{field}");
            operations.push(json!({"op": "add", "path": path, "value": value}));
        };
        if let Some(bundle) = ca_of(desired) {
            add("caBundle", bundle.into());
        }
        if let Some((field, value)) = path_fix(&webhook["clientConfig"], &desired["clientConfig"]) {
            add(field, value.clone());
        }
    }
    operations.into()
}

/// The JSON patch that replaces all webhooks.
pub(super) fn webhooks_patch(live: &Value, desired: &Value) -> Value {
    json!([test_resource_version(live), {"op": "replace", "path": "/webhooks", "value": desired["webhooks"]}])
}
