//! Installs driftwall from `deploy/`. Its pods do not run, since there is no node: `replicas` starts its processes.

use base64::Engine as _;
use driftwall_core::manifest::Object;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::kubectl::{Credential, write_kubeconfig};
use crate::server_apis::ServerApis;

/// How the installation starts driftwall.
pub(crate) struct Installed {
    /// The shipped configuration, registering the port of these tests.
    pub(crate) config: Value,
    /// The arguments of its container.
    pub(crate) arguments: Vec<String>,
}

/// Applies the kustomization, makes the Service lead to `port` on this machine, and writes the kubeconfig of
/// driftwall's service account.
pub(crate) fn install(control_plane: &ControlPlane, apis: &ServerApis, port: u16) -> Installed {
    let deploy = std::env::current_dir().unwrap().join("deploy");
    let mut objects = apis.objects("deploy", &control_plane.admin(&format!("kubectl kustomize {}", deploy.display())));
    let service = named(&mut objects, "Service");
    // An ExternalName: the API server goes where it says, at the port that the webhook names.
    service.value["spec"] = json!({"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]});
    let config = named(&mut objects, "ConfigMap").value["data"]["driftwall.yaml"].as_str().unwrap().to_owned();
    let container = &named(&mut objects, "Deployment").value["spec"]["template"]["spec"]["containers"][0];
    let arguments = serde_json::from_value(container["args"].clone()).unwrap();
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": objects.into_iter().map(|object| object.value).collect::<Vec<_>>(),
    });
    let folder = control_plane.folder.path();
    std::fs::write(folder.join("deploy.json"), list.to_string()).unwrap();
    control_plane.admin("kubectl apply -f deploy.json");
    // A server from 1.21 on has done it itself.
    control_plane
        .admin("for name in driftwall kube-system; do kubectl label ns $name kubernetes.io/metadata.name=$name; done");
    let token = control_plane.admin("kubectl create token driftwall -n driftwall --duration=24h");
    write_kubeconfig(folder, "driftwall", control_plane.port, "driftwall", &Credential::Token(&token));
    let mut config: Value = serde_saphyr::from_str(&config).unwrap();
    config["registration"]["port"] = port.into();
    Installed { config, arguments }
}

fn named<'a>(objects: &'a mut [Object], kind: &str) -> &'a mut Object {
    objects.iter_mut().find(|object| object.kind == kind && object.name == "driftwall").unwrap()
}

/// A CA as a `caBundle` has it.
pub(crate) fn encoded(ca: &str) -> Value {
    base64::prelude::BASE64_STANDARD.encode(ca).into()
}
