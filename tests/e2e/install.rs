//! driftwall installed from `deploy/`, but for its pods: no node is here to run them.

use base64::Engine as _;
use driftwall_core::manifest::Object;
use serde_json::{Value, json};

use crate::api_versions::Lacks;
use crate::control_plane::Plane;
use crate::kubectl::{Proof, configure};

/// What the installation says of how driftwall starts.
pub(crate) struct Installed {
    /// The configuration that it ships with, registering the port of these tests.
    pub(crate) config: Value,
    /// The arguments of its container.
    pub(crate) arguments: Vec<String>,
}

/// Applies the kustomization, makes the Service lead to `port` on this machine, and gives driftwall
/// its own identity.
pub(crate) fn install(plane: &Plane, lacks: &Lacks, port: u16) -> Installed {
    let deploy = std::env::current_dir().unwrap().join("deploy");
    let mut objects = lacks.objects("deploy", &plane.admin(&format!("kubectl kustomize {}", deploy.display())));
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
    let folder = plane.folder.path();
    std::fs::write(folder.join("deploy.json"), list.to_string()).unwrap();
    plane.admin("kubectl apply -f deploy.json");
    // From 1.21 on the server does it.
    plane.admin("for name in driftwall kube-system; do kubectl label ns $name kubernetes.io/metadata.name=$name; done");
    let token = plane.admin("kubectl create token driftwall -n driftwall --duration=24h");
    configure(folder, "driftwall", plane.port, "driftwall", &Proof::Token(&token));
    let mut config: Value = serde_saphyr::from_str(&config).unwrap();
    config["registration"]["port"] = port.into();
    Installed { config, arguments }
}

fn named<'a>(objects: &'a mut [Object], kind: &str) -> &'a mut Object {
    objects.iter_mut().find(|object| object.kind == kind && object.name == "driftwall").unwrap()
}

/// Certificates, as a `caBundle` has them.
pub(crate) fn encoded(ca: &str) -> Value {
    base64::prelude::BASE64_STANDARD.encode(ca).into()
}
