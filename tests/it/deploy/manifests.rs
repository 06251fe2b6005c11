//! Reading and checking the objects of `deploy/`, and the programs that render them.

use std::path::PathBuf;
use std::process::{Command, Output};

use driftwall_core::manifest::{self, Object};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::common::programs;

pub(crate) fn read(name: &str, text: &[u8]) -> Vec<Object> {
    let reading = manifest::parse(name, text);
    assert!(reading.errors.is_empty() && reading.skipped == 0, "{reading:?}");
    reading.objects
}

/// YAML that is no object of Kubernetes.
pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// Reads an object as the type of its kind; a field that the type does not have is a slip.
pub(crate) fn typed<T: DeserializeOwned + Serialize>(object: &Object) -> T {
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

pub(crate) fn find<'a>(objects: &'a [Object], kind: &str) -> &'a Object {
    let mut found = objects.iter().filter(|object| object.kind == kind);
    found.next().unwrap_or_else(|| panic!("{kind} is missing"))
}

pub(crate) fn named<'a>(objects: &'a [Object], kind: &str, name: &str) -> &'a Object {
    let mut found = objects.iter().filter(|object| object.kind == kind && object.name == name);
    found.next().unwrap_or_else(|| panic!("{kind} {name} is missing"))
}

/// Checks an object against the type of its kind, and where it is.
pub(crate) fn is_one_that_the_api_has(object: &Object, namespace: &str) {
    use k8s_openapi::api::{admissionregistration, apps, core, networking, policy, rbac};
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    match object.kind.as_str() {
        "ClusterRole" => drop(typed::<rbac::v1::ClusterRole>(object)),
        "ClusterRoleBinding" => drop(typed::<rbac::v1::ClusterRoleBinding>(object)),
        "ConfigMap" => drop(typed::<core::v1::ConfigMap>(object)),
        "CustomResourceDefinition" => drop(typed::<CustomResourceDefinition>(object)),
        "Deployment" => drop(typed::<apps::v1::Deployment>(object)),
        "Namespace" => drop(typed::<core::v1::Namespace>(object)),
        "NetworkPolicy" => drop(typed::<networking::v1::NetworkPolicy>(object)),
        "Pod" => drop(typed::<core::v1::Pod>(object)),
        "PodDisruptionBudget" => drop(typed::<policy::v1::PodDisruptionBudget>(object)),
        "Role" => drop(typed::<rbac::v1::Role>(object)),
        "RoleBinding" => drop(typed::<rbac::v1::RoleBinding>(object)),
        "ResourceQuota" => drop(typed::<core::v1::ResourceQuota>(object)),
        "Service" => drop(typed::<core::v1::Service>(object)),
        "ServiceAccount" => drop(typed::<core::v1::ServiceAccount>(object)),
        "ValidatingWebhookConfiguration" => {
            drop(typed::<admissionregistration::v1::ValidatingWebhookConfiguration>(object));
        }
        "ServiceMonitor" | "PrometheusRule" => {
            assert_eq!(object.value["apiVersion"], "monitoring.coreos.com/v1");
        }
        "Certificate" | "Issuer" => assert_eq!(object.value["apiVersion"], "cert-manager.io/v1"),
        kind => panic!("{kind} is not looked at here"),
    }
    let is_cluster_wide = matches!(
        object.kind.as_str(),
        "ClusterRole"
            | "ClusterRoleBinding"
            | "CustomResourceDefinition"
            | "Namespace"
            | "ValidatingWebhookConfiguration"
    );
    assert_eq!(object.namespace.as_deref(), (!is_cluster_wide).then_some(namespace), "{}", object.name);
}

/// `kubectl` or `helm`, run without the environment of the tests.
pub(crate) struct Program(PathBuf);

impl Program {
    /// None where it is not installed, which is said; the caller leaves its test out.
    pub(crate) fn find(name: &str) -> Option<Self> {
        programs::find(name).map(Self)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let home = tempfile::tempdir().unwrap();
        Command::new(&self.0).args(arguments).env_clear().env("HOME", home.path()).output().unwrap()
    }

    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert!(run.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }
}
