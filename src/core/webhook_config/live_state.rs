//! How a live configuration stands to the wanted one: whether it is as driftwall
//! left it, and where it is not, what somebody changed, in words.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The annotation that tells what driftwall applied last: a digest of it.
pub const APPLIED_ANNOTATION: &str = "driftwall.io/applied";

/// The annotation that tells which `failurePolicy` driftwall's configuration asked for last.
pub const FAILURE_POLICY_ANNOTATION: &str = "driftwall.io/failure-policy";

/// The form of the text that is digested; another one for every change of [`canonical`].
const FORM: &str = "1:";

/// How a live configuration stands to the wanted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveState {
    /// There is none.
    Absent,
    /// It is as it should be, but for `caBundle`, which others may keep.
    InSync,
    /// It is as driftwall left it, and something else is wanted now.
    Outdated,
    /// Somebody changed it; what, in words.
    Modified(Vec<String>),
}

/// What of a webhook is driftwall's to say. `failurePolicy` and `caBundle` may be others'.
const KEPT: [&str; 9] = [
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

/// Holds a live configuration against the wanted one, whose failure policies
/// are settled already ([`preserve_failure_policies`]). `digest` is what the
/// annotation [`APPLIED_ANNOTATION`] holds of a configuration's text.
pub fn live_state(live: Option<&Value>, wanted: &Value, digest: impl Fn(&str) -> String) -> LiveState {
    let Some(live) = live else { return LiveState::Absent };
    let (now, then) = (canonical(live), canonical(wanted));
    let applied = annotation(live, APPLIED_ANNOTATION);
    let is_as_noted = applied == Some(&*applied_hash(live, &digest));
    // Another version of driftwall may have noted it in another form.
    let is_as_left = is_as_noted || applied.is_some_and(|applied| !applied.starts_with(FORM));
    if now == then {
        let policy = |webhook: &Value| format!("{} {}", webhook["name"], webhook["failurePolicy"]);
        let policies = |of: &Value| webhooks(of).map(policy).collect::<BTreeSet<_>>();
        let is_noted =
            is_as_noted && annotation(live, FAILURE_POLICY_ANNOTATION) == annotation(wanted, FAILURE_POLICY_ANNOTATION);
        return if is_noted && policies(live) == policies(wanted) { LiveState::InSync } else { LiveState::Outdated };
    }
    if is_as_left { LiveState::Outdated } else { LiveState::Modified(differences(live, wanted)) }
}

/// What the annotation [`APPLIED_ANNOTATION`] says of a configuration.
pub fn applied_hash(configuration: &Value, digest: impl Fn(&str) -> String) -> String {
    format!("{FORM}{}", digest(&canonical(configuration)))
}

/// A configuration's webhooks in one text, without what others may set, and
/// without fields that only a later API server has.
fn canonical(configuration: &Value) -> String {
    let kept = webhooks(configuration).map(|webhook| {
        let fields = KEPT.iter().map(|field| of_driftwall(webhook, field)).collect::<Vec<_>>();
        json!([webhook["name"], fields]).to_string()
    });
    // Their order says nothing, and a server-side apply may change it.
    kept.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
}

/// Takes over the failure policies of a live configuration that an operator set:
/// those that are not what driftwall set last, unless driftwall's own
/// configuration asks for something else since. The webhooks whose policy is so, with it.
pub fn preserve_failure_policies(wanted: &mut Value, live: &Value) -> Vec<(String, String)> {
    let asked_before = annotation(live, FAILURE_POLICY_ANNOTATION).map(str::to_owned);
    if asked_before.is_none() || asked_before.as_deref() != annotation(wanted, FAILURE_POLICY_ANNOTATION) {
        return Vec::new();
    }
    let mut kept = Vec::new();
    for webhook in wanted["webhooks"].as_array_mut().into_iter().flatten() {
        let Some(there) = webhooks(live).find(|there| there["name"] == webhook["name"]) else { continue };
        let (Some(name), Some(policy)) = (webhook["name"].as_str(), there["failurePolicy"].as_str()) else { continue };
        if webhook["failurePolicy"] != policy {
            kept.push((name.to_owned(), policy.to_owned()));
            webhook["failurePolicy"] = policy.into();
        }
    }
    kept
}

fn webhooks(configuration: &Value) -> impl Iterator<Item = &Value> {
    configuration["webhooks"].as_array().into_iter().flatten()
}

fn annotation<'a>(configuration: &'a Value, key: &str) -> Option<&'a str> {
    configuration["metadata"]["annotations"][key].as_str()
}

/// A field as driftwall writes it: what is absent and what is empty are the same.
fn of_driftwall(webhook: &Value, field: &str) -> Value {
    let mut value = webhook[field].clone();
    if field == "clientConfig"
        && let Some(client) = value.as_object_mut()
    {
        client.remove("caBundle");
    }
    let is_empty =
        value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(serde_json::Map::is_empty);
    if is_empty { Value::Null } else { value }
}

/// What is different, in words.
fn differences(live: &Value, wanted: &Value) -> Vec<String> {
    let mut words = Vec::new();
    for webhook in webhooks(wanted) {
        let name = webhook["name"].as_str().unwrap_or_default();
        match webhooks(live).find(|there| there["name"] == webhook["name"]) {
            Some(there) => words.extend(of_webhook(name, there, webhook)),
            None => words.push(format!("webhook {name} is missing")),
        }
    }
    for webhook in webhooks(live) {
        if !webhooks(wanted).any(|known| known["name"] == webhook["name"]) {
            words.push(format!("webhook {} is not driftwall's", webhook["name"].as_str().unwrap_or_default()));
        }
    }
    words
}

fn of_webhook(webhook: &str, live: &Value, wanted: &Value) -> Vec<String> {
    let mut words = Vec::new();
    for field in KEPT {
        let (now, then) = (of_driftwall(live, field), of_driftwall(wanted, field));
        if now == then {
            continue;
        }
        match field {
            "rules" => words.extend(of_rules(webhook, &now, &then)),
            "timeoutSeconds" => words.push(format!("timeoutSeconds of {webhook} is {now}, not {then}")),
            _ => words.push(format!("{field} of {webhook} is changed")),
        }
    }
    words
}

/// What is asked about: group and version, resource, operation, scope.
type Asked = (String, String, String, String);

fn of_rules(webhook: &str, live: &Value, wanted: &Value) -> Vec<String> {
    let (now, then) = (asked(live), asked(wanted));
    let tell = |these: BTreeSet<&Asked>, what: &str| {
        let mut told: Vec<(String, Vec<&str>)> = Vec::new();
        for (version, resource, operation, _) in these {
            let thing = format!("{version} {resource}");
            match told.last_mut() {
                Some((last, operations)) if *last == thing => operations.push(operation),
                _ => told.push((thing, vec![operation])),
            }
        }
        let sentence = |(thing, operations): (String, Vec<&str>)| {
            format!("rules of {webhook}: {thing} ({}) is {what}", operations.join(", "))
        };
        told.into_iter().map(sentence).collect::<Vec<_>>()
    };
    let mut words = tell(then.difference(&now).collect(), "missing");
    words.extend(tell(now.difference(&then).collect(), "added"));
    if words.is_empty() {
        words.push(format!("rules of {webhook} are in another order"));
    }
    words
}

fn asked(rules: &Value) -> BTreeSet<Asked> {
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        let list = rule[field].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut asked = BTreeSet::new();
    for rule in rules.as_array().into_iter().flatten() {
        let scope = rule["scope"].as_str().unwrap_or("*");
        for group in texts(rule, "apiGroups") {
            for version in texts(rule, "apiVersions") {
                let version = if group.is_empty() { version } else { format!("{group}/{version}") };
                for resource in texts(rule, "resources") {
                    for operation in texts(rule, "operations") {
                        asked.insert((version.clone(), resource.clone(), operation, scope.to_owned()));
                    }
                }
            }
        }
    }
    asked
}
