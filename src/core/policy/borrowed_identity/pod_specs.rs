//! Where an object says what Pods run, and as whom.

use serde_json::Value;

use crate::actor::GitopsTool;
use crate::desired::kinds;
use crate::diff::{Path, PathElement};

/// A place in an object that says what runs as a service account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodSpec<'v> {
    /// Where it is.
    pub(super) path: Path,
    /// The field there that names the account.
    pub(super) field: &'v str,
    /// What is there.
    pub(super) spec: &'v Value,
    /// The service account; `None` where the object names none, which is `default`.
    pub(super) account: Option<&'v str>,
    /// The namespace of the account, where the object says which.
    pub(super) namespace: Option<&'v str>,
}

/// The kinds of Kubernetes that run Pods, and where they say which: group, kind, path.
const WORKLOADS: [(&str, &str, &[&str]); 9] = [
    ("", "Pod", &["spec"]),
    ("", "PodTemplate", &["template", "spec"]),
    ("", "ReplicationController", &["spec", "template", "spec"]),
    ("apps", "DaemonSet", &["spec", "template", "spec"]),
    ("apps", "Deployment", &["spec", "template", "spec"]),
    ("apps", "ReplicaSet", &["spec", "template", "spec"]),
    ("apps", "StatefulSet", &["spec", "template", "spec"]),
    ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    ("batch", "Job", &["spec", "template", "spec"]),
];

/// The field that names the account, and its old name, which Kubernetes still takes
/// (`k8s.io/api/core/v1`, `DeprecatedServiceAccount`).
const ACCOUNT_FIELDS: [&str; 2] = ["serviceAccountName", "serviceAccount"];

/// How the names of fields end, in small letters, by which custom resources say as whom their operators run something,
/// or whose token they ask for: Tekton's `taskServiceAccountName`, the `serviceAccountRef` of External Secrets and
/// cert-manager, the `serviceAccount` of OLM and of External Secrets' Kubernetes provider, which holds a `name`. A
/// list of accounts says for whom something is (`serviceAccounts` of Istio's `AuthorizationPolicy`).
const ACCOUNT_ENDINGS: [&str; 3] = ["serviceaccount", "serviceaccountname", "serviceaccountref"];

/// Beside such a field, the account's namespace where the object has none of its own (OLM's `ClusterExtension`).
const NAMESPACE_FIELDS: [&str; 2] = ["serviceAccountNamespace", "namespace"];

/// How deep a custom resource is searched: a template stands far higher.
const MAX_DEPTH: usize = 64;

/// Fields of a Pod and of its containers that say where and with what it runs, not
/// what: whoever changes them alone runs nothing else.
const NOT_WHAT_RUNS: [&str; 23] = [
    "activeDeadlineSeconds",
    "affinity",
    "imagePullPolicy",
    "nodeName",
    "nodeSelector",
    "overhead",
    "ports",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "replicas",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "terminationGracePeriodSeconds",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tolerations",
    "topologySpreadConstraints",
];
/// Added by another subresource, and judged by itself.
const EPHEMERAL_CONTAINERS: &str = "ephemeralContainers";

/// The places in an object that say what runs as a service account.
pub(super) fn pod_specs<'v>(group: &str, kind: &str, object: &'v Value) -> Vec<PodSpec<'v>> {
    if let Some((_, _, fields)) = WORKLOADS.iter().find(|(of, workload, _)| *of == group && *workload == kind) {
        let spec = fields.iter().fold(object, |value, field| &value[*field]);
        return vec![PodSpec {
            path: Path::of(fields),
            field: ACCOUNT_FIELDS[0],
            spec,
            account: account_of(spec),
            namespace: None,
        }];
    }
    let mut found = Vec::new();
    if may_run_pods(group, kind) {
        search(object, &mut Path::default(), None, MAX_DEPTH, &mut found);
    }
    found
}

/// Whether objects of a kind can make somebody run Pods: custom resources. Flux's name the account that Flux itself
/// takes on; what an Application hands to a chart is the chart's to interpret.
fn may_run_pods(group: &str, kind: &str) -> bool {
    kinds::is_custom_group(group) && GitopsTool::of_kind(group, kind).is_none()
}

/// Finds what names a service account, at any place in a custom resource. `namespace` is that of the object in it
/// which is searched, where it is another one than the custom resource.
fn search<'v>(
    value: &'v Value,
    path: &mut Path,
    namespace: Option<&'v str>,
    depth: usize,
    found: &mut Vec<PodSpec<'v>>,
) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Object(fields) => {
            // An object that the operator creates, with its own namespace.
            let is_object =
                fields.contains_key("kind") && fields.contains_key("apiVersion") && !path.elements().is_empty();
            let own = is_object.then(|| value["metadata"]["namespace"].as_str()).flatten();
            let namespace = own.or(namespace);
            for (name, inner) in fields.iter().filter(|(name, _)| *name != "status" && *name != "metadata") {
                if let Some((account, of_account)) = names_account(name).then(|| account_in(inner)).flatten() {
                    let beside = || NAMESPACE_FIELDS.iter().find_map(|field| value[*field].as_str());
                    let namespace = of_account.or_else(beside).or(namespace);
                    let (path, account) = (path.clone(), Some(account));
                    found.push(PodSpec { path, field: name, spec: value, account, namespace });
                }
                path.push(PathElement::Field(name.as_str().into()));
                search(inner, path, namespace, depth - 1, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(PathElement::Index(index));
                search(item, path, namespace, depth - 1, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Whether a field says as whom something runs.
fn names_account(field: &str) -> bool {
    let ends = |ending: &&str| {
        let start = field.len().checked_sub(ending.len());
        start.and_then(|start| field.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    ACCOUNT_ENDINGS.iter().any(ends)
}

/// The account that such a field names, and its namespace where it says which.
fn account_in(value: &Value) -> Option<(&str, Option<&str>)> {
    match value {
        Value::String(text) => {
            // `NAMESPACE:NAME`, `NAMESPACE/NAME`, and the name of the user.
            let (namespace, name) = match text.rsplit_once([':', '/']) {
                Some((before, name)) => (before.rsplit([':', '/']).next(), name),
                None => (None, text.as_str()),
            };
            (!name.is_empty()).then_some((name, namespace))
        }
        Value::Object(fields) => {
            let text = |field: &str| fields.get(field)?.as_str().filter(|text| !text.is_empty());
            Some((text("name")?, text("namespace")))
        }
        _ => None,
    }
}

fn account_of(spec: &Value) -> Option<&str> {
    let mut names = ACCOUNT_FIELDS.iter().filter_map(|field| spec.get(field)?.as_str());
    names.find(|name| !name.is_empty())
}

/// What runs, of all that a Pod or a template says.
pub(super) fn what_runs(spec: &Value) -> Value {
    match spec {
        Value::Object(fields) => {
            let is_kept = |name: &String| {
                let name = name.as_str();
                !NOT_WHAT_RUNS.contains(&name) && !ACCOUNT_FIELDS.contains(&name) && name != EPHEMERAL_CONTAINERS
            };
            let kept = fields.iter().filter(|(name, _)| is_kept(name));
            Value::Object(kept.map(|(name, value)| (name.clone(), containers_that_run(name, value))).collect())
        }
        other => other.clone(),
    }
}

/// The containers of a Pod without what does not say what they run.
fn containers_that_run(name: &str, value: &Value) -> Value {
    match value {
        Value::Array(containers) if matches!(name, "containers" | "initContainers") => {
            containers.iter().map(what_runs).collect()
        }
        other => other.clone(),
    }
}

/// The ephemeral containers of a Pod that its old version has not.
pub(super) fn new_ephemeral_containers<'v>(old: &Value, new: &'v Value) -> Vec<&'v Value> {
    let of = |pod: &Value| pod["spec"][EPHEMERAL_CONTAINERS].as_array().cloned().unwrap_or_default();
    let before = of(old);
    let after = new["spec"][EPHEMERAL_CONTAINERS].as_array().into_iter().flatten();
    after.filter(|container| !before.contains(container)).collect()
}

/// Whether a container mounts the token of the Pod's account, from the volume that
/// the server adds to every Pod, one of the Pod's own, or a Secret that holds one.
pub(super) fn mounts_token(container: &Value, spec: &Value, account: &str) -> bool {
    let mounts = container["volumeMounts"].as_array().into_iter().flatten();
    let volumes = || spec["volumes"].as_array().into_iter().flatten();
    mounts.into_iter().any(|mount| {
        let holds_token = |volume: &Value| {
            let sources = volume["projected"]["sources"].as_array().into_iter().flatten();
            let secret = volume["secret"]["secretName"].as_str().unwrap_or_default();
            sources.into_iter().any(|source| !source["serviceAccountToken"].is_null())
                || secret.starts_with(&format!("{account}-token-"))
        };
        match volumes().find(|volume| volume["name"] == mount["name"]) {
            Some(volume) => holds_token(volume),
            // The name of the volume that the ServiceAccount admission plugin adds.
            None => mount["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-")),
        }
    })
}
