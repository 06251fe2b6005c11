//! The webhook configuration made from a snapshot: it is valid in its API, and its rules select the right writes.

use std::collections::{BTreeMap, BTreeSet};

use driftwall_core::actor::GitopsTool;
use driftwall_core::desired::Snapshot;
use driftwall_core::webhook_config::{
    Endpoint, ReviewPath, ServedKind, ServedKinds, WebhookParameters, Writers, build, kinds_in_several_versions,
    kinds_in_unserved_versions, kinds_never_sent,
};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use serde_json::{Value, json};

use crate::harness::snapshots;

pub(super) const GIT: &str = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: prod}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: prod}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: prod}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: prod}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: web, namespace: prod}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgetry.a.example}
spec: {group: a.example, names: {kind: Widget, plural: widgetry}, scope: Namespaced, versions: [{name: v2}]}
---
{apiVersion: a.example/v2, kind: Widget, metadata: {name: web, namespace: prod}}
";

pub(super) fn snapshot(git: &str) -> Snapshot {
    snapshots::snapshot(None, git)
}

pub(super) fn settings() -> WebhookParameters {
    WebhookParameters {
        name: "driftwall".into(),
        labels: BTreeMap::new(),
        ca_bundle: Some("UEVN".into()),
        endpoint: Endpoint::Service { namespace: "wall".into(), name: "driftwall".into(), port: 443 },
        path: ReviewPath::well_known(),
        failure_policy: "Ignore",
        timeout_seconds: 5,
        own_namespace: "wall".into(),
        excluded_namespaces: vec!["wall".into(), "kube-system".into()],
        strict_namespaces: Some(Vec::new()),
        canary: None,
        break_glass: false,
        match_conditions: true,
        writers: Writers::default(),
        served: ServedKinds::new(),
    }
}

fn made(git: &str, settings: &WebhookParameters) -> ValidatingWebhookConfiguration {
    let value = build(&snapshot(git), settings);
    let typed: ValidatingWebhookConfiguration = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&typed).unwrap(), value, "every field is one of the API's");
    typed
}

/// Whether a write is asked about.
fn asks(configuration: &ValidatingWebhookConfiguration, operation: &str, resource: &str, version: &str) -> bool {
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let rules = configuration.webhooks.as_ref().unwrap()[0].rules.as_ref().unwrap();
    let whole = resource.split_once('/').map_or("*".to_owned(), |(_, subresource)| format!("*/{subresource}"));
    rules.iter().any(|rule| {
        let has = |list: &Option<Vec<String>>, item: &str| list.iter().flatten().any(|there| there == item);
        has(&rule.api_groups, group)
            && (has(&rule.api_versions, version) || has(&rule.api_versions, "*"))
            && (has(&rule.resources, resource) || has(&rule.resources, &whole))
            && has(&rule.operations, operation)
    })
}

/// Whether the API server sends reviews of a write.
struct RuleCase {
    operation: &'static str,
    resource: &'static str,
    version: &'static str,
    is_reviewed: bool,
}

const fn reviewed(operation: &'static str, resource: &'static str, version: &'static str) -> RuleCase {
    RuleCase { operation, resource, version, is_reviewed: true }
}

const fn ignored(operation: &'static str, resource: &'static str, version: &'static str) -> RuleCase {
    RuleCase { operation, resource, version, is_reviewed: false }
}

#[test]
fn declared_objects_and_what_belongs_to_them_are_reviewed() {
    let made = made(GIT, &settings());
    for RuleCase { operation, resource, version, is_reviewed } in [
        reviewed("CREATE", "deployments.apps", "v1"),
        reviewed("DELETE", "deployments.apps", "v1"),
        reviewed("UPDATE", "deployments/scale.apps", "v1"),
        reviewed("UPDATE", "deployments/status.apps", "v1"),
        ignored("UPDATE", "statefulsets.apps", "v1"),
        reviewed("UPDATE", "namespaces/finalize", "v1"),
        reviewed("UPDATE", "namespaces/status", "v1"),
        reviewed("UPDATE", "configmaps", "v1"),
        ignored("UPDATE", "configmaps/status", "v1"),
        ignored("CREATE", "secrets", "v1"),
        reviewed("UPDATE", "networkpolicies.networking.k8s.io", "v1"),
        reviewed("UPDATE", "gateways.gateway.networking.k8s.io", "v1"),
        reviewed("UPDATE", "widgetry.a.example", "v2"),
        reviewed("UPDATE", "widgetry/scale.a.example", "v2"),
        ignored("UPDATE", "widgetry.a.example", "v1"),
        reviewed("UPDATE", "namespaces", "v1"),
        reviewed("DELETE", "customresourcedefinitions.apiextensions.k8s.io", "v1"),
        reviewed("UPDATE", "pods", "v1"),
        ignored("CREATE", "pods", "v1"),
        ignored("CREATE", "pods/binding", "v1"),
        reviewed("UPDATE", "pods/ephemeralcontainers", "v1"),
        reviewed("CREATE", "pods/eviction", "v1"),
        reviewed("UPDATE", "pods/resize", "v1"),
        reviewed("UPDATE", "replicasets/scale.apps", "v1"),
        reviewed("DELETE", "jobs.batch", "v1"),
        reviewed("CREATE", "horizontalpodautoscalers.autoscaling", "v2"),
        reviewed("CREATE", "scaledobjects.keda.sh", "v1alpha1"),
        reviewed("CREATE", "serviceaccounts/token", "v1"),
        ignored("UPDATE", "serviceaccounts", "v1"),
    ] {
        assert_eq!(asks(&made, operation, resource, version), is_reviewed, "{operation} {resource} {version}");
    }
}

#[test]
fn what_is_bound_is_reviewed_where_git_declares_pods() {
    let git = "{apiVersion: v1, kind: Pod, metadata: {name: solo, namespace: prod}}";
    // Without match conditions the scheduler would wait for an answer about each Pod.
    for match_conditions in [true, false] {
        let made = made(git, &WebhookParameters { match_conditions, ..settings() });
        for resource in ["pods/binding", "bindings"] {
            assert_eq!(asks(&made, "CREATE", resource, "v1"), match_conditions, "{resource}");
        }
    }
}

#[test]
fn an_unknown_plural_is_not_guessed() {
    let git = "
{apiVersion: chaos-mesh.org/v1alpha1, kind: NetworkChaos, metadata: {name: web, namespace: prod}}
---
{apiVersion: chaos-mesh.org/v1alpha1, kind: PodChaos, metadata: {name: web, namespace: prod}}
---
{apiVersion: security.openshift.io/v1, kind: SecurityContextConstraints, metadata: {name: web}}
";
    let told = |kind: &str, plural: &str| served("chaos-mesh.org", kind, plural, &["v1alpha1"]);
    let (network, pod) = (told("NetworkChaos", "networkchaos"), told("PodChaos", "podchaos"));
    for (served, expected) in [
        (vec![], [json!(["*"]), json!(["*/scale", "*/status"])]),
        (vec![pod.clone()], [json!(["*"]), json!(["*/scale", "*/status"])]),
        (
            vec![network, pod],
            [
                json!(["networkchaos", "podchaos"]),
                json!(["networkchaos/scale", "networkchaos/status", "podchaos/scale", "podchaos/status"]),
            ],
        ),
    ] {
        let made = build(&snapshot(git), &WebhookParameters { served: served.into_iter().collect(), ..settings() });
        let rules = made["webhooks"][0]["rules"].as_array().unwrap();
        let of = |group: &str| {
            // Deletions come in all versions, too.
            let is_of_all = |rule: &&Value| rule["apiVersions"] == json!(["*"]);
            let of = rules.iter().filter(|rule| rule["apiGroups"] == json!([group]) && !is_of_all(rule));
            of.map(|rule| rule["resources"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("chaos-mesh.org"), expected);
        assert_eq!(of("security.openshift.io"), [json!(["*"]), json!(["*/scale", "*/status"])]);
    }
}

/// A kind, as the API server has it.
pub(super) fn served(group: &str, kind: &str, plural: &str, versions: &[&str]) -> ((String, String), ServedKind) {
    let versions = versions.iter().map(|version| (*version).to_owned()).collect();
    ((group.to_owned(), kind.to_owned()), ServedKind { plural: plural.to_owned(), versions })
}

/// What Git declares and the API server serves, and the versions of the rules for it.
struct ServedCase {
    git: &'static [(&'static str, &'static str)],
    served: Option<&'static [&'static str]>,
    plural: &'static str,
    versions: &'static [&'static str],
}

#[test]
fn a_rule_names_versions_that_the_server_has() {
    let cron_job: &[_] = &[("batch/v1beta1", "CronJob")];
    let thing: &[_] = &[("a.org/v1", "Thing")];
    let both: &[_] = &[("a.org/v1", "Thing"), ("a.org/v2", "Thing")];
    for ServedCase { git, served: versions, plural, versions: expected } in [
        // Git's version is served, others are converted to it.
        ServedCase { git: thing, served: Some(&["v1", "v2"]), plural: "things", versions: &["v1"] },
        ServedCase { git: cron_job, served: Some(&["v1", "v1beta1"]), plural: "cronjobs", versions: &["v1beta1"] },
        // It is not: whatever version is written.
        ServedCase { git: thing, served: Some(&["v2"]), plural: "things", versions: &["*"] },
        ServedCase { git: cron_job, served: Some(&["v1"]), plural: "cronjobs", versions: &["*"] },
        ServedCase { git: both, served: Some(&["v2"]), plural: "things", versions: &["v2"] },
        ServedCase { git: both, served: Some(&["v3"]), plural: "things", versions: &["*"] },
        // Nobody said. Definitions serve what Git writes, as a rule; Kubernetes leaves its betas behind.
        ServedCase { git: thing, served: None, plural: "*", versions: &["v1"] },
        ServedCase { git: cron_job, served: None, plural: "cronjobs", versions: &["*"] },
        ServedCase { git: &[("batch/v1", "CronJob")], served: None, plural: "cronjobs", versions: &["v1"] },
    ] {
        let object = |(api_version, kind): &(&str, &str)| {
            format!(
                "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: {}, namespace: prod}}}}",
                api_version.replace('/', "-")
            )
        };
        let manifests: Vec<_> = git.iter().map(object).collect();
        let (manifests, group) = (manifests.join("\n---\n"), git[0].0.split_once('/').unwrap().0);
        let kinds =
            versions.map(|versions| served(group, git[0].1, if plural == "*" { "things" } else { plural }, versions));
        let served: ServedKinds = kinds.into_iter().collect();
        let parameters = WebhookParameters { served: served.clone(), ..settings() };
        let made = build(&snapshot(&manifests), &parameters);
        let rules = made["webhooks"][0]["rules"].as_array().unwrap().iter();
        let rules = rules.filter(|rule| {
            let resources = rule["resources"].as_array().unwrap();
            let is_for_deletions = rule["operations"] == json!(["DELETE"]);
            rule["apiGroups"] == json!([group]) && resources.contains(&json!(plural)) && !is_for_deletions
        });
        let named: BTreeSet<_> = rules.map(|rule| rule["apiVersions"][0].as_str().unwrap().to_owned()).collect();
        assert_eq!(Vec::from_iter(&named), expected, "{git:?} {versions:?}");
        let told = kinds_in_unserved_versions(&snapshot(&manifests), &served);
        let has_unserved = versions.is_some_and(|versions| {
            git.iter().any(|(api_version, _)| !versions.contains(&api_version.split_once('/').unwrap().1))
        });
        assert_eq!(!told.is_empty(), has_unserved, "{told:?}");
    }
}

/// Manifests, the versions in which the webhook is called for a resource, and the kind that is in several.
struct VersionCase {
    git: String,
    resource: &'static str,
    versions: &'static [&'static str],
    warning: Option<&'static str>,
}

#[test]
fn a_kind_is_reviewed_in_the_version_that_git_declares_only() {
    let hpa = |version: &str, name: &str| {
        format!("{{apiVersion: autoscaling/{version}, kind: HorizontalPodAutoscaler, metadata: {{name: {name}}}}}\n")
    };
    let vpa = "{apiVersion: autoscaling.k8s.io/v1beta2, kind: VerticalPodAutoscaler, metadata: {name: a}}".to_owned();
    let (hpas, vpas) = ("horizontalpodautoscalers.autoscaling", "verticalpodautoscalers.autoscaling.k8s.io");
    let both = hpa("v1", "a") + "---\n" + &hpa("v2", "b");
    for VersionCase { git, resource, versions, warning } in [
        VersionCase { git: String::new(), resource: hpas, versions: &["v2"], warning: None },
        VersionCase { git: hpa("v1", "a"), resource: hpas, versions: &["v1"], warning: None },
        VersionCase { git: hpa("v2", "a"), resource: hpas, versions: &["v2"], warning: None },
        VersionCase {
            git: both,
            resource: hpas,
            versions: &["v1", "v2"],
            warning: Some("HorizontalPodAutoscaler.autoscaling in v1, v2"),
        },
        VersionCase { git: vpa, resource: vpas, versions: &["v1beta2"], warning: None },
    ] {
        let made = made(&git, &settings());
        for operation in ["CREATE", "UPDATE", "DELETE"] {
            let asked = ["v1", "v1beta2", "v2"].into_iter().filter(|version| asks(&made, operation, resource, version));
            // Whether the API server has this version of what is not Kubernetes' own, nobody said.
            let is_any = resource == vpas && operation == "DELETE";
            let expected = if is_any { &["v1", "v1beta2", "v2"] } else { versions };
            assert_eq!(asked.collect::<Vec<_>>(), expected, "{operation} {git}");
        }
        assert_eq!(kinds_in_several_versions(&snapshot(&git)).first().map(String::as_str), warning, "{git}");
    }
}

#[test]
fn deletions_of_undeclared_namespaces_and_crds_are_reviewed() {
    let made = made("{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: prod}}", &settings());
    for (operation, asked) in [("DELETE", true), ("CREATE", false), ("UPDATE", false)] {
        for resource in ["namespaces", "customresourcedefinitions.apiextensions.k8s.io"] {
            assert_eq!(asks(&made, operation, resource, "v1"), asked, "{operation} {resource}");
        }
    }
}

#[test]
fn the_webhook_configuration_cannot_lock_a_cluster_out() {
    let writers = Writers { tools: BTreeSet::from([GitopsTool::ArgoCd, GitopsTool::Flux]), ..Writers::default() };
    let strict = WebhookParameters { strict_namespaces: Some(vec!["prod".into()]), writers, ..settings() };
    let webhooks = made(GIT, &strict).webhooks.unwrap();
    assert_eq!(
        webhooks.iter().map(|webhook| &*webhook.name).collect::<Vec<_>>(),
        [
            "writes.driftwall.io",
            "strict.driftwall.io",
            "tokens.driftwall.io",
            "identities.driftwall.io",
            "tools.driftwall.io",
            "undeclared.driftwall.io"
        ]
    );
    for webhook in &webhooks {
        assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"));
        assert_eq!((webhook.timeout_seconds, &*webhook.side_effects), (Some(5), "None"));
        let selector = webhook.namespace_selector.as_ref().unwrap().match_expressions.as_ref().unwrap();
        let out = selector.iter().find(|expression| expression.operator == "NotIn").unwrap();
        // Whom an exempt account belongs to does not depend on where.
        let is_for_all = ["identities.driftwall.io", "tokens.driftwall.io"].contains(&&*webhook.name);
        let expected: &[&str] = if is_for_all { &["wall"] } else { &["wall", "kube-system"] };
        assert_eq!(out.values.as_ref().unwrap(), expected);
        let conditions: Vec<_> = webhook.match_conditions.iter().flatten().map(|one| &*one.name).collect();
        let all = [
            "not-a-component",
            "not-a-controller",
            "not-a-lease-or-event",
            "not-a-node",
            "not-driftwall-itself",
            "not-the-autoscaler",
        ];
        let more: &[&str] = match &*webhook.name {
            "tokens.driftwall.io" => &["is-a-token-secret"],
            "identities.driftwall.io" => &["may-name-an-account", "is-not-sent-already", "is-not-a-service-account"],
            "tools.driftwall.io" => &["is-not-sent-already", "is-of-a-tool", "is-not-its-own-controller"],
            "undeclared.driftwall.io" => &["is-not-a-service-account", "is-not-sent-already"],
            _ => &[],
        };
        assert_eq!(conditions, [&all, more].concat());
    }
    let is_of_all = |webhook: usize| {
        webhooks[webhook].rules.iter().flatten().any(|rule| {
            let lists = [&rule.api_groups, &rule.operations];
            lists.into_iter().flatten().flatten().any(|item| item.contains('*'))
        })
    };
    assert!(!is_of_all(0) && is_of_all(1));
    let whole =
        webhooks[0].rules.iter().flatten().filter(|rule| rule.resources.iter().flatten().any(|it| it.contains('*')));
    let whole: Vec<_> = whole.flat_map(|rule| rule.api_groups.iter().flatten()).collect();
    assert!(whole.iter().all(|group| *group == "gateway.networking.k8s.io"), "only what nobody defines: {whole:?}");
    assert_eq!(made(GIT, &settings()).webhooks.unwrap().len(), 4);
    let blocking = WebhookParameters { failure_policy: "Fail", ..settings() };
    let webhooks = made(GIT, &blocking).webhooks.unwrap();
    for name in ["identities.driftwall.io", "undeclared.driftwall.io"] {
        let webhook = webhooks.iter().find(|webhook| webhook.name == name).unwrap();
        assert_eq!(webhook.failure_policy.as_deref(), Some("Ignore"), "{name} is for anything that persons change");
    }
}

#[test]
fn the_order_of_files_does_not_change_the_webhook_configuration() {
    let reversed = GIT.split("---").collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n---\n");
    assert_eq!(build(&snapshot(GIT), &settings()), build(&snapshot(&reversed), &settings()));
    let url = WebhookParameters { endpoint: Endpoint::Url("https://wall.example/validate".into()), ..settings() };
    let client = made(GIT, &url).webhooks.unwrap().remove(0).client_config;
    assert_eq!((client.url.as_deref(), client.service), (Some("https://wall.example/validate"), None));
}

#[test]
fn an_older_api_server_gets_no_match_conditions_and_no_status_that_kubelets_write() {
    let pods = "---\n{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: prod}}\n---\n{apiVersion: v1, kind: Node, metadata: {name: n1}}\n";
    let older = made(&format!("{GIT}{pods}"), &WebhookParameters { match_conditions: false, ..settings() });
    let webhooks = older.webhooks.as_ref().unwrap();
    assert_eq!(webhooks.len(), 1, "what else there is would have all writers' traffic");
    assert!(webhooks[0].match_conditions.is_none());
    for RuleCase { operation, resource, version, is_reviewed } in [
        reviewed("UPDATE", "deployments/scale.apps", "v1"),
        // The doors of what Git declares, and of what holds it.
        reviewed("UPDATE", "deployments/status.apps", "v1"),
        reviewed("UPDATE", "widgetry/status.a.example", "v2"),
        reviewed("UPDATE", "namespaces/finalize", "v1"),
        reviewed("UPDATE", "namespaces/status", "v1"),
        reviewed("UPDATE", "customresourcedefinitions.apiextensions.k8s.io", "v1"),
        // What operators make of a Widget.
        reviewed("UPDATE", "statefulsets.apps", "v1"),
        reviewed("UPDATE", "statefulsets/scale.apps", "v1"),
        reviewed("UPDATE", "daemonsets.apps", "v1"),
        reviewed("UPDATE", "cronjobs.batch", "v1"),
        reviewed("UPDATE", "services", "v1"),
        ignored("CREATE", "services", "v1"),
        ignored("DELETE", "statefulsets.apps", "v1"),
        ignored("UPDATE", "secrets", "v1"),
        ignored("UPDATE", "nodes/status", "v1"),
        ignored("UPDATE", "pods/status", "v1"),
        ignored("UPDATE", "replicasets/status.apps", "v1"),
        ignored("UPDATE", "jobs/status.batch", "v1"),
    ] {
        assert_eq!(asks(&older, operation, resource, version), is_reviewed, "{operation} {resource} {version}");
    }
    let without_custom_resources = "{apiVersion: v1, kind: Namespace, metadata: {name: prod}}";
    let older = made(without_custom_resources, &WebhookParameters { match_conditions: false, ..settings() });
    assert!(!asks(&older, "UPDATE", "statefulsets.apps", "v1"), "nothing declared makes one");
    assert!(asks(&older, "UPDATE", "namespaces/status", "v1"));
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: a, namespace: prod}}";
    let older = made(job, &WebhookParameters { match_conditions: false, ..settings() });
    assert!(asks(&older, "UPDATE", "jobs/status.batch", "v1"), "a person may call it finished");
}

#[test]
fn every_subresource_that_takes_the_whole_of_a_declared_object_is_reviewed() {
    let kinds = [
        ("v1", "Namespace", "namespaces", vec!["finalize", "status"]),
        ("v1", "Node", "nodes", vec!["status"]),
        ("v1", "Pod", "pods", vec!["ephemeralcontainers", "resize", "status"]),
        ("v1", "Service", "services", vec!["status"]),
        ("v1", "PersistentVolume", "persistentvolumes", vec!["status"]),
        ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", vec!["status"]),
        ("v1", "ReplicationController", "replicationcontrollers", vec!["scale", "status"]),
        ("v1", "ResourceQuota", "resourcequotas", vec!["status"]),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", vec!["status"]),
        ("apiregistration.k8s.io/v1", "APIService", "apiservices", vec!["status"]),
        ("apps/v1", "DaemonSet", "daemonsets", vec!["status"]),
        ("apps/v1", "Deployment", "deployments", vec!["scale", "status"]),
        ("apps/v1", "ReplicaSet", "replicasets", vec!["scale", "status"]),
        ("apps/v1", "StatefulSet", "statefulsets", vec!["scale", "status"]),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", vec!["status"]),
        ("batch/v1", "CronJob", "cronjobs", vec!["status"]),
        ("batch/v1", "Job", "jobs", vec!["status"]),
        (
            "certificates.k8s.io/v1",
            "CertificateSigningRequest",
            "certificatesigningrequests",
            vec!["approval", "status"],
        ),
        ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", "flowschemas", vec!["status"]),
        ("networking.k8s.io/v1", "Ingress", "ingresses", vec!["status"]),
        ("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", vec!["status"]),
        ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", vec!["status"]),
        ("resource.k8s.io/v1", "ResourceClaim", "resourceclaims", vec!["status"]),
        ("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", vec!["status"]),
        ("example.org/v1", "Thing", "things", vec!["scale", "status"]),
    ];
    for (api_version, kind, plural, subresources) in kinds {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let spec = "{group: apiextensions.k8s.io, names: {kind: Other, plural: others}, scope: Cluster}";
        let git = format!("{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: a}}, spec: {spec}}}");
        let made = made(&git, &settings());
        for subresource in subresources {
            let resource = format!("{plural}/{subresource}.{group}");
            assert!(asks(&made, "UPDATE", resource.trim_end_matches('.'), version), "{resource}");
        }
    }
}

#[test]
fn what_no_webhook_is_called_for_is_not_registered_and_told() {
    let kinds = [
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ];
    for kind in kinds {
        for version in ["v1", "v1beta1"] {
            let git =
                format!("{{apiVersion: admissionregistration.k8s.io/{version}, kind: {kind}, metadata: {{name: a}}}}");
            for match_conditions in [true, false] {
                let made = build(&snapshot(&git), &WebhookParameters { match_conditions, ..settings() });
                let webhooks = made["webhooks"].as_array().unwrap().iter();
                let rules: Vec<_> = webhooks.map(|webhook| webhook["rules"].to_string()).collect();
                assert!(!rules.concat().contains("admissionregistration.k8s.io"), "{kind}");
            }
            assert_eq!(kinds_never_sent(&snapshot(&git)), [kind]);
        }
    }
    let of_others = "{apiVersion: example.org/v1, kind: ValidatingAdmissionPolicy, metadata: {name: a}}";
    assert!(kinds_never_sent(&snapshot(of_others)).is_empty() && kinds_never_sent(&snapshot(GIT)).is_empty());
}

#[test]
fn a_match_condition_checks_the_groups_beside_the_name() {
    let text = build(&snapshot(GIT), &settings())["webhooks"][0]["matchConditions"].to_string();
    for part in
        ["deployment-controller", "system:kube-scheduler", "generic-garbage-collector", "horizontal-pod-autoscaler"]
    {
        assert!(text.contains(part), "{part}");
    }
    let expressions = made(GIT, &settings()).webhooks.unwrap().remove(0).match_conditions.unwrap();
    let with_accounts = expressions.iter().filter(|one| one.expression.contains("system:serviceaccount:"));
    for one in with_accounts {
        assert!(
            one.expression.contains("\"system:serviceaccounts:kube-system\" in request.userInfo.groups"),
            "{one:?}"
        );
    }
}

#[test]
fn creates_in_strict_namespaces_are_reviewed() {
    for (strict, places) in [
        (Some(Vec::new()), Value::Null),
        (Some(vec!["prod".to_owned()]), json!([["In", ["prod"]], ["NotIn", ["wall", "kube-system"]]])),
        (None, json!([["NotIn", ["wall", "kube-system"]]])),
    ] {
        let made = build(&snapshot(GIT), &WebhookParameters { strict_namespaces: strict, ..settings() });
        let strict =
            made["webhooks"].as_array().unwrap().iter().find(|webhook| webhook["name"] == "strict.driftwall.io");
        let selector = strict.and_then(|webhook| webhook["namespaceSelector"]["matchExpressions"].as_array());
        let told =
            selector.map(|all| all.iter().map(|one| json!([one["operator"], one["values"]])).collect::<Vec<_>>());
        assert_eq!(json!(told), places);
    }
}

#[test]
fn break_glasses_are_reviewed_in_every_namespace_and_never_blocked() {
    let settings = WebhookParameters { break_glass: true, failure_policy: "Fail", ..settings() };
    let webhooks = made(GIT, &settings).webhooks.unwrap();
    assert_eq!(webhooks[0].failure_policy.as_deref(), Some("Fail"));
    let glass = &webhooks[1];
    assert_eq!((&*glass.name, glass.failure_policy.as_deref()), ("break-glass.driftwall.io", Some("Ignore")));
    assert!(glass.namespace_selector.as_ref().unwrap().match_expressions.is_none());
    assert!(glass.match_conditions.is_none());
}
