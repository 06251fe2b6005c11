//! Who is never asked about: said to the API server, so that it does not even call.
//!
//! Each condition leaves out what is exempt by identity anyway, and by the same
//! marks: a name counts only with the groups that the API server gives it.

use serde_json::{Value, json};

use crate::actor::{COMPONENTS, CONTROLLERS};
use crate::policy::{BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL};

/// That it is a node's own write.
const NODE: &str =
    r#"request.userInfo.username.startsWith("system:node:") && "system:nodes" in request.userInfo.groups"#;

/// That it is a service account of the control plane's namespace.
const OF_KUBE_SYSTEM: &str = r#""system:serviceaccounts" in request.userInfo.groups && "system:serviceaccounts:kube-system" in request.userInfo.groups"#;

/// The autoscaler's work; whatever else it writes is judged.
const AUTOSCALER: &str = r#"request.userInfo.username == "system:serviceaccount:kube-system:horizontal-pod-autoscaler" && has(request.subResource) && request.subResource in ["scale", "status"]"#;

/// Notes of what runs, which leaders and kubelets renew every few seconds.
const NOTE: &str = r#"request.resource.group in ["coordination.k8s.io", "events.k8s.io"] || (request.resource.group == "" && request.resource.resource == "events")"#;

/// That it is of driftwall's own making and in no namespace, where a selector of
/// namespaces could leave it out: its roles, and the definition of broken glass.
/// With `failurePolicy: Fail` nobody could mend a driftwall that is down otherwise.
fn its_own(name: &str) -> String {
    let roles = json!([name, format!("{name}-break-glass"), format!("{name}-break-glass-view")]);
    let definition = json!(format!("{BREAK_GLASS_PLURAL}.{BREAK_GLASS_GROUP}"));
    format!(
        "has(request.name) && (request.resource.group == \"rbac.authorization.k8s.io\" && !has(request.namespace) && \
         request.name in {roles} || request.resource.group == \"apiextensions.k8s.io\" && request.name == {definition})"
    )
}

/// That a Secret is one that the control plane fills with a token of a service account.
pub(super) fn of_token() -> Value {
    json!({
        "name": "of-a-token",
        "expression": "has(object.type) && object.type == \"kubernetes.io/service-account-token\"",
    })
}

/// The conditions under which a write is asked about. An expression that fails
/// lets the write pass, so each asks for a name before it asks for groups, which
/// may be absent.
pub(super) fn conditions(name: &str) -> Value {
    let accounts = Value::from_iter(CONTROLLERS.map(|name| format!("system:serviceaccount:kube-system:{name}")));
    let not = |name: &str, what: &str| json!({"name": name, "expression": format!("!({what})")});
    json!([
        not("not-a-component", &format!("request.userInfo.username in {}", json!(COMPONENTS))),
        not("not-a-controller", &format!("request.userInfo.username in {accounts} && {OF_KUBE_SYSTEM}")),
        not("not-a-node", NODE),
        not("not-a-note", NOTE),
        not("not-its-own", &its_own(name)),
        not("not-the-autoscaler", &format!("{AUTOSCALER} && {OF_KUBE_SYSTEM}")),
    ])
}
