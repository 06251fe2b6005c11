//! The Helm chart in `deploy/chart/`.

use std::collections::BTreeMap;
use std::path::Path;

use driftwall::config::Config;
use driftwall_core::manifest::Object;
use driftwall_core::policy::Mode;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::deploy::manifests::{Program, find, is_one_that_the_api_has, read, typed, yaml};

pub(crate) const CHART: &str = "deploy/chart";
pub(crate) const VALUES: [&str; 3] =
    ["tests/data/chart/full.yaml", "tests/data/chart/cert-manager.yaml", "tests/data/chart/registered.yaml"];

pub(crate) fn template(helm: &Program, release: &str, namespace: &str, more: &[&str]) -> String {
    helm.print(&[&["template", release, CHART, "--namespace", namespace], more].concat())
}

/// Objects by kind and name, without what only Helm writes, and with texts that are data as data.
pub(crate) fn compared(objects: Vec<Object>) -> BTreeMap<(String, String), Value> {
    let mut compared = BTreeMap::new();
    for Object { kind, name, mut value, .. } in objects {
        // Run by `helm test` only.
        if value["metadata"]["annotations"]["helm.sh/hook"] == "test" {
            continue;
        }
        let labels = value["metadata"]["labels"].as_object_mut().unwrap();
        for label in ["app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"] {
            labels.remove(label);
        }
        if kind == "CustomResourceDefinition" {
            // Only Helm takes things away.
            value["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        for text in value.get_mut("data").into_iter().flat_map(|data| data.as_object_mut().unwrap().values_mut()) {
            *text = yaml(text.as_str().unwrap());
        }
        assert!(compared.insert((kind, name), value).is_none());
    }
    compared
}

pub(crate) fn config(objects: &[Object]) -> Config {
    let map = objects.iter().filter(|object| object.kind == "ConfigMap");
    let texts = map.filter_map(|map| typed::<ConfigMap>(map).data?.remove("driftwall.yaml"));
    let [text] = texts.collect::<Vec<_>>().try_into().unwrap();
    Config::parse(&text, Path::new("/config/driftwall.yaml")).unwrap()
}

/// In the place of an address that only an adopter knows.
const RUNBOOK: &str = "https://example.org/acme/driftwall/deploy/RUNBOOK.md";

#[test]
fn the_chart_without_values_renders_what_the_kustomizations_hold() {
    let (Some(helm), Some(kubectl)) = (Program::find("helm"), Program::find("kubectl")) else { return };
    let monitoring =
        ["serviceMonitor", "prometheusRule", "dashboard"].map(|part| format!("monitoring.{part}.enabled=true"));
    let runbook = format!("monitoring.prometheusRule.runbook={RUNBOOK}");
    let rendered = template(&helm, "driftwall", "driftwall", &["--set", &monitoring.join(","), "--set", &runbook]);
    let chart = compared(read("chart", rendered.as_bytes()));
    let built = ["deploy", "deploy/monitoring"].map(|folder| kubectl.print(&["kustomize", folder]));
    let mut built = compared(built.iter().flat_map(|text| read("built", text.as_bytes())).collect());
    // Helm makes the namespace itself, where it is asked to.
    built.retain(|(kind, _), _| kind != "Namespace");
    assert_eq!(chart.keys().collect::<Vec<_>>(), built.keys().collect::<Vec<_>>());
    for (name, object) in &chart {
        assert_eq!(object, &built[name], "{name:?}");
    }
}

#[test]
fn alerts_lead_to_the_runbook_that_is_named_and_to_none_where_none_is() {
    let Some(helm) = Program::find("helm") else { return };
    for (runbook, urls) in [("", 0), ("https://wiki.example/driftwall", 19)] {
        let values = format!("monitoring.prometheusRule.enabled=true,monitoring.prometheusRule.runbook={runbook}");
        let rendered = read("chart", template(&helm, "driftwall", "driftwall", &["--set", &values]).as_bytes());
        let rules = find(&rendered, "PrometheusRule").value["spec"]["groups"][0]["rules"].as_array().unwrap().clone();
        let found = rules.iter().filter_map(|rule| rule["annotations"]["runbook_url"].as_str()).collect::<Vec<_>>();
        assert_eq!((rules.len(), found.len()), (19, urls));
        assert!(found.iter().all(|url| url.starts_with(&format!("{runbook}#driftwall"))), "{found:?}");
    }
}

#[test]
fn helm_lint_finds_nothing_with_any_values() {
    let Some(helm) = Program::find("helm") else { return };
    helm.print(&["lint", "--strict", CHART]);
    for values in VALUES {
        helm.print(&["lint", "--strict", CHART, "--values", values]);
    }
}

#[test]
fn every_set_of_values_renders_valid_objects_and_a_valid_configuration() {
    let Some(helm) = Program::find("helm") else { return };
    for values in VALUES {
        let text = template(&helm, "wall", "ops", &["--values", values]);
        let objects = read(values, text.as_bytes());
        for object in &objects {
            is_one_that_the_api_has(object, "ops");
            let is_its_kind = object.name == "breakglasses.driftwall.io";
            assert!(is_its_kind || object.name.starts_with("wall-driftwall"), "{}", object.name);
        }
        config(&objects);
    }
}

#[test]
fn every_value_reaches_its_field() {
    let Some(helm) = Program::find("helm") else { return };
    let objects = read("full", template(&helm, "wall", "ops", &["--values", VALUES[0]]).as_bytes());
    let config = config(&objects);
    assert_eq!((config.policy.mode, config.sources.len(), config.drain.as_secs()), (Mode::Enforce, 2, 25));
    assert_eq!((config.poll_interval.as_secs(), config.max_staleness.as_secs()), (60, 3600));
    let tls = config.tls.unwrap();
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("/clients/ca.crt")));

    let spec = typed::<Deployment>(find(&objects, "Deployment")).spec.unwrap();
    assert_eq!(spec.replicas, Some(3));
    let pod = spec.template.spec.unwrap();
    assert!(pod.termination_grace_period_seconds.unwrap() > 25 + 20);
    assert_eq!(pod.priority_class_name, None);
    assert_eq!(pod.service_account_name.as_deref(), Some("wall-driftwall-account"));
    assert!(
        pod.affinity.is_some_and(|affinity| affinity.node_affinity.is_some() && affinity.pod_anti_affinity.is_none())
    );
    assert_eq!(pod.topology_spread_constraints.unwrap()[0].max_skew, 1);
    let security = pod.security_context.unwrap();
    assert_eq!((security.run_as_user, security.run_as_group), (Some(1000), Some(65532)));
    let limits = pod.volumes.iter().flatten().filter_map(|volume| volume.empty_dir.as_ref()?.size_limit.clone());
    assert_eq!(limits.map(|limit| limit.0).collect::<Vec<_>>(), ["8Gi", "2Gi"]);
    let account = find(&objects, "ServiceAccount");
    assert_eq!(account.value["metadata"]["annotations"]["example.org/role"], "reader");
    assert!(objects.iter().all(|object| object.value["metadata"]["labels"]["example.org/owner"] == "platform"));
    let subjects = objects.iter().filter(|object| object.kind.ends_with("RoleBinding"));
    assert!(subjects.clone().all(|binding| binding.value["subjects"][0]["name"] == "wall-driftwall-account"));
    let rules = find(&objects, "ClusterRole").value["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["resources"][0] == "rollouts"));
    assert!(objects.iter().all(|object| object.kind != "ResourceQuota"), "a quota for no class");
    assert_eq!(pod.node_selector.unwrap()["kubernetes.io/os"], "linux");
    assert_eq!(pod.tolerations.unwrap()[0].key.as_deref(), Some("dedicated"));
    let metadata = spec.template.metadata.unwrap();
    assert_eq!(metadata.labels.unwrap()["example.org/tier"], "control");
    assert_eq!(metadata.annotations.unwrap()["example.org/team"], "platform");
    let container = &pod.containers[0];
    let resources = container.resources.clone().unwrap();
    for (of, storage) in [(resources.requests, "2Gi"), (resources.limits, "12Gi")] {
        assert_eq!(of.unwrap()["ephemeral-storage"].0, storage);
    }
    let image = container.image.as_deref().unwrap();
    assert!(image.starts_with("images.example.org/driftwall@sha256:0123456789abcdef"), "{image}");
    assert!(container.volume_mounts.iter().flatten().any(|mount| mount.mount_path == "/clients"));
    assert_eq!((pod.host_network, pod.dns_policy.as_deref()), (Some(true), Some("ClusterFirstWithHostNet")));
}

#[test]
fn a_service_account_that_is_there_already_is_only_bound() {
    let Some(helm) = Program::find("helm") else { return };
    let values = "serviceAccount.create=false,serviceAccount.name=mine";
    let objects = read(values, template(&helm, "wall", "ops", &["--set", values]).as_bytes());
    assert!(objects.iter().all(|object| object.kind != "ServiceAccount"));
    let pod = typed::<Deployment>(find(&objects, "Deployment")).spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.service_account_name.as_deref(), Some("mine"));
    let bindings: Vec<_> = objects.iter().filter(|object| object.kind.ends_with("RoleBinding")).collect();
    assert!(!bindings.is_empty() && bindings.iter().all(|binding| binding.value["subjects"][0]["name"] == "mine"));
}

/// The pod of `helm test`, which fails where the Service leads to no replica that is ready.
#[test]
fn helm_test_asks_what_the_service_and_the_network_policy_let_it_reach() {
    let Some(helm) = Program::find("helm") else { return };
    let objects = read("test", template(&helm, "wall", "ops", &[]).as_bytes());
    let [test] = objects
        .iter()
        .filter(|object| object.value["metadata"]["annotations"]["helm.sh/hook"] == "test")
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let command = test.value["spec"]["containers"][0]["command"].as_array().unwrap();
    let url = command.last().unwrap().as_str().unwrap();
    assert_eq!(url, "http://wall-driftwall.ops.svc:8080/readyz");
    let service = &find(&objects, "Service").value;
    assert_eq!(service["metadata"]["name"], "wall-driftwall");
    let ports = service["spec"]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| port["port"] == 8080 && port["targetPort"] == "admin"), "{ports:?}");
    let ingress = &find(&objects, "NetworkPolicy").value["spec"]["ingress"];
    let opens = |rule: &Value| rule["from"][0]["namespaceSelector"].is_object() && rule["ports"][0]["port"] == "admin";
    assert!(ingress.as_array().unwrap().iter().any(opens), "{ingress}");
    // Nothing that it needs is refused by the namespace's Pod Security level, `restricted`.
    let spec = &test.value["spec"];
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    assert_eq!(spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(spec["automountServiceAccountToken"], false);
}

#[test]
fn names_can_be_overridden() {
    let Some(helm) = Program::find("helm") else { return };
    for (values, name) in [
        ("nameOverride=gate", "wall-gate"),
        ("fullnameOverride=gate", "gate"),
        ("nameOverride=a,fullnameOverride=gate", "gate"),
        ("nameOverride=wall", "wall"),
    ] {
        let text = template(&helm, "wall", "ops", &["--set", values, "--set", "renderer.enabled=true"]);
        for object in read(values, text.as_bytes()) {
            let is_its_kind = object.name == "breakglasses.driftwall.io";
            let rest = object.name.strip_prefix(name);
            assert!(
                is_its_kind || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
                "{}",
                object.name
            );
        }
    }
}

#[test]
fn on_openshift_no_pod_asks_for_a_user() {
    let Some(helm) = Program::find("helm") else { return };
    let with = |more: &[&str]| template(&helm, "wall", "ops", &[&["--set", "renderer.enabled=true"], more].concat());
    let asks = |text: &str| ["runAsUser", "runAsGroup", "fsGroup"].map(|field| text.contains(field));
    assert_eq!(asks(&with(&[])), [true; 3]);
    let there = with(&["--api-versions", "security.openshift.io/v1"]);
    assert_eq!(asks(&there), [false; 3]);
    assert_eq!(there.matches("runAsNonRoot: true").count(), 3, "driftwall, the renderer, the test");
}

#[test]
fn the_chart_renders_no_private_key() {
    for entry in std::fs::read_dir("deploy/chart/templates").unwrap() {
        let path = entry.unwrap().path();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if path.ends_with("webhook.yaml") {
            // The one with the review path, which the values give.
            text = text.replacen("kind: Secret", "", 1);
        }
        for word in ["kind: Secret", "genCA", "genSignedCert", "genSelfSignedCert", "genPrivateKey", "PRIVATE KEY"] {
            assert!(!text.contains(word), "{word}");
        }
    }
}

#[test]
fn invalid_values_are_refused_with_their_path() {
    let Some(helm) = Program::find("helm") else { return };
    for (value, place) in [
        (r#"mode="block""#, "/mode"),
        ("replicas=0", "/replicas"),
        ("sources=[]", "/sources"),
        (r#"sources=[{"name":"a"}]"#, "/sources/0"),
        (r#"sources=[{"name":"a","repo":"b","auth":{"token":"s3cret"}}]"#, "/sources/0/auth"),
        (r#"presets=["argo"]"#, "/presets/0"),
        (r#"config={"mode":"enforce"}"#, "/config"),
        (r#"config={"git":{"dataDir":"/elsewhere"}}"#, "/config/git"),
        (r#"config={"onError":"warn"}"#, "/config/onError"),
        (r#"registration.failurePolicy="Sometimes""#, "/registration/failurePolicy"),
        ("registration.timeoutSeconds=31", "/registration/timeoutSeconds"),
        (r#"registration.excludeNamespaces=["*"]"#, "/registration/excludeNamespaces/0"),
        (r#"registration.name="other""#, "/registration"),
        ("registration.manage=null", "/registration"),
        (r#"breakGlass.maxDuration="ever""#, "/breakGlass/maxDuration"),
        ("breakGlass.enabled=1", "/breakGlass/enabled"),
        (r#"events="yes""#, "/events"),
        (r#"tls.mode="files""#, "/tls/mode"),
        (r#"tls.certificateValidity="long""#, "/tls/certificateValidity"),
        (r#"hostNetwork="yes""#, "/hostNetwork"),
        (r#"webhook.caBundle="-----BEGIN CERTIFICATE-----""#, "/webhook/caBundle"),
        (r#"webhook.failurePolicy="Fail""#, "/webhook"),
        (r#"tls={"secretName":"a","key":"b"}"#, "/tls"),
        ("image={\"repository\":\"\"}", "/image/repository"),
        ("imagee={}", "imagee"),
    ] {
        let run = helm.run(&["template", "driftwall", CHART, "--set-json", value]);
        let words = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && words.contains(place), "{value}: {words}");
    }
}

#[test]
fn the_notes_say_what_is_still_missing() {
    let Some(helm) = Program::find("helm") else { return };
    let notes = |more: &[&str]| {
        let install = ["install", "driftwall", CHART, "--namespace", "driftwall", "--dry-run=client"];
        helm.print(&[&install, more].concat())
    };
    let text = notes(&[]);
    let way_out = "delete validatingwebhookconfiguration driftwall";
    for words in ["audit mode", "is the example", way_out, "the Secret driftwall-certificates", "BreakGlass"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("must hold"), "{text}");
    assert!(!notes(&["--values", VALUES[0]]).contains("the example"));
    let text = notes(&["--set", "tls.mode=secret"]);
    assert!(text.contains("The Secret driftwall-tls must hold") && text.contains("driftwall.driftwall.svc"), "{text}");
    assert!(notes(&["--values", VALUES[2]]).contains("restores its webhook configuration"));
    assert!(notes(&["--values", VALUES[0]]).contains("config.unmanaged is not enforced"), "nor silently so");
    assert!(!text.contains("config.unmanaged"), "{text}");
}

#[test]
fn the_charts_files_equal_those_of_the_kustomizations() {
    let text = |file: &str| std::fs::read_to_string(file).unwrap();
    assert_eq!(text("deploy/chart/files/driftwall.json"), text("deploy/monitoring/driftwall.json"));
    let rule = read("rule", text("deploy/monitoring/prometheusrule.yaml").as_bytes());
    assert_eq!(yaml(&text("deploy/chart/files/alerts.yaml")), rule[0].value["spec"]);
    let chart = yaml(&text("deploy/chart/Chart.yaml"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert!(text("deploy/20-deployment.yaml").contains(concat!("image: driftwall:", env!("CARGO_PKG_VERSION"))));
}
