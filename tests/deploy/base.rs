//! The kustomization in `deploy/`.

use std::path::Path;

use driftwall::config::Config;
use driftwall::judge::Mode;
use driftwall::manifest::Object;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::harness::{Program, find, is_one_that_the_api_has, read, typed, yaml};

/// The files that the kustomization lists.
fn objects() -> Vec<Object> {
    let kustomization = yaml(&std::fs::read_to_string("deploy/kustomization.yaml").unwrap());
    let files = kustomization["resources"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    files.flat_map(|file| read(file, &std::fs::read(Path::new("deploy").join(file)).unwrap())).collect()
}

fn one<T: DeserializeOwned + Serialize>(kind: &str) -> T {
    typed(find(&objects(), kind))
}

#[test]
fn every_object_is_one_that_the_api_has() {
    for object in objects() {
        is_one_that_the_api_has(&object, "driftwall");
    }
}

#[test]
fn the_kustomization_lists_every_file() {
    let kustomization = yaml(&std::fs::read_to_string("deploy/kustomization.yaml").unwrap());
    let paths = std::fs::read_dir("deploy").unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut files: Vec<_> = paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    files.retain(|file| file != "kustomization.yaml");
    files.sort();
    assert_eq!(kustomization["resources"], serde_json::json!(files));
}

#[test]
fn kubectl_builds_the_kustomization_as_it_is_written() {
    let Some(kubectl) = Program::find("kubectl") else { return };
    let built = read("built", kubectl.print(&["kustomize", "deploy"]).as_bytes());
    let sorted = |objects: Vec<Object>| {
        let mut values: Vec<_> = objects.into_iter().map(|object| (object.kind, object.value)).collect();
        values.sort_by(|one, other| one.0.cmp(&other.0));
        values
    };
    assert_eq!(built.first().unwrap().kind, "Namespace");
    assert_eq!(built.last().unwrap().kind, "ValidatingWebhookConfiguration");
    assert_eq!(sorted(built), sorted(objects()));
}

#[test]
fn one_replica_stays_and_only_looking_up_is_a_right() {
    let budget: PodDisruptionBudget = one("PodDisruptionBudget");
    assert_eq!(budget.spec.unwrap().max_unavailable, Some(IntOrString::Int(1)));
    let account: ServiceAccount = one("ServiceAccount");
    assert_eq!(account.automount_service_account_token, Some(false));
    let spec = one::<Deployment>("Deployment").spec.unwrap();
    let rolling = spec.strategy.unwrap().rolling_update.unwrap();
    assert_eq!(rolling.max_unavailable, Some(IntOrString::Int(0)));
    let pod = spec.template.spec.unwrap();
    assert_eq!(pod.service_account_name, account.metadata.name);
    assert_eq!(pod.automount_service_account_token, Some(true));
    let role: ClusterRole = one("ClusterRole");
    for rule in role.rules.unwrap() {
        assert_eq!(rule.verbs, ["get"], "{rule:?}");
        let all = [&rule.api_groups, &rule.resources].into_iter().flatten().flatten();
        assert!(all.into_iter().all(|name| !name.contains('*') && name != "secrets"), "{rule:?}");
    }
    let binding: ClusterRoleBinding = one("ClusterRoleBinding");
    assert_eq!(Some(binding.role_ref.name), role.metadata.name);
    assert_eq!(binding.subjects.unwrap().pop().unwrap().namespace, account.metadata.namespace);
}

#[test]
fn the_network_lets_in_the_api_server_and_out_to_git() {
    let policy = one::<NetworkPolicy>("NetworkPolicy").spec.unwrap();
    let ports = |ports: Option<Vec<k8s_openapi::api::networking::v1::NetworkPolicyPort>>| {
        ports.into_iter().flatten().map(|port| port.port.unwrap()).collect::<Vec<_>>()
    };
    let name = |name: &str| IntOrString::String(name.into());
    let [webhook, admin] = policy.ingress.unwrap().try_into().unwrap();
    assert!(webhook.from.is_none() && admin.from.is_some());
    assert_eq!((ports(webhook.ports), ports(admin.ports)), (vec![name("webhook")], vec![name("admin")]));
    let [out] = policy.egress.unwrap().try_into().unwrap();
    assert!(out.to.is_none());
    assert_eq!(ports(out.ports), [53, 53, 443, 6443, 22].map(IntOrString::Int));
}

#[test]
fn the_webhook_cannot_lock_a_cluster_out() {
    let mut configuration: ValidatingWebhookConfiguration = one("ValidatingWebhookConfiguration");
    let webhook = configuration.webhooks.as_mut().unwrap().pop().unwrap();
    assert_eq!(webhook.name, "writes.driftwall.io");
    assert_eq!(webhook.client_config.ca_bundle, None, "applied again, it would undo the CA that is set there");
    assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
    assert_eq!(webhook.timeout_seconds, Some(5));
    assert_eq!(webhook.side_effects, "None");
    assert_eq!(webhook.match_policy.as_deref(), Some("Equivalent"));
    let selector = webhook.namespace_selector.unwrap().match_expressions.unwrap().pop().unwrap();
    assert_eq!((selector.key.as_str(), selector.operator.as_str()), ("kubernetes.io/metadata.name", "NotIn"));
    assert_eq!(selector.values.unwrap(), ["driftwall", "kube-system"]);
}

#[test]
fn the_rules_name_the_subresources_that_are_judged() {
    let configuration: ValidatingWebhookConfiguration = one("ValidatingWebhookConfiguration");
    let rules = configuration.webhooks.unwrap().pop().unwrap().rules.unwrap();
    let named = |group: &str, resource: &str, operation: &str| {
        rules.iter().any(|rule| {
            let has = |list: &Option<Vec<String>>, item: &str| list.iter().flatten().any(|there| there == item);
            has(&rule.api_groups, group) && has(&rule.resources, resource) && has(&rule.operations, operation)
        })
    };
    for (group, resource, operation) in [
        ("apps", "deployments", "UPDATE"),
        ("apps", "deployments/scale", "UPDATE"),
        ("apps", "deployments/status", "UPDATE"),
        ("apps", "replicasets/scale", "UPDATE"),
        ("apps", "statefulsets/scale", "UPDATE"),
        ("", "replicationcontrollers/scale", "UPDATE"),
        ("", "pods", "DELETE"),
        ("", "pods/ephemeralcontainers", "UPDATE"),
        ("", "pods/eviction", "CREATE"),
        ("", "pods/resize", "UPDATE"),
        ("", "namespaces", "DELETE"),
        ("", "secrets", "UPDATE"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "DELETE"),
        ("autoscaling", "horizontalpodautoscalers", "CREATE"),
        ("batch", "cronjobs", "UPDATE"),
    ] {
        assert!(named(group, resource, operation), "{operation} {resource}.{group}");
    }
    for rule in &rules {
        let any = |list: &Option<Vec<String>>| list.iter().flatten().any(|there| there.contains('*'));
        assert!(!any(&rule.api_groups) && !any(&rule.resources) && !any(&rule.api_versions), "{rule:?}");
    }
}

#[test]
fn the_parts_fit_together() {
    let deployment: Deployment = one("Deployment");
    let spec = deployment.spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    let pod = spec.template.spec.unwrap();
    let container = pod.containers.iter().find(|container| container.name == "driftwall").unwrap();
    let port = |name: &str| {
        container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(name)).unwrap().container_port
    };

    let map: ConfigMap = one("ConfigMap");
    let text = map.data.unwrap().remove("driftwall.yaml").unwrap();
    let config = Config::parse(&text, Path::new("/config/driftwall.yaml")).unwrap();
    assert_eq!(config.policy.mode, Mode::Audit, "what is shipped starts in audit");
    assert_eq!((i32::from(config.listen.port()), i32::from(config.admin.port())), (port("webhook"), port("admin")));
    let mounted = |file: &Path| {
        let mounts = container.volume_mounts.iter().flatten();
        mounts.into_iter().any(|mount| file.starts_with(&mount.mount_path))
    };
    let tls = config.tls.unwrap();
    let temporary = std::path::PathBuf::from("/tmp");
    for file in [&tls.cert, &tls.key, &config.sources[0].folder, &temporary, Path::new("/config/driftwall.yaml")] {
        assert!(mounted(file), "{}", file.display());
    }
    let grace = u64::try_from(pod.termination_grace_period_seconds.unwrap()).unwrap();
    assert!(grace > config.drain.as_secs() + 20, "the drain and what is in flight need their time");

    let service: Service = one("Service");
    let service_port = service.spec.unwrap().ports.unwrap().into_iter().find(|port| port.port == 443).unwrap();
    let configuration: ValidatingWebhookConfiguration = one("ValidatingWebhookConfiguration");
    let reference = configuration.webhooks.unwrap().pop().unwrap().client_config.service.unwrap();
    assert_eq!((reference.name.as_str(), reference.namespace.as_str()), ("driftwall", "driftwall"));
    assert_eq!((reference.path.as_deref(), reference.port), (Some("/validate"), Some(service_port.port)));
}
