//! The renderer: the component `deploy/renderer`, and `renderer` in the chart's values.

use std::path::Path;
use std::process::Command;

use driftwall::config::Config;
use driftwall_core::manifest::Object;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::deploy::chart::{CHART, VALUES, compared, config, template};
use crate::deploy::manifests::{Program, find, is_one_that_the_api_has, named, read, typed};

const ENABLED: [&str; 2] = ["--set", "renderer.enabled=true"];

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-R").arg(from).arg(to).status().unwrap();
    assert!(copied.success(), "{}", from.display());
}

/// `deploy` with the component, as the RUNBOOK says; in its configuration, the lines about the
/// renderer are no comments any more.
fn built(kubectl: &Program) -> Vec<Object> {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new("deploy"), folder.path());
    let file = folder.path().join("deploy/10-config.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("    # render:\n").unwrap();
    let (lines, after) = after.split_at(after.match_indices('\n').nth(4).unwrap().0);
    let text = format!("{before}    render:\n{}{after}", lines.replace("    # ", "    "));
    let text = text.replacen("# renderer: driftwall-renderer", "renderer: driftwall-renderer", 1);
    std::fs::write(file, text).unwrap();
    let own = folder.path().join("my-driftwall");
    std::fs::create_dir(&own).unwrap();
    let text = "resources: [../deploy]\ncomponents: [../deploy/renderer]\n";
    std::fs::write(own.join("kustomization.yaml"), text).unwrap();
    read("built", kubectl.print(&["kustomize", own.to_str().unwrap()]).as_bytes())
}

fn parsed(objects: &[Object]) -> Config {
    let text = typed::<ConfigMap>(find(objects, "ConfigMap")).data.unwrap().remove("driftwall.yaml").unwrap();
    Config::parse(&text, Path::new("/config/driftwall.yaml")).unwrap()
}

/// Each way of installing, with the renderer: its name, namespace and objects.
fn installed() -> Vec<(&'static str, &'static str, Vec<Object>)> {
    let mut installed = Vec::new();
    if let Some(kubectl) = Program::find("kubectl") {
        installed.push(("driftwall", "driftwall", built(&kubectl)));
    }
    if let Some(helm) = Program::find("helm") {
        installed.push(("wall-driftwall", "ops", read("chart", template(&helm, "wall", "ops", &ENABLED).as_bytes())));
    }
    installed
}

#[test]
fn there_is_no_renderer_where_none_is_asked_for() {
    if let Some(helm) = Program::find("helm") {
        for values in [&[][..], &["--values", VALUES[1]], &["--values", VALUES[2]]] {
            let text = template(&helm, "wall", "ops", values);
            assert!(!text.contains("renderer"), "{values:?}");
        }
    }
    if let Some(kubectl) = Program::find("kubectl") {
        let objects = read("built", kubectl.print(&["kustomize", "deploy"]).as_bytes());
        assert!(objects.iter().all(|object| !object.name.contains("renderer")));
        assert!(parsed(&objects).sources.iter().all(|source| source.render.renderer.is_none()));
    }
}

#[test]
fn the_chart_renders_the_component() {
    let (Some(helm), Some(kubectl)) = (Program::find("helm"), Program::find("kubectl")) else { return };
    let rendered = template(&helm, "driftwall", "driftwall", &ENABLED);
    let chart = compared(read("chart", rendered.as_bytes()));
    let mut built = compared(built(&kubectl));
    built.retain(|(kind, _), _| kind != "Namespace");
    assert_eq!(chart.keys().collect::<Vec<_>>(), built.keys().collect::<Vec<_>>());
    for (name, object) in &chart {
        assert_eq!(object, &built[name], "{name:?}");
    }
}

#[test]
fn the_renderer_has_nothing_worth_stealing() {
    for (name, namespace, objects) in installed() {
        for object in &objects {
            is_one_that_the_api_has(object, namespace);
        }
        let renderer = format!("{name}-renderer");
        let spec = typed::<Deployment>(named(&objects, "Deployment", &renderer)).spec.unwrap();
        let pod = spec.template.spec.unwrap();
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert!(pod.service_account_name.is_none() && pod.host_network.is_none() && pod.init_containers.is_none());
        let security = pod.security_context.unwrap();
        assert_eq!(
            (security.run_as_non_root, security.seccomp_profile.unwrap().type_.as_str()),
            (Some(true), "RuntimeDefault")
        );

        let driftwall = typed::<Deployment>(named(&objects, "Deployment", name)).spec.unwrap().template.spec.unwrap();
        assert_ne!(security.run_as_user, driftwall.security_context.unwrap().run_as_user);
        let secrets = |pod: Option<Vec<k8s_openapi::api::core::v1::Volume>>| {
            pod.into_iter().flatten().filter_map(|volume| volume.secret?.secret_name).collect::<Vec<_>>()
        };
        let volumes = pod.volumes.unwrap();
        assert!(volumes.iter().all(|volume| volume.secret.is_some() || volume.empty_dir.is_some()), "{volumes:?}");
        for folder in volumes.iter().filter_map(|volume| volume.empty_dir.as_ref()) {
            assert!(folder.size_limit.is_some());
        }
        let own = secrets(Some(volumes));
        let theirs = secrets(driftwall.volumes);
        assert!(own == [renderer.as_str()] && !theirs.contains(&own[0]), "{own:?} {theirs:?}");

        let [container] = pod.containers.try_into().unwrap();
        assert!(container.env.is_none() && container.env_from.is_none());
        let security = container.security_context.unwrap();
        assert_eq!(security.read_only_root_filesystem, Some(true));
        assert_eq!(security.allow_privilege_escalation, Some(false));
        assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"]);
        let limits = container.resources.unwrap().limits.unwrap();
        assert_eq!(limits["memory"].0, "512Mi");
        let argument = |name: &str| {
            let mut values = container.args.iter().flatten().filter_map(|argument| argument.strip_prefix(name));
            values.next().unwrap().parse::<u64>().unwrap()
        };
        assert!(argument("--parallel=") * argument("--memory=") < 512, "a bomb would end the pod");
        assert!(container.readiness_probe.is_some() && container.liveness_probe.is_some());
    }
}

#[test]
fn only_driftwall_reaches_the_renderer_and_it_reaches_nothing() {
    let selects = |peer: &NetworkPolicyPeer, name: &str| {
        let labels = peer.pod_selector.as_ref().unwrap().match_labels.clone().unwrap();
        peer.namespace_selector.is_none() && peer.ip_block.is_none() && labels["app.kubernetes.io/name"] == name
    };
    for (name, namespace, objects) in installed() {
        let renderer = format!("{name}-renderer");
        let policy = |name: &str| typed::<NetworkPolicy>(named(&objects, "NetworkPolicy", name)).spec.unwrap();
        let pod = typed::<Deployment>(named(&objects, "Deployment", &renderer)).spec.unwrap().template;
        let labels = pod.metadata.unwrap().labels.unwrap();
        assert_eq!(labels["app.kubernetes.io/name"], renderer, "driftwall's own Service must not find it");

        let own = policy(&renderer);
        assert_eq!(own.pod_selector.unwrap().match_labels.unwrap()["app.kubernetes.io/name"], renderer);
        assert_eq!(
            (own.policy_types.unwrap().as_slice(), own.egress.unwrap().len()),
            (&["Ingress".to_owned(), "Egress".to_owned()][..], 0)
        );
        let [rule] = own.ingress.unwrap().try_into().unwrap();
        let [peer] = rule.from.unwrap().try_into().unwrap();
        assert!(selects(&peer, name));
        let ports = |ports: Option<Vec<k8s_openapi::api::networking::v1::NetworkPolicyPort>>| {
            ports.unwrap().into_iter().map(|port| port.port.unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ports(rule.ports), [IntOrString::Int(8444)]);

        let client = policy(&format!("{renderer}-client"));
        assert_eq!(client.pod_selector.unwrap().match_labels.unwrap()["app.kubernetes.io/name"], name);
        assert_eq!(client.policy_types.unwrap(), ["Egress"]);
        let [rule] = client.egress.unwrap().try_into().unwrap();
        let [peer] = rule.to.unwrap().try_into().unwrap();
        assert!(selects(&peer, &renderer));
        assert_eq!(ports(rule.ports), [IntOrString::Int(8444)]);

        let service = typed::<Service>(named(&objects, "Service", &renderer)).spec.unwrap();
        assert_eq!(service.selector.unwrap()["app.kubernetes.io/name"], renderer);
        assert_eq!(service.ports.unwrap()[0].port, 8444);
        let used = parsed(&objects).sources[0].render.renderer.clone().unwrap();
        assert_eq!((used.host, used.port), (format!("{renderer}.{namespace}.svc"), 8444));
        let driftwall = typed::<Deployment>(named(&objects, "Deployment", name)).spec.unwrap().template.spec.unwrap();
        let mount = driftwall.containers[0].volume_mounts.iter().flatten().find(|mount| mount.name == "renderer");
        assert!([used.ca, used.cert, used.key].iter().all(|file| file.starts_with(&mount.unwrap().mount_path)));
        let volume = driftwall.volumes.into_iter().flatten().find(|volume| volume.name == "renderer").unwrap();
        assert_eq!(volume.secret.unwrap().optional, Some(true), "driftwall starts without the renderer");
    }
}

#[test]
fn driftwall_may_write_the_secrets_of_the_certificates_that_it_creates() {
    let rights = |role: Role| {
        let [rule] = role.rules.unwrap().try_into().unwrap();
        assert_eq!((rule.api_groups.unwrap(), rule.resources.unwrap()), (vec![String::new()], vec!["secrets".into()]));
        (rule.resource_names.unwrap(), rule.verbs)
    };
    for (name, namespace, objects) in installed() {
        let renderer = format!("{name}-renderer");
        let (names, verbs) = rights(typed(named(&objects, "Role", &renderer)));
        assert_eq!(
            (names, verbs),
            (
                vec![renderer.clone(), format!("{renderer}-client")],
                ["get", "create", "patch"].map(String::from).to_vec()
            )
        );
        let binding: RoleBinding = typed(named(&objects, "RoleBinding", &renderer));
        assert_eq!(binding.role_ref.name, renderer);
        let [subject] = binding.subjects.unwrap().try_into().unwrap();
        assert_eq!((subject.name.as_str(), subject.namespace.as_deref()), (name, Some(namespace)));

        let config = parsed(&objects);
        let used = config.sources[0].render.renderer.clone().unwrap();
        assert_eq!(config.tls.unwrap().renderer, Some(used.host));
        assert_eq!(config.registration.service, name, "the Secrets are named after it");
    }
    let Some(helm) = Program::find("helm") else { return };
    for values in ["tls.mode=secret", "renderer.secretName=own", "tls.mode=certManager,registration.manage=false"] {
        let text = template(&helm, "wall", "ops", &["--set", &format!("renderer.enabled=true,{values}")]);
        let objects = read(values, text.as_bytes());
        assert!(objects.iter().all(|object| object.kind != "Role" || object.name == "wall-driftwall"), "{values}");
        assert_eq!(parsed(&objects).tls.unwrap().renderer, None, "{values}");
    }
}

#[test]
fn every_value_of_the_renderer_reaches_its_field() {
    let Some(helm) = Program::find("helm") else { return };
    let values = r#"{"enabled":true,"replicas":2,"parallel":3,"memoryMiB":300,"tmpSizeLimit":"3Gi",
        "resources":{"limits":{"memory":"1Gi"}},"secretName":"there","clientSecretName":"here"}"#;
    let more = ["--set-json", &format!("renderer={values}"), "--set", "config.programs.helm=/opt/helm"];
    let objects = read("chart", template(&helm, "wall", "ops", &more).as_bytes());
    let spec = typed::<Deployment>(named(&objects, "Deployment", "wall-driftwall-renderer")).spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    let pod = serde_json::to_string(&spec.template).unwrap();
    for words in ["--parallel=3", "--memory=300", "--helm=/opt/helm", "\"3Gi\"", "\"1Gi\"", "\"there\""] {
        assert!(pod.contains(words), "{words}: {pod}");
    }
    assert!(find(&objects, "Deployment").value.to_string().contains("\"here\""));
    // What else `config.render` says stays.
    let more = [&ENABLED[..], &["--set", "config.render.timeout=2m"]].concat();
    let objects = read("chart", template(&helm, "wall", "ops", &more).as_bytes());
    let render = &config(&objects).sources[0].render;
    assert!(render.renderer.is_some() && render.limits.time.as_secs() == 120);
}

#[test]
fn values_of_a_renderer_that_could_not_work_are_refused() {
    let Some(helm) = Program::find("helm") else { return };
    let both = "config.render.renderer={\"address\":\"a:1\",\"caFile\":\"a\",\"certFile\":\"b\",\"keyFile\":\"c\"}";
    for (value, words) in [
        (both, "takes no config.render.renderer"),
        ("hostNetwork=true", "takes networkPolicy.enabled=false"),
        ("renderer.replicas=0", "/renderer/replicas"),
        ("renderer.memoryMiB=64", "/renderer/memoryMiB"),
        ("renderer.tmpSizeLimit=\"big\"", "/renderer/tmpSizeLimit"),
        ("renderer.serviceAccount=\"a\"", "/renderer"),
    ] {
        let run = helm.run(&[&["template", "driftwall", CHART][..], &ENABLED, &["--set-json", value]].concat());
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && said.contains(words), "{value}: {said}");
    }
}

#[test]
fn cert_manager_issues_both_certificates_of_the_renderer() {
    let Some(helm) = Program::find("helm") else { return };
    let more = [&["--values", VALUES[1]], &ENABLED[..]].concat();
    let objects = read("cert-manager", template(&helm, "driftwall", "driftwall", &more).as_bytes());
    let certificate = |name: &str| &named(&objects, "Certificate", name).value["spec"];
    let (server, client) = (certificate("driftwall-renderer"), certificate("driftwall-renderer-client"));
    assert_eq!(server["dnsNames"], serde_json::json!(["driftwall-renderer.driftwall.svc"]));
    assert_eq!(
        (&server["secretName"], &client["secretName"]),
        (&"driftwall-renderer".into(), &"driftwall-renderer-client".into())
    );
    assert_eq!(server["usages"], serde_json::json!(["digital signature", "server auth"]));
    assert_eq!(client["usages"], serde_json::json!(["digital signature", "client auth"]));
    assert_eq!(server["issuerRef"], client["issuerRef"]);
    assert_eq!(server["issuerRef"], certificate("driftwall")["issuerRef"]);
}
