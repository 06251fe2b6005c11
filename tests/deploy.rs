//! The manifests in `deploy/`: what a real API server would take, and what they
//! promise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by a panic")]

use std::path::Path;

use driftwall::config::Config;
use driftwall::judge::Mode;
use driftwall::manifest::{self, Object};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn objects() -> Vec<Object> {
    let mut files: Vec<_> = std::fs::read_dir("deploy").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| {
        let reading = manifest::read(file.to_str().unwrap(), &std::fs::read(file).unwrap());
        assert!(reading.errors.is_empty() && reading.skipped == 0, "{reading:?}");
        reading.objects
    };
    files.iter().flat_map(read).collect()
}

/// Reads an object as the type of its kind; a field that the type does not have is a slip.
fn typed<T: DeserializeOwned + Serialize>(object: &Object) -> T {
    let typed: T = serde_json::from_value(object.value.clone()).unwrap();
    let back = serde_json::to_value(&typed).unwrap();
    assert!(covers(&back, &object.value), "{}: a field is not in the API:\n{:#}\n{back:#}", object.name, object.value);
    typed
}

fn covers(typed: &Value, written: &Value) -> bool {
    match (typed, written) {
        (Value::Object(typed), Value::Object(written)) => {
            written.iter().all(|(name, value)| typed.get(name).is_some_and(|there| covers(there, value)))
        }
        (Value::Array(typed), Value::Array(written)) => {
            typed.len() == written.len() && typed.iter().zip(written).all(|(typed, written)| covers(typed, written))
        }
        _ => typed == written,
    }
}

fn one<T: DeserializeOwned + Serialize>(kind: &str, name: &str) -> T {
    let found = objects().into_iter().find(|object| object.kind == kind && object.name == name);
    typed(&found.unwrap_or_else(|| panic!("{kind} {name} is missing")))
}

#[test]
fn every_object_is_one_that_the_api_has() {
    for object in objects() {
        match object.kind.as_str() {
            "ClusterRole" => drop(typed::<ClusterRole>(&object)),
            "ClusterRoleBinding" => drop(typed::<ClusterRoleBinding>(&object)),
            "ConfigMap" => drop(typed::<ConfigMap>(&object)),
            "Deployment" => drop(typed::<Deployment>(&object)),
            "Namespace" => drop(typed::<Namespace>(&object)),
            "Service" => drop(typed::<Service>(&object)),
            "ServiceAccount" => drop(typed::<ServiceAccount>(&object)),
            "ValidatingWebhookConfiguration" => drop(typed::<ValidatingWebhookConfiguration>(&object)),
            kind => panic!("{kind} is not looked at here"),
        }
        let is_cluster_wide = matches!(
            object.kind.as_str(),
            "ClusterRole" | "ClusterRoleBinding" | "Namespace" | "ValidatingWebhookConfiguration"
        );
        assert_eq!(object.namespace.as_deref(), (!is_cluster_wide).then_some("driftwall"), "{}", object.name);
    }
}

#[test]
fn the_webhook_cannot_lock_a_cluster_out() {
    let mut configuration: ValidatingWebhookConfiguration = one("ValidatingWebhookConfiguration", "driftwall");
    let webhook = configuration.webhooks.as_mut().unwrap().pop().unwrap();
    assert_eq!(webhook.name, "writes.driftwall.io");
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
    let configuration: ValidatingWebhookConfiguration = one("ValidatingWebhookConfiguration", "driftwall");
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
fn the_rights_are_to_get_what_is_looked_up_and_no_more() {
    let role: ClusterRole = one("ClusterRole", "driftwall");
    let rules = role.rules.unwrap();
    let may_get = |group: &str, resource: &str| {
        let has = |list: &Option<Vec<String>>, item: &str| list.iter().flatten().any(|there| there == item);
        rules.iter().any(|rule| has(&rule.api_groups, group) && has(&rule.resources, resource))
    };
    for (group, resource) in [
        ("apps", "replicasets"),
        ("apps", "deployments"),
        ("batch", "jobs"),
        ("batch", "cronjobs"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
    ] {
        assert!(may_get(group, resource), "{resource}");
    }
    for rule in &rules {
        assert_eq!(rule.verbs, ["get"], "{rule:?}");
        let all = [&rule.api_groups, &rule.resources].into_iter().flatten().flatten();
        assert!(all.into_iter().all(|name| !name.contains('*') && name != "secrets"), "{rule:?}");
    }
    let account: ServiceAccount = one("ServiceAccount", "driftwall");
    let binding: ClusterRoleBinding = one("ClusterRoleBinding", "driftwall");
    let subject = binding.subjects.unwrap().pop().unwrap();
    assert_eq!(
        (&binding.role_ref.name, Some(&subject.name)),
        (&role.metadata.name.unwrap(), account.metadata.name.as_ref())
    );
    assert_eq!(subject.namespace, account.metadata.namespace);
    let pod = one::<Deployment>("Deployment", "driftwall").spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.service_account_name, account.metadata.name);
}

#[test]
fn the_parts_fit_together() {
    let deployment: Deployment = one("Deployment", "driftwall");
    let spec = deployment.spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    let pod = spec.template.spec.unwrap();
    let container = pod.containers.iter().find(|container| container.name == "driftwall").unwrap();
    let port = |name: &str| {
        container.ports.iter().flatten().find(|port| port.name.as_deref() == Some(name)).unwrap().container_port
    };

    let map: ConfigMap = one("ConfigMap", "driftwall");
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

    let service: Service = one("Service", "driftwall");
    let service_port = service.spec.unwrap().ports.unwrap().into_iter().find(|port| port.port == 443).unwrap();
    let configuration: ValidatingWebhookConfiguration = one("ValidatingWebhookConfiguration", "driftwall");
    let reference = configuration.webhooks.unwrap().pop().unwrap().client_config.service.unwrap();
    assert_eq!((reference.name.as_str(), reference.namespace.as_str()), ("driftwall", "driftwall"));
    assert_eq!((reference.path.as_deref(), reference.port), (Some("/validate"), Some(service_port.port)));
}
