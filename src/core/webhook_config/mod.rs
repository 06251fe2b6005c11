//! Which writes the API server asks about: a `ValidatingWebhookConfiguration`
//! made from what Git declares, and no wider; and how a live one stands to it.

mod live_state;
mod match_conditions;
mod rules;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::desired::Snapshot;

pub use live_state::{
    APPLIED_ANNOTATION, FAILURE_POLICY_ANNOTATION, LiveState, applied_hash, live_state, preserve_failure_policies,
};
pub use rules::kinds_in_several_versions;

/// What a registration needs beside the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookParameters {
    /// The name of the configuration.
    pub name: String,
    /// Its labels, beside the one that names the program.
    pub labels: BTreeMap<String, String>,
    /// The CA of the serving certificate, PEM in base64; left to others where there is none.
    pub ca_bundle: Option<String>,
    /// Where the webhook is reached.
    pub endpoint: Endpoint,
    /// What the API server does when the webhook cannot be called: `Ignore` or `Fail`.
    pub failure_policy: &'static str,
    /// How long the API server waits for an answer.
    pub timeout_seconds: u8,
    /// Namespaces that are never asked about: driftwall's own, and the control plane's.
    pub excluded_namespaces: Vec<String>,
    /// Namespaces in which the creation of anything that Git does not declare is
    /// asked about; `None` where it may be any.
    pub strict_namespaces: Option<Vec<String>>,
    /// Whether broken glass is asked about, so that an unusable one is refused.
    pub break_glass: bool,
    /// Whether the API server knows `matchConditions`; an older one drops them in silence.
    pub match_conditions: bool,
    /// What the API server calls the kinds that Git does not define; of a group
    /// whose kind is not here, everything is asked about.
    pub plurals: Plurals,
}

/// Plurals, by group and kind.
pub type Plurals = BTreeMap<(String, String), String>;

/// Where the webhook is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// A URL, which the API server can reach from where it runs.
    Url(String),
}

/// The webhook that is asked about what Git declares.
pub const WRITES_WEBHOOK: &str = "writes.driftwall.io";
const STRICT: &str = "strict.driftwall.io";
const BREAK_GLASS: &str = "break-glass.driftwall.io";
const TOKENS: &str = "tokens.driftwall.io";

/// What passes when the webhook for broken glass cannot be called: everything,
/// for in an emergency driftwall itself may be what is down.
const OPEN: &str = "Ignore";

/// The `ValidatingWebhookConfiguration` for what the snapshot declares, in the
/// form in which an API server stores it. The same content gives the same text.
pub fn build(snapshot: &Snapshot, parameters: &WebhookParameters) -> Value {
    let WebhookParameters { name, labels, excluded_namespaces, strict_namespaces, failure_policy, break_glass, .. } =
        parameters;
    let not_excluded = of_namespaces("NotIn", excluded_namespaces);
    let rules = rules::rules(snapshot, &parameters.plurals, parameters.match_conditions);
    let mut webhooks =
        vec![webhook(parameters, WRITES_WEBHOOK, failure_policy, &json!({"matchExpressions": [not_excluded]}), &rules)];
    if strict_namespaces.as_ref().is_none_or(|names| !names.is_empty()) {
        let places = match strict_namespaces {
            Some(names) => json!([of_namespaces("In", names), not_excluded]),
            None => json!([not_excluded]),
        };
        let rule = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"], "scope": "Namespaced"});
        webhooks.push(webhook(parameters, STRICT, failure_policy, &json!({"matchExpressions": places}), &[rule]));
    }
    if *break_glass {
        // In driftwall's own namespace too: there it is for what has none.
        let rule = json!({"apiGroups": ["driftwall.io"], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"], "resources": ["breakglasses"], "scope": "*"});
        let mut asked = webhook(parameters, BREAK_GLASS, OPEN, &json!({}), &[rule]);
        // Whoever it is, what cannot be used is refused.
        asked.as_object_mut().into_iter().for_each(|webhook| drop(webhook.remove("matchConditions")));
        webhooks.push(asked);
    }
    if parameters.match_conditions {
        // Every other Secret stays out at the API server: they are many, and nobody's business here.
        let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["secrets"], "scope": "*"});
        let places = json!({"matchExpressions": [not_excluded]});
        let mut asked = webhook(parameters, TOKENS, failure_policy, &places, &[rule]);
        asked["matchConditions"].as_array_mut().into_iter().for_each(|all| all.push(match_conditions::of_token()));
        webhooks.push(asked);
    }
    let mut all = Map::from_iter([("app.kubernetes.io/name".to_owned(), Value::from("driftwall"))]);
    all.extend(labels.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name, "labels": all, "annotations": {FAILURE_POLICY_ANNOTATION: failure_policy}},
        "webhooks": webhooks,
    })
}

fn of_namespaces(operator: &str, values: &[String]) -> Value {
    json!({"key": "kubernetes.io/metadata.name", "operator": operator, "values": values})
}

fn webhook(
    parameters: &WebhookParameters,
    name: &str,
    failure_policy: &str,
    namespaces: &Value,
    rules: &[Value],
) -> Value {
    let mut webhook = json!({
        "name": name,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client(parameters),
        "failurePolicy": failure_policy,
        "matchPolicy": "Equivalent",
        "namespaceSelector": namespaces,
        "objectSelector": {},
        "rules": rules,
        "sideEffects": "None",
        "timeoutSeconds": parameters.timeout_seconds,
    });
    if parameters.match_conditions {
        webhook["matchConditions"] = match_conditions::conditions(&parameters.name);
    }
    webhook
}

fn client(WebhookParameters { ca_bundle, endpoint, .. }: &WebhookParameters) -> Value {
    let mut client = match endpoint {
        Endpoint::Service { namespace, name, port } => {
            json!({"service": {"namespace": namespace, "name": name, "path": "/validate", "port": port}})
        }
        Endpoint::Url(url) => json!({"url": url}),
    };
    if let Some(ca_bundle) = ca_bundle {
        client["caBundle"] = ca_bundle.as_str().into();
    }
    client
}
