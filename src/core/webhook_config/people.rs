//! The webhooks for what people do without touching what Git declares: to let
//! something run as an exempt account, and to tell a GitOps tool what to deploy.
//! Both leave the API server's own traffic out by match conditions, so they are
//! registered only where it knows those; and both never block a cluster.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::match_conditions::{is_not_a_service_account, none_of};
use super::parameters::WebhookParameters;
use crate::actor::GitopsTool;
use crate::applications::ARGOCD_SETTINGS;
use crate::desired::kinds;
use crate::policy::BREAK_GLASS_GROUP;

/// What runs Pods, of Kubernetes itself: group, resources.
const WORKLOADS: [(&str, &[&str]); 3] = [
    ("", &["pods", "podtemplates", "replicationcontrollers"]),
    ("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"]),
    ("batch", &["cronjobs", "jobs"]),
];

/// What tells Flux what to deploy.
const FLUX_RESOURCES: [(&str, &[&str]); 3] = [
    ("helm.toolkit.fluxcd.io", &["helmreleases"]),
    ("kustomize.toolkit.fluxcd.io", &["kustomizations"]),
    (
        "source.toolkit.fluxcd.io",
        &["buckets", "externalartifacts", "gitrepositories", "helmcharts", "helmrepositories", "ocirepositories"],
    ),
];
/// What tells Argo CD what to deploy.
const ARGOCD_RESOURCES: [(&str, &[&str]); 1] = [("argoproj.io", &["applications", "applicationsets", "appprojects"])];

/// Rules and match conditions of a webhook, the latter in addition to the usual ones.
pub(super) struct Selection {
    pub(super) rules: Vec<Value>,
    pub(super) conditions: Vec<Value>,
}

/// Writes by which a person may let something run as an exempt account, in all
/// namespaces. `sent` are the writes that are sent to the webhook for what Git declares
/// for certain, outside of the excluded namespaces.
pub(super) fn borrowed_identities(parameters: &WebhookParameters, sent: &BTreeSet<String>) -> Selection {
    let mut rules = vec![rule("", &["CREATE"], &["serviceaccounts/token".to_owned()])];
    let mut built_in = Vec::new();
    for (group, resources) in WORKLOADS {
        let resources: Vec<_> = resources.iter().map(|resource| (*resource).to_owned()).collect();
        rules.push(rule(group, &["CREATE", "UPDATE"], &resources));
        built_in.extend(resources);
    }
    rules.push(rule("", &["UPDATE"], &["pods/ephemeralcontainers".to_owned()]));
    rules.push(rule("*", &["CREATE", "UPDATE"], &["*".to_owned()]));
    let mut sent = sent.clone();
    for (group, resource) in tool_resources(parameters) {
        for operation in ["CREATE", "UPDATE"] {
            sent.insert(format!("{operation} {group}/{resource}"));
        }
    }
    let mut conditions = vec![may_name_an_account(&built_in), is_not_sent_already(parameters, &sent)];
    if !parameters.writers.may_be_accounts {
        conditions.push(is_not_a_service_account());
    }
    Selection { rules, conditions }
}

/// Writes to the objects by which the GitOps tools in use are told what to deploy.
/// Their own controllers, which write these all the time, are left out.
pub(super) fn gitops_tools(parameters: &WebhookParameters, sent: &BTreeSet<String>) -> Selection {
    let mut rules = Vec::new();
    let mut controllers = Vec::new();
    for tool in &parameters.writers.tools {
        for (group, resources) in resources_of(*tool) {
            let with_status = |resource: &&str| [(*resource).to_owned(), format!("{resource}/status")];
            let resources: Vec<_> = resources.iter().flat_map(with_status).collect();
            rules.push(rule(group, &["CREATE", "DELETE", "UPDATE"], &resources));
        }
        if *tool == GitopsTool::ArgoCd {
            rules.push(rule("", &["CREATE", "DELETE", "UPDATE"], &["configmaps".to_owned()]));
        }
        for (namespace, name) in tool.default_controllers() {
            controllers.push(controller(namespace, name));
        }
    }
    let settings = json!(ARGOCD_SETTINGS);
    let mut conditions = vec![is_not_sent_already(parameters, sent)];
    if parameters.writers.tools.contains(&GitopsTool::ArgoCd) {
        let expression =
            format!(r#"request.resource.resource != "configmaps" || has(request.name) && request.name in {settings}"#);
        conditions.push(json!({"name": "is-of-a-tool", "expression": expression}));
    }
    if !controllers.is_empty() {
        conditions.push(none_of("is-not-its-own-controller", &controllers.join(" || ")));
    }
    Selection { rules, conditions }
}

/// What tells a tool what to deploy.
fn resources_of(tool: GitopsTool) -> &'static [(&'static str, &'static [&'static str])] {
    match tool {
        GitopsTool::ArgoCd => &ARGOCD_RESOURCES,
        GitopsTool::Flux => &FLUX_RESOURCES,
    }
}

/// What tells the tools in use what to deploy: groups and resources.
fn tool_resources(parameters: &WebhookParameters) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_tools = parameters.writers.tools.iter().flat_map(|tool| resources_of(*tool));
    of_tools.flat_map(|(group, resources)| resources.iter().map(move |resource| (*group, *resource)))
}

/// The condition that the object may say as whom something runs: the workloads and tokens of Kubernetes, and every
/// custom resource, since there are more operators than anybody could list. driftwall's own have a webhook of theirs.
fn may_name_an_account(built_in: &[String]) -> Value {
    let (resources, groups) = (json!(built_in), json!(kinds::DOTTED_BUILT_IN_GROUPS));
    let is_custom = format!(
        r#"request.resource.group.contains(".") && !(request.resource.group in {groups}) && request.resource.group != "{BREAK_GLASS_GROUP}""#
    );
    let is_workload = format!(r#"!request.resource.group.contains(".") && request.resource.resource in {resources}"#);
    // The rules name the subresources one by one.
    let subresource = r#"has(request.subResource) && request.subResource != """#;
    json!({
        "name": "may-name-an-account",
        "expression": format!("{subresource} || {is_custom} || {is_workload}"),
    })
}

/// The writer is a service account: by its name and by its groups.
const SERVICE_ACCOUNT: &str = r#"has(request.userInfo.username) && request.userInfo.username.startsWith("system:serviceaccount:") && has(request.userInfo.groups) && "system:serviceaccounts" in request.userInfo.groups"#;

/// The writer is this service account.
fn controller(namespace: &str, name: &str) -> String {
    let (user, group) = (
        json!(format!("system:serviceaccount:{namespace}:{name}")),
        json!(format!("system:serviceaccounts:{namespace}")),
    );
    format!(
        "has(request.userInfo.username) && request.userInfo.username == {user} && has(request.userInfo.groups) && \
         {group} in request.userInfo.groups"
    )
}

fn rule(group: &str, operations: &[&str], resources: &[String]) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": operations,
        "resources": resources,
        "scope": "*",
    })
}

/// The condition that the write is not sent to another webhook of driftwall's too: it
/// would be answered, counted and logged twice. Outside of the excluded namespaces, what
/// concerns declared objects is, and whatever else others than service accounts change.
fn is_not_sent_already(parameters: &WebhookParameters, sent: &BTreeSet<String>) -> Value {
    let of_request = r#"request.operation + " " + request.resource.group + "/""#;
    let subresource = r#"(has(request.subResource) && request.subResource != "" ? "/" + request.subResource : "")"#;
    let excluded = json!(parameters.excluded_namespaces);
    let writes = json!(sent);
    none_of(
        "is-not-sent-already",
        &format!(
            "!(has(request.namespace) && request.namespace in {excluded}) && \
             (request.operation == \"UPDATE\" && !({SERVICE_ACCOUNT}) || {of_request} + request.resource.resource + {subresource} in {writes} || \
             {of_request} + \"*\" + {subresource} in {writes})"
        ),
    )
}
