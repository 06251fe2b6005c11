//! How the live webhook configuration compares with the desired one: whether it
//! is as driftwall left it, and where it is not, what somebody changed.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The annotation with a hash of what driftwall applied last.
pub const APPLIED_ANNOTATION: &str = "driftwall.io/applied";

/// The annotation with the `failurePolicy` that driftwall's own configuration asked for last.
pub const FAILURE_POLICY_ANNOTATION: &str = "driftwall.io/failure-policy";

/// The version of the text that is hashed; another one for every change of [`canonical_text`].
const HASH_VERSION: &str = "1:";

/// How the live webhook configuration compares with the desired one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveState {
    /// There is none.
    Absent,
    /// It is as desired, but for `caBundle`, which may be managed by others.
    InSync,
    /// Somebody changed it; each change in words.
    Modified(Vec<String>),
    /// It is as driftwall left it, and another one is desired now.
    Outdated,
}

/// The fields of a webhook that driftwall manages. `failurePolicy` and `caBundle` may be others'.
const MANAGED_FIELDS: [&str; 9] = [
    "admissionReviewVersions",
    "clientConfig",
    "matchConditions",
    "matchPolicy",
    "namespaceSelector",
    "objectSelector",
    "rules",
    "sideEffects",
    "timeoutSeconds",
];

/// Compares the live webhook configuration with the desired one, whose failure
/// policies are settled already ([`preserve_failure_policies`]). `hash` is the hash
/// function of [`applied_hash`].
pub fn live_state(live: Option<&Value>, desired: &Value, hash: impl Fn(&str) -> String) -> LiveState {
    let Some(live) = live else { return LiveState::Absent };
    let applied = annotation(live, APPLIED_ANNOTATION);
    let matches_hash = applied == Some(&*applied_hash(live, &hash));
    if canonical_text(live) == canonical_text(desired) {
        let is_in_sync = matches_hash
            && annotation(live, FAILURE_POLICY_ANNOTATION) == annotation(desired, FAILURE_POLICY_ANNOTATION)
            && failure_policies(live) == failure_policies(desired);
        return if is_in_sync { LiveState::InSync } else { LiveState::Outdated };
    }
    // Another version of driftwall may have hashed another text.
    let is_of_other_version = applied.is_some_and(|applied| !applied.starts_with(HASH_VERSION));
    if matches_hash || is_of_other_version { LiveState::Outdated } else { LiveState::Modified(changes(live, desired)) }
}

/// The value of [`APPLIED_ANNOTATION`] for a webhook configuration. `hash`
/// makes a short text of a long one.
pub fn applied_hash(webhook_config: &Value, hash: impl Fn(&str) -> String) -> String {
    format!("{HASH_VERSION}{}", hash(&canonical_text(webhook_config)))
}

/// The webhooks of a webhook configuration in one text, without what others may set, and
/// without fields that only a later API server has.
fn canonical_text(webhook_config: &Value) -> String {
    // Sorted: their order means nothing, and a server-side apply may change it.
    let mut sorted = BTreeSet::new();
    for webhook in webhooks(webhook_config) {
        let fields = MANAGED_FIELDS.map(|field| managed_value(webhook, field));
        sorted.insert(json!([webhook["name"], fields]).to_string());
    }
    Vec::from_iter(sorted).join("\n")
}

/// Takes over the failure policies that an operator set in the live webhook
/// configuration: those that are not what driftwall set last, unless driftwall's
/// own configuration asks for something else since. Returns the names of these
/// webhooks, each with its policy.
pub fn preserve_failure_policies(desired: &mut Value, live: &Value) -> Vec<(String, String)> {
    let Some(asked_before) = annotation(live, FAILURE_POLICY_ANNOTATION) else { return Vec::new() };
    if annotation(desired, FAILURE_POLICY_ANNOTATION) != Some(asked_before) {
        return Vec::new();
    }
    let mut preserved = Vec::new();
    for webhook in desired["webhooks"].as_array_mut().into_iter().flatten() {
        let Some(live_webhook) = webhooks(live).find(|live| live["name"] == webhook["name"]) else { continue };
        let (Some(name), Some(policy)) = (webhook["name"].as_str(), live_webhook["failurePolicy"].as_str()) else {
            continue;
        };
        if webhook["failurePolicy"] != policy {
            preserved.push((name.to_owned(), policy.to_owned()));
            webhook["failurePolicy"] = policy.into();
        }
    }
    preserved
}

/// Keeps the rules that the live webhook configuration has and the desired one
/// lacks. For as long as a source is unread, driftwall does not know of which kinds it
/// declares objects: writes to them must go on being sent.
pub fn preserve_rules(desired: &mut Value, live: &Value) {
    for webhook in desired["webhooks"].as_array_mut().into_iter().flatten() {
        let Some(live_webhook) = webhooks(live).find(|live| live["name"] == webhook["name"]) else { continue };
        let Some(rules) = webhook["rules"].as_array_mut() else { continue };
        for rule in live_webhook["rules"].as_array().into_iter().flatten() {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
}

fn webhooks(webhook_config: &Value) -> impl Iterator<Item = &Value> {
    webhook_config["webhooks"].as_array().into_iter().flatten()
}

fn annotation<'a>(webhook_config: &'a Value, key: &str) -> Option<&'a str> {
    webhook_config["metadata"]["annotations"][key].as_str()
}

fn failure_policies(webhook_config: &Value) -> BTreeSet<String> {
    webhooks(webhook_config).map(|webhook| format!("{} {}", webhook["name"], webhook["failurePolicy"])).collect()
}

/// A field as driftwall manages it: absent and empty are the same.
fn managed_value(webhook: &Value, field: &str) -> Value {
    let mut value = webhook[field].clone();
    if field == "clientConfig"
        && let Some(client_config) = value.as_object_mut()
    {
        client_config.remove("caBundle");
    }
    let is_empty = match &value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => Map::is_empty(fields),
        _ => false,
    };
    if is_empty { Value::Null } else { value }
}

/// What is different, in words.
fn changes(live: &Value, desired: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    for webhook in webhooks(desired) {
        let name = webhook["name"].as_str().unwrap_or_default();
        match webhooks(live).find(|live| live["name"] == webhook["name"]) {
            Some(live_webhook) => changes.extend(webhook_changes(name, live_webhook, webhook)),
            None => changes.push(format!("webhook {name} is missing")),
        }
    }
    for webhook in webhooks(live) {
        if !webhooks(desired).any(|known| known["name"] == webhook["name"]) {
            changes.push(format!("webhook {} is not driftwall's", webhook["name"].as_str().unwrap_or_default()));
        }
    }
    changes
}

fn webhook_changes(name: &str, live: &Value, desired: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    for field in MANAGED_FIELDS {
        let (live, desired) = (managed_value(live, field), managed_value(desired, field));
        if live == desired {
            continue;
        }
        match field {
            "rules" => changes.extend(rule_changes(name, &live, &desired)),
            "timeoutSeconds" => changes.push(format!("timeoutSeconds of {name} is {live}, not {desired}")),
            _ => changes.push(format!("{field} of {name} is changed")),
        }
    }
    changes
}

fn rule_changes(webhook: &str, live: &Value, desired: &Value) -> Vec<String> {
    let (live, desired) = (rule_entries(live), rule_entries(desired));
    let mut changes = describe_entries(webhook, desired.difference(&live), "missing");
    changes.extend(describe_entries(webhook, live.difference(&desired), "added"));
    if changes.is_empty() {
        changes.push(format!("rules of {webhook} are in another order"));
    }
    changes
}

/// One line for each resource, with its operations.
fn describe_entries<'a>(webhook: &str, entries: impl Iterator<Item = &'a RuleEntry>, what: &str) -> Vec<String> {
    let mut resources: Vec<(String, Vec<&str>)> = Vec::new();
    for RuleEntry { version, resource, operation, .. } in entries {
        let name = format!("{version} {resource}");
        match resources.last_mut() {
            Some((last, operations)) if *last == name => operations.push(operation),
            _ => resources.push((name, vec![operation])),
        }
    }
    let describe = |(name, operations): (String, Vec<&str>)| {
        format!("rules of {webhook}: {name} ({}) is {what}", operations.join(", "))
    };
    resources.into_iter().map(describe).collect()
}

/// One operation on one resource for which the API server calls a webhook.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct RuleEntry {
    /// Group and version.
    version: String,
    resource: String,
    operation: String,
    scope: String,
}

fn rule_entries(rules: &Value) -> BTreeSet<RuleEntry> {
    let mut entries = BTreeSet::new();
    for rule in rules.as_array().into_iter().flatten() {
        let scope = rule["scope"].as_str().unwrap_or("*");
        for group in texts(&rule["apiGroups"]) {
            for version in texts(&rule["apiVersions"]) {
                let version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
                for resource in texts(&rule["resources"]) {
                    for operation in texts(&rule["operations"]) {
                        entries.insert(RuleEntry {
                            version: version.clone(),
                            resource: resource.to_owned(),
                            operation: operation.to_owned(),
                            scope: scope.to_owned(),
                        });
                    }
                }
            }
        }
    }
    entries
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
