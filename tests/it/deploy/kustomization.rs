//! The kustomization in `deploy/`.

use std::path::Path;

use driftwall::config::{CertificateSettings, Config, FailurePolicy};
use driftwall_core::manifest::Object;
use driftwall_core::policy::Mode;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deploy::manifests::{Program, find, is_one_that_the_api_has, read, typed, yaml};

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
fn every_object_is_valid_in_its_api() {
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
fn kubectl_builds_the_kustomization_with_the_objects_as_written() {
    let Some(kubectl) = Program::find("kubectl") else { return };
    let built = read("built", kubectl.print(&["kustomize", "deploy"]).as_bytes());
    let sorted = |objects: Vec<Object>| {
        let mut values: Vec<_> = objects.into_iter().map(|object| (object.kind, object.value)).collect();
        values.sort_by_key(|(kind, value)| (kind.clone(), value["metadata"]["name"].to_string()));
        values
    };
    assert_eq!(built.first().unwrap().kind, "Namespace");
    assert_eq!(sorted(built), sorted(objects()));
}

#[test]
fn one_replica_always_stays_and_has_time_to_start() {
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
    let startup = pod.containers[0].startup_probe.clone().unwrap();
    // An API server that comes back after an outage is waited for, not died for.
    assert!(startup.period_seconds.unwrap() * startup.failure_threshold.unwrap() >= 300);
}

#[test]
fn the_network_policy_allows_the_api_server_in_and_git_out() {
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
fn ports_mounts_names_and_times_agree_between_the_objects() {
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
    for file in [&*config.sources[0].folder, Path::new("/tmp"), Path::new("/config/driftwall.yaml")] {
        assert!(mounted(file), "{}", file.display());
    }
    assert!(matches!(config.tls.unwrap().certificate, CertificateSettings::SelfManaged(_)));
    let grace = u64::try_from(pod.termination_grace_period_seconds.unwrap()).unwrap();
    assert!(grace > config.drain.as_secs() + 20, "the drain and what is in flight need their time");

    let service: Service = one("Service");
    let registration = config.registration;
    assert!(registration.manage && !registration.self_heal);
    assert_eq!(registration.failure_policy, FailurePolicy::Ignore, "what is shipped cannot stop a cluster");
    assert_eq!(Some(&registration.service), service.metadata.name.as_ref());
    assert_eq!(Some(&registration.service), deployment.metadata.name.as_ref());
    let served = service.spec.unwrap().ports.unwrap().into_iter().find(|port| port.name.as_deref() == Some("webhook"));
    assert_eq!(i32::from(registration.port), served.unwrap().port);
}
