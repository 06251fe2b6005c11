//! Whether driftwall or the chart creates the webhook configuration, and the chart's own.

use std::collections::BTreeMap;

use driftwall::config::{CertificateSettings, FailurePolicy};
use driftwall_core::actor::GitopsTool;
use driftwall_core::desired::Snapshot;
use driftwall_core::webhook_config::{Endpoint, ReviewPath, ServedKinds, WebhookParameters, Writers, build};
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::api::apps::v1::Deployment;

use crate::deploy::chart::{CHART, VALUES, config, template};
use crate::deploy::manifests::{Program, find, read, typed};

const CONFIGURATION: &str = "ValidatingWebhookConfiguration";

/// The chart registers driftwall, with the CA that it is given.
const BY_HAND: [&str; 2] = ["--set", "registration.manage=false,tls.mode=secret"];

/// What driftwall registers itself, where Git declares nothing.
fn parameters(name: &str) -> WebhookParameters {
    WebhookParameters {
        name: name.into(),
        labels: BTreeMap::new(),
        ca_bundle: None,
        endpoint: Endpoint::Service { namespace: "ops".into(), name: name.into(), port: 443 },
        path: ReviewPath::well_known(),
        failure_policy: "Ignore",
        timeout_seconds: 5,
        own_namespace: "ops".into(),
        excluded_namespaces: vec!["ops".into(), "kube-system".into()],
        strict_namespaces: Some(Vec::new()),
        canary: None,
        break_glass: true,
        match_conditions: true,
        writers: Writers::default(),
        served: ServedKinds::new(),
    }
}

/// The webhook for writes that driftwall registers itself, where Git declares nothing.
fn registered(name: &str) -> serde_json::Value {
    build(&Snapshot::default(), &parameters(name))["webhooks"][0].take()
}

fn webhooks(text: &str) -> Vec<ValidatingWebhook> {
    let configuration: ValidatingWebhookConfiguration = typed(find(&read("chart", text.as_bytes()), CONFIGURATION));
    configuration.webhooks.unwrap()
}

#[test]
fn driftwall_registers_itself_as_the_values_say() {
    let Some(helm) = Program::find("helm") else { return };
    let text = template(&helm, "wall", "ops", &["--values", VALUES[2]]);
    let objects = read("registered", text.as_bytes());
    assert!(objects.iter().all(|object| object.kind != CONFIGURATION), "two would write the same object");
    let config = config(&objects);
    let registration = config.registration;
    assert!(registration.manage && registration.self_heal);
    assert_eq!((registration.failure_policy, registration.timeout_seconds), (FailurePolicy::Fail, 3));
    assert_eq!(registration.exclude_namespaces, ["kube-system", "cert-manager"]);
    let CertificateSettings::SelfManaged(validity) = config.tls.unwrap().certificate else {
        panic!("files that nobody mounts")
    };
    assert_eq!((validity.ca.as_secs() / 3600, validity.certificate.as_secs() / 3600), (720, 168));
    assert!(!config.break_glass.enabled && !config.events);
    assert!(!text.contains("breakglasses") && !text.contains("events.k8s.io"), "rights that have no use");
    let pod = typed::<Deployment>(find(&objects, "Deployment")).spec.unwrap().template.spec.unwrap();
    assert!(pod.volumes.unwrap().iter().all(|volume| volume.name != "tls"), "a Secret that nobody makes");
}

#[test]
fn the_charts_webhook_configuration_has_what_the_values_say() {
    let Some(helm) = Program::find("helm") else { return };
    let text = template(&helm, "wall", "ops", &["--values", VALUES[0]]);
    let mut all = webhooks(&text).into_iter();
    let (writes, glass) = (all.next().unwrap(), all.next().unwrap());
    for webhook in all {
        let condition = webhook.match_conditions.iter().flatten().find(|condition| condition.name == "not-a-lease");
        assert!(condition.is_some(), "{} is sent what the values leave out", webhook.name);
        assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"), "{}", webhook.name);
    }
    assert_eq!(writes.name, "writes.driftwall.io");
    assert_eq!((writes.failure_policy.as_deref(), writes.timeout_seconds), (Some("Fail"), Some(3)));
    assert_eq!(writes.client_config.ca_bundle.clone().unwrap().0, b"-----BEGIN");
    let selector = writes.namespace_selector.unwrap().match_expressions.unwrap().pop().unwrap();
    assert_eq!((selector.key.as_str(), selector.operator.as_str()), ("kubernetes.io/metadata.name", "NotIn"));
    assert_eq!(selector.values.unwrap(), ["ops", "cert-manager", "kube-system"]);
    let mut conditions = writes.match_conditions.unwrap();
    assert_eq!(conditions.pop().unwrap().name, "not-a-lease");
    assert_eq!(serde_json::to_value(conditions).unwrap(), registered("wall-driftwall")["matchConditions"]);
    let rules = writes.rules.unwrap();
    assert_eq!(rules.last().unwrap().api_groups.as_deref(), Some(&["example.org".to_owned()][..]));
    assert!(rules.len() > 10, "the usual rules stay");

    assert_eq!(glass.name, "break-glass.driftwall.io");
    assert_eq!(glass.client_config, writes.client_config);
    assert_eq!(glass.failure_policy.as_deref(), Some("Ignore"), "help in an emergency does not wait for driftwall");
    assert!(glass.namespace_selector.is_none(), "glass is broken in driftwall's own namespace too");
    let objects = read("full", text.as_bytes());
    let config = config(&objects);
    assert!(
        !config.registration.manage && matches!(config.tls.unwrap().certificate, CertificateSettings::Files { .. })
    );
    assert_eq!((config.break_glass.enabled, config.break_glass.max_duration.as_secs()), (true, 30 * 60));
    assert!(objects.iter().all(|object| object.kind != "CustomResourceDefinition"), "another release has it");
}

#[test]
fn the_charts_webhook_configuration_cannot_lock_a_cluster_out() {
    let Some(helm) = Program::find("helm") else { return };
    let text = template(&helm, "driftwall", "driftwall", &BY_HAND);
    for webhook in webhooks(&text) {
        assert_eq!(webhook.client_config.ca_bundle, None, "applied again, it would undo the CA that is set there");
        assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
        assert_eq!(webhook.timeout_seconds, Some(5));
        assert_eq!(webhook.side_effects, "None");
        assert_eq!(webhook.match_policy.as_deref(), Some("Equivalent"));
        let reference = webhook.client_config.service.unwrap();
        assert_eq!((reference.name.as_str(), reference.namespace.as_str()), ("driftwall", "driftwall"));
        assert_eq!((reference.path.as_deref(), reference.port), (Some("/validate"), Some(443)));
    }
    let writes = webhooks(&text).swap_remove(0);
    let selector = writes.namespace_selector.unwrap().match_expressions.unwrap().pop().unwrap();
    assert_eq!(selector.values.unwrap(), ["driftwall", "kube-system"]);
}

#[test]
fn the_charts_path_is_registered_and_received_at() {
    let Some(helm) = Program::find("helm") else { return };
    let path = "/0123456789abcdef0123456789abcdef";
    let set = format!("{},webhook.path={path}", BY_HAND[1]);
    let text = template(&helm, "driftwall", "driftwall", &["--set", &set]);
    for webhook in webhooks(&text) {
        assert_eq!(webhook.client_config.service.unwrap().path.as_deref(), Some(path), "{}", webhook.name);
    }
    let objects = read("chart", text.as_bytes());
    let secret = objects.iter().find(|object| object.kind == "Secret").unwrap();
    assert_eq!((&*secret.name, &secret.value["stringData"]["path"]), ("driftwall-path", &path.into()));
    let file = config(&objects).registration.path_file.unwrap();
    let pod = typed::<Deployment>(find(&objects, "Deployment")).spec.unwrap().template.spec.unwrap();
    let mounts = pod.containers.into_iter().flat_map(|container| container.volume_mounts.unwrap());
    let mounted = mounts.map(|mount| std::path::Path::new(&mount.mount_path).join("path"));
    assert_eq!(mounted.filter(|mounted| *mounted == file).count(), 1, "{}", file.display());
    let elsewhere: String = text.replace(&format!("path: {path}"), "");
    assert!(!elsewhere.contains(path), "it is in the Secret and in the webhooks only");
}

/// With the rules that driftwall would register, the chart's webhooks are those that it would register.
#[test]
fn the_charts_webhooks_are_those_that_driftwall_registers() {
    let Some(helm) = Program::find("helm") else { return };
    let defaulted = |webhook: ValidatingWebhook| {
        let mut webhook = serde_json::to_value(webhook).unwrap();
        for (field, default) in [("namespaceSelector", "{}"), ("objectSelector", "{}")] {
            if webhook.get(field).is_none() {
                webhook[field] = default.parse().unwrap();
            }
        }
        for rule in webhook["rules"].as_array_mut().unwrap() {
            if rule.get("scope").is_none() {
                rule["scope"] = "*".into();
            }
        }
        webhook
    };
    let (argocd, flux) = (GitopsTool::ArgoCd, GitopsTool::Flux);
    let person = r#"[{"class":"person","users":["system:serviceaccount:ops:deployer"]}]"#;
    for (presets, actors, tools) in [
        ("[]", "[]", Vec::new()),
        (r#"["flux"]"#, "[]", vec![flux]),
        (r#"["keda","flux","argocd"]"#, person, vec![argocd, flux]),
    ] {
        let writers = Writers { tools: tools.into_iter().collect(), may_be_accounts: actors != "[]" };
        let mut expected = build(&Snapshot::default(), &WebhookParameters { writers, ..parameters("wall-driftwall") });
        let rules = format!("webhook.rules={}", expected["webhooks"][0]["rules"]);
        let (presets, actors) = (format!("presets={presets}"), format!("config.actors={actors}"));
        let values = ["--set-json", &rules, "--set-json", &presets, "--set-json", &actors];
        let text = template(&helm, "wall", "ops", &[&BY_HAND[..], &values].concat());
        let expected: Vec<ValidatingWebhook> = serde_json::from_value(expected["webhooks"].take()).unwrap();
        let expected: BTreeMap<_, _> = expected.into_iter().map(|it| (it.name.clone(), defaulted(it))).collect();
        let there: BTreeMap<_, _> = webhooks(&text).into_iter().map(|it| (it.name.clone(), defaulted(it))).collect();
        assert_eq!(there.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{presets}");
        for (name, webhook) in there {
            assert_eq!(webhook, expected[&name], "{presets}: {name}");
        }
    }
}

#[test]
fn the_default_rules_name_every_judged_subresource() {
    let Some(helm) = Program::find("helm") else { return };
    let rules = webhooks(&template(&helm, "driftwall", "driftwall", &BY_HAND)).swap_remove(0).rules.unwrap();
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
        ("", "serviceaccounts/token", "CREATE"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "DELETE"),
        ("autoscaling", "horizontalpodautoscalers", "CREATE"),
        ("batch", "cronjobs", "UPDATE"),
    ] {
        assert!(named(group, resource, operation), "{operation} {resource}.{group}");
    }
    // And whatever driftwall asks about where it registers itself.
    for rule in registered("driftwall")["rules"].as_array().unwrap() {
        let texts = |field: &str| rule[field].as_array().unwrap().iter().filter_map(|text| text.as_str()).collect();
        let [groups, versions, resources, operations]: [Vec<&str>; 4] =
            ["apiGroups", "apiVersions", "resources", "operations"].map(texts);
        for (resource, operation) in resources.iter().flat_map(|it| operations.iter().map(move |by| (it, by))) {
            assert!(named(groups[0], resource, operation), "{operation} {resource}.{}", groups[0]);
        }
        let is_there = |version: &str| {
            rules.iter().any(|rule| {
                let has = |list: &Option<Vec<String>>, item: &str| list.iter().flatten().any(|there| there == item);
                has(&rule.api_groups, groups[0]) && has(&rule.api_versions, version)
            })
        };
        assert!(is_there(versions[0]), "{rule}");
    }
    for rule in &rules {
        let any = |list: &Option<Vec<String>>| list.iter().flatten().any(|there| there.contains('*'));
        assert!(!any(&rule.api_groups) && !any(&rule.resources) && !any(&rule.api_versions), "{rule:?}");
    }
}

#[test]
fn custom_rules_replace_the_default_ones_and_the_webhook_can_be_disabled() {
    let Some(helm) = Program::find("helm") else { return };
    let rule = r#"{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["UPDATE"],"resources":["deployments"]}"#;
    let own = format!("webhook.rules=[{rule}]");
    let text = template(&helm, "driftwall", "driftwall", &[&BY_HAND[..], &["--set-json", &own]].concat());
    assert_eq!(webhooks(&text)[0].rules.as_ref().unwrap().len(), 1);
    let text = template(&helm, "driftwall", "driftwall", &["--set", "registration.manage=false,webhook.enabled=false"]);
    assert!(read("left out", text.as_bytes()).iter().all(|object| object.kind != CONFIGURATION));
}

#[test]
fn values_that_would_silently_disable_enforcement_are_refused_with_what_to_set() {
    let Some(helm) = Program::find("helm") else { return };
    for (values, words) in [
        ("tls.mode=certManager", "takes registration.manage=false"),
        ("registration.manage=false", "takes tls.mode=certManager or secret, or webhook.enabled=false"),
        ("webhook.caBundle=LS0tLS1CRUdJTg==", "driftwall writes its webhook configuration itself"),
        ("webhook.annotations.a=b", "driftwall writes its webhook configuration itself"),
    ] {
        let run = helm.run(&["template", "driftwall", CHART, "--set", values]);
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(!run.status.success() && said.contains(words), "{values}: {said}");
    }
}

#[test]
fn cert_manager_issues_the_secret_and_injects_the_ca() {
    let Some(helm) = Program::find("helm") else { return };
    let objects = read("cert-manager", template(&helm, "driftwall", "driftwall", &["--values", VALUES[1]]).as_bytes());
    let served = objects.iter().find(|object| object.kind == "Certificate" && object.name == "driftwall").unwrap();
    assert_eq!(served.value["spec"]["dnsNames"], serde_json::json!(["driftwall.driftwall.svc"]));
    let pod = typed::<Deployment>(find(&objects, "Deployment")).spec.unwrap().template.spec.unwrap();
    let secrets: Vec<_> = pod.volumes.into_iter().flatten().filter_map(|volume| volume.secret?.secret_name).collect();
    assert!(secrets.iter().any(|name| served.value["spec"]["secretName"] == **name), "{secrets:?}");
    let webhook = find(&objects, "ValidatingWebhookConfiguration");
    let injected = &webhook.value["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
    assert_eq!(injected, "driftwall/driftwall");
    let issuers = objects.iter().filter(|object| object.kind == "Issuer");
    let issuers: Vec<_> = issuers.map(|issuer| issuer.name.as_str()).collect();
    for certificate in objects.iter().filter(|object| object.kind == "Certificate") {
        let issuer = certificate.value["spec"]["issuerRef"]["name"].as_str().unwrap();
        assert!(issuers.contains(&issuer), "{issuer} of {issuers:?}");
    }

    let other = "tls.certManager.issuerRef={\"name\":\"ca\",\"kind\":\"ClusterIssuer\"}";
    let text = template(&helm, "driftwall", "driftwall", &["--values", VALUES[1], "--set-json", other]);
    let objects = read("issuer", text.as_bytes());
    assert!(objects.iter().all(|object| object.kind != "Issuer"), "there is an issuer already");
    assert_eq!(find(&objects, "Certificate").value["spec"]["issuerRef"]["kind"], "ClusterIssuer");
}
