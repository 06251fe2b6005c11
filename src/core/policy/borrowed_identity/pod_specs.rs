//! Where an object says what Pods run, and as whom.

use serde_json::Value;

use crate::diff::{Path, PathElement};

/// A place in an object that says what runs as a service account.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodSpec<'v> {
    /// Where it is.
    pub(super) path: Path,
    /// What is there.
    pub(super) spec: &'v Value,
    /// The service account; `None` where the object names none, which is `default`.
    pub(super) account: Option<&'v str>,
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
        return vec![PodSpec { path: Path::of(fields), spec, account: account_of(spec) }];
    }
    let mut found = Vec::new();
    if may_run_pods(group) {
        search(object, &mut Path::default(), MAX_DEPTH, &mut found);
    }
    found
}

/// Whether objects of a group can make somebody run Pods: custom resources. Flux's
/// name the account that Flux itself takes on.
fn may_run_pods(group: &str) -> bool {
    let is_built_in = !group.contains('.') || group.ends_with(".k8s.io");
    !is_built_in && !group.ends_with(".toolkit.fluxcd.io")
}

/// Finds what names a service account, at any place in a custom resource.
fn search<'v>(value: &'v Value, path: &mut Path, depth: usize, found: &mut Vec<PodSpec<'v>>) {
    if depth == 0 {
        return;
    }
    if let Some(account) = account_of(value) {
        found.push(PodSpec { path: path.clone(), spec: value, account: Some(account) });
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| *name != "status" && *name != "metadata") {
                path.push(PathElement::Field(name.as_str().into()));
                search(value, path, depth - 1, found);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(PathElement::Index(index));
                search(item, path, depth - 1, found);
                path.pop();
            }
        }
        _ => {}
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
