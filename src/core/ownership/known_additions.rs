//! What the API server itself adds where `managedFields` cannot tell it from what the
//! writer brings: to lists that have one owner, and where defaults count as the writer's.
//! Where nothing is known of the owners, its other additions to a new object too.

use serde_json::{Map, Value};

use super::additions::Evidence;
use super::pod_defaults;

/// Where kinds have their Pods' specification.
const POD_SPECS: [(&str, &str, &str); 10] = [
    ("", "Pod", "/spec"),
    ("", "PodTemplate", "/template/spec"),
    ("", "ReplicationController", "/spec/template/spec"),
    ("apps", "DaemonSet", "/spec/template/spec"),
    ("apps", "Deployment", "/spec/template/spec"),
    ("apps", "ReplicaSet", "/spec/template/spec"),
    ("apps", "StatefulSet", "/spec/template/spec"),
    ("batch", "CronJob", "/spec/jobTemplate/spec/template/spec"),
    ("batch", "Job", "/spec/template/spec"),
    ("extensions", "Deployment", "/spec/template/spec"),
];

/// The finalizers of the plugin `StorageObjectInUseProtection`
/// (`plugin/pkg/admission/storage/storageobjectinuseprotection`).
const FINALIZERS: [(&str, &str, &str); 3] = [
    ("", "PersistentVolume", "kubernetes.io/pv-protection"),
    ("", "PersistentVolumeClaim", "kubernetes.io/pvc-protection"),
    ("storage.k8s.io", "VolumeAttributesClass", "kubernetes.io/vac-protection"),
];

/// The taints that the plugin `DefaultTolerationSeconds` has every Pod tolerate for 300
/// seconds (`plugin/pkg/admission/defaulttolerationseconds`).
const TOLERATED: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Where a Pod finds its account's token.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Removes from `new` what the API server itself is known to add, unless `old` or Git has it.
pub(crate) fn remove_known_additions(
    new: &mut Value,
    old: Option<&Value>,
    git: Option<&Value>,
    (group, kind): (&str, &str),
    evidence: Evidence,
) {
    if old.is_none() {
        remove_finalizer(new, git, (group, kind));
    }
    if (group, kind) == ("", "LimitRange") {
        remove_limit_defaults(new, git);
    }
    let Some((_, _, at)) = POD_SPECS.iter().find(|(its_group, its_kind, _)| (*its_group, *its_kind) == (group, kind))
    else {
        return;
    };
    if kind == "Pod" {
        pod_defaults::remove_confinement(new, git);
        if old.is_none() {
            pod_defaults::remove_merged_label_keys(new, git);
        }
    }
    let [old, git] = [old, git].map(|object| object.and_then(|object| object.pointer(at)));
    let Some(Value::Object(pod)) = new.pointer_mut(at) else { return };
    remove_host_ports(pod, git);
    if kind == "Pod" {
        remove_tolerations(pod, old, git);
        remove_requests(pod, git);
        pod_defaults::remove_pod_level_resources(pod, git);
        if old.is_none() && evidence == Evidence::None {
            remove_account(pod, git);
        }
    }
}

fn remove_finalizer(new: &mut Value, git: Option<&Value>, of: (&str, &str)) {
    let Some((_, _, name)) = FINALIZERS.iter().find(|(group, kind, _)| (*group, *kind) == of) else { return };
    let at = "/metadata/finalizers";
    if is_in(git.and_then(|git| git.pointer(at)), &Value::from(*name)) {
        return;
    }
    if let Some(Value::Array(finalizers)) = new.pointer_mut(at) {
        finalizers.retain(|finalizer| finalizer != name);
    }
}

/// On the host's network each container port is the host's port: any other is refused
/// (`defaultHostNetworkPorts` in `pkg/apis/core/v1/defaults.go`).
fn remove_host_ports(pod: &mut Map<String, Value>, git: Option<&Value>) {
    if pod.get("hostNetwork") != Some(&Value::Bool(true)) {
        return;
    }
    for_each_container(pod, git, |container, declared| {
        let Some(Value::Array(ports)) = container.get_mut("ports") else { return };
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            let has_keys = |other: &&Value| {
                ["containerPort", "protocol"].iter().all(|key| {
                    let other = other.get(key);
                    other == port.get(*key)
                        || (other.is_none() && port.get(*key).and_then(Value::as_str) == Some("TCP"))
                })
            };
            let declared = declared.and_then(|container| container["ports"].as_array()?.iter().find(has_keys));
            let is_declared = declared.is_some_and(|port| !port["hostPort"].is_null());
            if !is_declared && port.get("hostPort") == port.get("containerPort") {
                port.remove("hostPort");
            }
        }
    });
}

/// What the plugins `DefaultTolerationSeconds` and `ExtendedResourceToleration` append.
fn remove_tolerations(pod: &mut Map<String, Value>, old: Option<&Value>, git: Option<&Value>) {
    let resources = requested_resources(pod);
    let Some(Value::Array(tolerations)) = pod.get_mut("tolerations") else { return };
    let [old, git] = [old, git].map(|pod| pod.and_then(|pod| pod.get("tolerations")));
    tolerations.retain(|toleration| {
        let has = |field: &str, value: &str| toleration[field].as_str() == Some(value);
        let key = toleration["key"].as_str().unwrap_or_default();
        let fields = toleration.as_object().map_or(0, Map::len);
        let is_of_every_pod = TOLERATED.contains(&key)
            && has("operator", "Exists")
            && has("effect", "NoExecute")
            && toleration["tolerationSeconds"].as_u64() == Some(300)
            && fields == 4;
        let is_of_resource = resources.iter().any(|resource| resource == key)
            && has("operator", "Exists")
            && has("effect", "NoSchedule")
            && fields == 3;
        let is_added = is_of_every_pod || is_of_resource;
        !is_added || is_in(old, toleration) || is_in(git, toleration)
    });
    if tolerations.is_empty() && git.is_none() {
        pod.remove("tolerations");
    }
}

/// Resources outside of Kubernetes' own that a container requests, such as `example.com/gpu`.
fn requested_resources(pod: &Map<String, Value>) -> Vec<String> {
    let mut names = Vec::new();
    for list in ["containers", "initContainers"] {
        for container in pod.get(list).and_then(Value::as_array).into_iter().flatten() {
            let requests = container["resources"]["requests"].as_object().into_iter().flat_map(Map::keys);
            names.extend(requests.filter(|name| name.contains('/')).cloned());
        }
    }
    names
}

/// A Pod's container requests what it is limited to (`SetDefaults_Pod`).
fn remove_requests(pod: &mut Map<String, Value>, git: Option<&Value>) {
    for_each_container(pod, git, |container, declared| {
        let Some(Value::Object(resources)) = container.get_mut("resources") else { return };
        let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
        let Some(Value::Object(requests)) = resources.get_mut("requests") else { return };
        let declared = declared.map_or(&Value::Null, |container| &container["resources"]);
        requests.retain(|name, request| {
            let is_added = limits.get(name) == Some(request) && !declared["limits"][name].is_null();
            !is_added || !declared["requests"][name].is_null()
        });
        if requests.is_empty() && declared["requests"].is_null() {
            resources.remove("requests");
        }
    });
}

/// What the plugins `ServiceAccount` and `Priority` give to a new Pod: nobody may choose
/// a priority but by its class.
fn remove_account(pod: &mut Map<String, Value>, git: Option<&Value>) {
    let is_declared = |field: &str| git.is_some_and(|git| !git[field].is_null());
    for field in ["priority", "preemptionPolicy", "imagePullSecrets"] {
        if !is_declared(field) {
            pod.remove(field);
        }
    }
    if pod.get("serviceAccountName").and_then(Value::as_str) == Some("default")
        && !is_declared("serviceAccountName")
        && !is_declared("serviceAccount")
    {
        pod.remove("serviceAccountName");
        pod.remove("serviceAccount");
    }
    let mut volumes = Vec::new();
    if let Some(Value::Array(list)) = pod.get_mut("volumes") {
        list.retain(|volume| {
            let is_token = is_token_volume(volume);
            if is_token {
                volumes.push(volume["name"].clone());
            }
            !is_token
        });
    }
    for_each_container(pod, git, |container, _| {
        if let Some(Value::Array(mounts)) = container.get_mut("volumeMounts") {
            mounts.retain(|mount| mount["mountPath"] != TOKEN_PATH || !volumes.contains(&mount["name"]));
        }
    });
}

/// Whether a volume is the one that gives a Pod its own account's token.
fn is_token_volume(volume: &Value) -> bool {
    let is_part = |source: &Value| {
        let token = &source["serviceAccountToken"];
        let is_own_token = !token.is_null() && token["audience"].is_null();
        is_own_token || !source["configMap"].is_null() || !source["downwardAPI"].is_null()
    };
    let sources = volume["projected"]["sources"].as_array();
    volume["name"].as_str().is_some_and(|name| name.starts_with("kube-api-access-"))
        && sources.is_some_and(|sources| sources.iter().all(is_part))
}

/// A limit of containers defaults to their maximum, a request to that limit or to the
/// minimum (`SetDefaults_LimitRangeItem`).
fn remove_limit_defaults(new: &mut Value, git: Option<&Value>) {
    let Some(Value::Array(limits)) = new.pointer_mut("/spec/limits") else { return };
    for (index, limit) in limits.iter_mut().enumerate().filter(|(_, limit)| limit["type"] == "Container") {
        let Some(declared) = git.and_then(|git| git.pointer("/spec/limits")?.get(index)) else { continue };
        let was = limit.clone();
        for (field, from) in [("defaultRequest", ["default", "min"]), ("default", ["max", "max"])] {
            let Some(Value::Object(values)) = limit.get_mut(field) else { continue };
            values.retain(|name, value| {
                let is_default = from.iter().find_map(|from| was[from].get(name)) == Some(value);
                !is_default || !declared[field][name].is_null()
            });
            if values.is_empty()
                && declared[field].is_null()
                && let Value::Object(limit) = limit
            {
                limit.remove(field);
            }
        }
    }
}

/// Calls `with` with each container and its counterpart in Git.
fn for_each_container(
    pod: &mut Map<String, Value>,
    git: Option<&Value>,
    mut with: impl FnMut(&mut Map<String, Value>, Option<&Value>),
) {
    for list in ["containers", "initContainers"] {
        let Some(Value::Array(containers)) = pod.get_mut(list) else { continue };
        let declared = git.and_then(|git| git[list].as_array()).map_or(&[][..], Vec::as_slice);
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            let counterpart = declared.iter().find(|it| Some(&it["name"]) == container.get("name"));
            with(container, counterpart);
        }
    }
}

fn is_in(list: Option<&Value>, item: &Value) -> bool {
    list.and_then(Value::as_array).is_some_and(|list| list.contains(item))
}
