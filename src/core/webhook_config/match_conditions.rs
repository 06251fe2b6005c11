//! Match conditions: which writes the API server leaves out by itself, so that
//! it does not even call.
//!
//! Each condition leaves out what is exempt by identity anyway, and by the same
//! identity: a user name counts only with the groups that the API server gives it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::actor::{COMPONENTS, CONTROLLERS};
use crate::policy::{BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL};

/// The writer has a name.
const NAMED: &str = "has(request.userInfo.username)";

/// The writer is a node.
const NODE: &str = r#"request.userInfo.username.startsWith("system:node:") && has(request.userInfo.groups) && "system:nodes" in request.userInfo.groups"#;

/// The writer is a service account of the control plane's namespace.
const IN_KUBE_SYSTEM: &str = r#"has(request.userInfo.groups) && "system:serviceaccounts" in request.userInfo.groups && "system:serviceaccounts:kube-system" in request.userInfo.groups"#;

/// The HorizontalPodAutoscaler's controller scales; whatever else it writes is evaluated.
const AUTOSCALER: &str = r#"request.userInfo.username == "system:serviceaccount:kube-system:horizontal-pod-autoscaler" && has(request.subResource) && request.subResource in ["scale", "status"]"#;

/// Leases and Events, which leaders and kubelets renew every few seconds.
const LEASES_AND_EVENTS: &str = r#"request.resource.group in ["coordination.k8s.io", "events.k8s.io"] || (request.resource.group == "" && request.resource.resource == "events")"#;

/// driftwall's own cluster-scoped objects, which no namespace selector could
/// leave out: its roles, and the definition of `BreakGlass`. With
/// `failurePolicy: Fail` nobody could repair a driftwall that is down otherwise.
fn own_objects(name: &str) -> String {
    let roles = json!([name, format!("{name}-break-glass"), format!("{name}-break-glass-view")]);
    let definition = json!(format!("{BREAK_GLASS_PLURAL}.{BREAK_GLASS_GROUP}"));
    format!(
        "has(request.name) && (request.resource.group == \"rbac.authorization.k8s.io\" && !has(request.namespace) && \
         request.name in {roles} || request.resource.group == \"apiextensions.k8s.io\" && request.name == {definition})"
    )
}

/// The condition that a Secret is one that the control plane fills with a
/// service account's token.
pub(super) fn is_token_secret() -> Value {
    json!({
        "name": "is-a-token-secret",
        "expression": "has(object.type) && object.type == \"kubernetes.io/service-account-token\"",
    })
}

/// The condition that the writer is no service account. A name without its groups is nobody's.
pub(super) fn is_not_a_service_account() -> Value {
    let account = r#"request.userInfo.username.startsWith("system:serviceaccount:")"#;
    let groups = r#"has(request.userInfo.groups) && "system:serviceaccounts" in request.userInfo.groups"#;
    none_of("is-not-a-service-account", &format!("{NAMED} && {account} && {groups}"))
}

/// The condition that the write is not sent to another webhook of driftwall's too: its warnings would be
/// shown twice. `resources` are `group/resource` or `group/resource/subresource`, `groups` those of
/// which all resources are sent.
pub(super) fn is_not_sent_already(resources: &BTreeSet<String>, groups: &BTreeSet<String>) -> Value {
    let subresource = r#"(has(request.subResource) ? "/" + request.subResource : "")"#;
    let resource = format!(r#"request.resource.group + "/" + request.resource.resource + {subresource}"#);
    let expression = format!("request.resource.group in {} || ({resource}) in {}", json!(groups), json!(resources));
    none_of("is-not-sent-already", &expression)
}

/// The conditions that leave out exempt writers, and driftwall's own objects;
/// `name` is that of its roles. An expression that fails lets the write pass
/// unseen, so each asks first whether there is a name and whether there are groups: what is empty is not there.
pub(super) fn not_exempt(name: &str) -> Vec<Value> {
    let controllers = Value::from_iter(CONTROLLERS.map(|name| format!("system:serviceaccount:kube-system:{name}")));
    let components = json!(COMPONENTS);
    vec![
        none_of("not-a-component", &format!("{NAMED} && request.userInfo.username in {components}")),
        none_of(
            "not-a-controller",
            &format!("{NAMED} && request.userInfo.username in {controllers} && {IN_KUBE_SYSTEM}"),
        ),
        none_of("not-a-lease-or-event", LEASES_AND_EVENTS),
        none_of("not-a-node", &format!("{NAMED} && {NODE}")),
        none_of("not-driftwall-itself", &own_objects(name)),
        none_of("not-the-autoscaler", &format!("{NAMED} && {AUTOSCALER} && {IN_KUBE_SYSTEM}")),
    ]
}

pub(super) fn none_of(name: &str, expression: &str) -> Value {
    json!({"name": name, "expression": format!("!({expression})")})
}
