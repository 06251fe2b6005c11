//! Builds the `ValidatingWebhookConfiguration`.

use serde_json::{Map, Value, json};

use super::live_state::FAILURE_POLICY_ANNOTATION;
use super::match_conditions;
use super::parameters::{Endpoint, WebhookParameters};
use super::people;
use super::review_path::url_with_path;
use super::rules::SentWrites;
use crate::canary::{CANARY_LABEL, CANARY_TIMEOUT_SECONDS, CANARY_WEBHOOK};
use crate::desired::Snapshot;

/// The webhook to which writes to what Git declares are sent.
pub const WRITES_WEBHOOK: &str = "writes.driftwall.io";
const STRICT_WEBHOOK: &str = "strict.driftwall.io";
const BREAK_GLASS_WEBHOOK: &str = "break-glass.driftwall.io";
const TOKENS_WEBHOOK: &str = "tokens.driftwall.io";
const IDENTITIES_WEBHOOK: &str = "identities.driftwall.io";
const TOOLS_WEBHOOK: &str = "tools.driftwall.io";
const UNDECLARED_WEBHOOK: &str = "undeclared.driftwall.io";

/// The failure policy of some webhooks, whatever is configured: of the one for break-glass, because in
/// an emergency driftwall itself may be what is down; of the others, because most of what they are
/// called for does not concern Git.
const FAIL_OPEN: &str = "Ignore";

/// The `ValidatingWebhookConfiguration` for what the snapshot declares, in the
/// form in which an API server stores it. The same content gives the same text.
pub fn build(snapshot: &Snapshot, parameters: &WebhookParameters) -> Value {
    let mut webhooks = vec![writes_webhook(snapshot, parameters)];
    webhooks.extend(strict_webhook(parameters));
    if parameters.break_glass {
        webhooks.push(break_glass_webhook(parameters));
    }
    if parameters.match_conditions {
        webhooks.push(tokens_webhook(parameters));
        webhooks.extend(people_webhooks(snapshot, parameters));
        webhooks.push(undeclared_webhook(snapshot, parameters));
    }
    webhooks.extend(parameters.canary.as_ref().map(|service| canary_webhook(parameters, service)));
    let mut labels = Map::new();
    labels.insert("app.kubernetes.io/name".to_owned(), "driftwall".into());
    for (key, value) in &parameters.labels {
        labels.insert(key.clone(), value.as_str().into());
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {
            "name": parameters.name,
            "labels": labels,
            "annotations": {FAILURE_POLICY_ANNOTATION: parameters.failure_policy},
        },
        "webhooks": webhooks,
    })
}

/// Writes to what Git declares, and to what may affect it.
fn writes_webhook(snapshot: &Snapshot, parameters: &WebhookParameters) -> Value {
    let namespaces = json!({"matchExpressions": [not_excluded(parameters)]});
    webhook(parameters, WRITES_WEBHOOK, &namespaces, &sent_writes(snapshot, parameters).rules())
}

fn sent_writes<'a>(snapshot: &'a Snapshot, parameters: &WebhookParameters) -> SentWrites<'a> {
    SentWrites::new(snapshot, &parameters.served, parameters.match_conditions)
}

/// What else persons change: anything may have been made by a controller for a declared object, and
/// only owner references say so. Service accounts are left out, and so is what is sent already.
fn undeclared_webhook(snapshot: &Snapshot, parameters: &WebhookParameters) -> Value {
    let namespaces = json!({"matchExpressions": [not_excluded(parameters)]});
    let rule = json!({
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["*", "*/ephemeralcontainers", "*/finalize", "*/resize", "*/scale", "*/status"],
        "scope": "*",
    });
    let mut webhook = webhook(parameters, UNDECLARED_WEBHOOK, &namespaces, &[rule]);
    webhook["failurePolicy"] = FAIL_OPEN.into();
    if let Value::Array(conditions) = &mut webhook["matchConditions"] {
        let (resources, groups) = sent_writes(snapshot, parameters).updates();
        conditions.push(match_conditions::is_not_a_service_account());
        conditions.push(match_conditions::is_not_sent_already(&resources, &groups));
    }
    webhook
}

/// The creation of anything in strict namespaces; `None` where there are none.
fn strict_webhook(parameters: &WebhookParameters) -> Option<Value> {
    let namespaces = match &parameters.strict_namespaces {
        Some(names) if names.is_empty() => return None,
        Some(names) => json!([namespace_requirement("In", names), not_excluded(parameters)]),
        None => json!([not_excluded(parameters)]),
    };
    let namespaces = json!({"matchExpressions": namespaces});
    let rule = json!({
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["*"],
        "scope": "Namespaced",
    });
    Some(webhook(parameters, STRICT_WEBHOOK, &namespaces, &[rule]))
}

/// Writes to `BreakGlass` objects, in driftwall's own namespace too: those there
/// cover objects without a namespace.
fn break_glass_webhook(parameters: &WebhookParameters) -> Value {
    let rule = json!({
        "apiGroups": ["driftwall.io"],
        "apiVersions": ["v1alpha1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["breakglasses"],
        "scope": "*",
    });
    // Whoever creates it, one that is not valid is denied: no writer is left out.
    let for_all_writers = WebhookParameters { match_conditions: false, ..parameters.clone() };
    let mut webhook = webhook(&for_all_writers, BREAK_GLASS_WEBHOOK, &json!({}), &[rule]);
    webhook["failurePolicy"] = FAIL_OPEN.into();
    webhook
}

/// The canary, which only driftwall writes. `Fail` blocks nobody else, and lets the API server say why it cannot call.
fn canary_webhook(parameters: &WebhookParameters, service: &str) -> Value {
    let namespaces = namespace_requirement("In", std::slice::from_ref(&parameters.own_namespace));
    let rule = json!({
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["configmaps"],
        "scope": "Namespaced",
    });
    let for_all_writers = WebhookParameters { match_conditions: false, ..parameters.clone() };
    let mut webhook = webhook(&for_all_writers, CANARY_WEBHOOK, &json!({"matchExpressions": [namespaces]}), &[rule]);
    webhook["objectSelector"] = json!({"matchLabels": {CANARY_LABEL: service}});
    webhook["failurePolicy"] = "Fail".into();
    webhook["timeoutSeconds"] = parameters.timeout_seconds.min(CANARY_TIMEOUT_SECONDS).into();
    webhook
}

/// What people do without touching what Git declares. To let something run as an
/// exempt account is possible in the control plane's namespace too, so only
/// driftwall's own is left out there, and the webhook never blocks a cluster.
fn people_webhooks(snapshot: &Snapshot, parameters: &WebhookParameters) -> Vec<Value> {
    let sent = sent_writes(snapshot, parameters).certain();
    let build = |name, namespaces: Value, selection: people::Selection| {
        let people::Selection { rules, conditions } = selection;
        let mut webhook = webhook(parameters, name, &json!({"matchExpressions": [namespaces]}), &rules);
        webhook["failurePolicy"] = FAIL_OPEN.into();
        if let Value::Array(all) = &mut webhook["matchConditions"] {
            all.extend(conditions);
        }
        webhook
    };
    let identities = people::borrowed_identities(parameters, &sent);
    let mut webhooks = vec![build(IDENTITIES_WEBHOOK, not_own(parameters), identities)];
    if !parameters.writers.tools.is_empty() {
        webhooks.push(build(TOOLS_WEBHOOK, not_excluded(parameters), people::gitops_tools(parameters, &sent)));
    }
    webhooks
}

/// Secrets that are filled with a service account's token. All others stay out
/// by a match condition: they are many, and none of them matters here.
fn tokens_webhook(parameters: &WebhookParameters) -> Value {
    let namespaces = json!({"matchExpressions": [not_own(parameters)]});
    let rule = json!({
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["secrets"],
        "scope": "*",
    });
    let mut webhook = webhook(parameters, TOKENS_WEBHOOK, &namespaces, &[rule]);
    webhook["failurePolicy"] = FAIL_OPEN.into();
    if let Value::Array(conditions) = &mut webhook["matchConditions"] {
        conditions.push(match_conditions::is_token_secret());
    }
    webhook
}

fn not_own(parameters: &WebhookParameters) -> Value {
    namespace_requirement("NotIn", std::slice::from_ref(&parameters.own_namespace))
}

fn not_excluded(parameters: &WebhookParameters) -> Value {
    namespace_requirement("NotIn", &parameters.excluded_namespaces)
}

fn namespace_requirement(operator: &str, names: &[String]) -> Value {
    json!({"key": "kubernetes.io/metadata.name", "operator": operator, "values": names})
}

fn webhook(parameters: &WebhookParameters, name: &str, namespaces: &Value, rules: &[Value]) -> Value {
    let mut webhook = json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client_config(parameters),
        "failurePolicy": parameters.failure_policy,
        "matchPolicy": "Equivalent",
        "namespaceSelector": namespaces,
        "objectSelector": {},
        "rules": rules,
        "sideEffects": "None",
        "timeoutSeconds": parameters.timeout_seconds,
    });
    if parameters.match_conditions {
        webhook["matchConditions"] = match_conditions::not_exempt(&parameters.name).into();
    }
    webhook
}

fn client_config(parameters: &WebhookParameters) -> Value {
    let mut client_config = match &parameters.endpoint {
        Endpoint::Service { namespace, name, port } => {
            let path = parameters.path.as_str();
            json!({"service": {"namespace": namespace, "name": name, "path": path, "port": port}})
        }
        Endpoint::Url(url) => json!({"url": url_with_path(url, &parameters.path)}),
    };
    if let Some(ca_bundle) = &parameters.ca_bundle {
        client_config["caBundle"] = ca_bundle.as_str().into();
    }
    client_config
}
