//! The `matchConditions` of the webhook configuration, evaluated: whoever they leave out is exempt by identity, in
//! every review that a real API server sent.

use std::collections::{BTreeMap, BTreeSet};

use cel::{Context, Program, Value as Cel};
use driftwall_core::actor::{ActorRules, GitopsTool};
use driftwall_core::admission::decode;
use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, Verdict, evaluate};
use driftwall_core::webhook_config::{Endpoint, ReviewPath, ServedKinds, WebhookParameters, Writers, build};
use serde_json::{Value, json};

use super::rules::served;

/// The conditions, by name.
fn conditions() -> Vec<(String, Program)> {
    let made = made();
    let all = made["webhooks"][0]["matchConditions"].as_array().unwrap();
    assert_eq!(made["webhooks"][1]["matchConditions"].as_array(), Some(all), "of strict namespaces as well");
    all.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), compiled(one))).collect()
}

fn compiled(condition: &Value) -> Program {
    Program::compile(condition["expression"].as_str().unwrap()).unwrap()
}

fn made() -> Value {
    made_from(&Snapshot::default())
}

fn made_from(snapshot: &Snapshot) -> Value {
    made_of_served(snapshot, ServedKinds::new())
}

fn made_of_served(snapshot: &Snapshot, served: ServedKinds) -> Value {
    let settings = WebhookParameters {
        name: "driftwall".into(),
        labels: BTreeMap::new(),
        ca_bundle: None,
        endpoint: Endpoint::Url("https://localhost".into()),
        path: ReviewPath::well_known(),
        failure_policy: "Fail",
        timeout_seconds: 5,
        own_namespace: "driftwall".into(),
        excluded_namespaces: vec!["driftwall".into(), "kube-system".into()],
        strict_namespaces: None,
        canary: None,
        break_glass: true,
        match_conditions: true,
        writers: Writers { tools: BTreeSet::from([GitopsTool::ArgoCd, GitopsTool::Flux]), ..Writers::default() },
        served,
    };
    build(snapshot, &settings)
}

/// The conditions of the webhook for what persons change beside declared objects.
fn conditions_of_undeclared(git: &str, served: ServedKinds) -> Vec<(String, Program)> {
    let made = made_of_served(&crate::webhook_config::rules::snapshot(git), served);
    let webhooks = made["webhooks"].as_array().unwrap();
    let webhook = webhooks.iter().find(|webhook| webhook["name"] == "undeclared.driftwall.io").unwrap();
    let all = webhook["matchConditions"].as_array().unwrap();
    all.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), compiled(one))).collect()
}

#[test]
fn only_secrets_that_would_receive_a_token_are_reviewed() {
    let made = made();
    let webhook = made["webhooks"].as_array().unwrap().iter().find(|webhook| webhook["name"] == "tokens.driftwall.io");
    let conditions = webhook.unwrap()["matchConditions"].as_array().unwrap();
    let condition = compiled(conditions.iter().find(|one| one["name"] == "is-a-token-secret").unwrap());
    for (object, expected) in [
        (json!({"kind": "Secret", "type": "kubernetes.io/service-account-token"}), true),
        (json!({"kind": "Secret", "type": "Opaque"}), false),
        (json!({"kind": "Secret"}), false),
    ] {
        let mut context = Context::default();
        context.add_variable("object", &object).unwrap();
        assert_eq!(condition.execute(&context).unwrap(), Cel::Bool(expected), "{object}");
    }
}

/// The conditions of a webhook.
fn conditions_of(webhook: &str) -> Vec<(String, Program)> {
    let made = made();
    let found = made["webhooks"].as_array().unwrap().iter().find(|made| made["name"] == webhook).unwrap();
    let all = found["matchConditions"].as_array().unwrap();
    all.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), compiled(one))).collect()
}

#[test]
fn borrowed_identities_are_reviewed_for_people_and_once() {
    let conditions = conditions_of("identities.driftwall.io");
    let account = |namespace: &str, name: &str| {
        let groups = json!(["system:serviceaccounts", format!("system:serviceaccounts:{namespace}")]);
        json!({"username": format!("system:serviceaccount:{namespace}:{name}"), "groups": groups})
    };
    let alice = || json!({"username": "alice", "groups": ["system:authenticated"]});
    let claimed = json!({"username": "system:serviceaccount:ci:deployer", "groups": ["system:authenticated"]});
    let token = json!({"group": "", "version": "v1", "resource": "serviceaccounts"});
    let pods = json!({"group": "", "version": "v1", "resource": "pods"});
    let jobs = json!({"group": "batch", "version": "v1", "resource": "jobs"});
    let custom = |group: &str, resource: &str| json!({"group": group, "version": "v1", "resource": resource});
    for (user, operation, resource, subresource, namespace, expected) in [
        (alice(), "CREATE", &pods, "", "prod", None),
        (alice(), "CREATE", &pods, "", "kube-system", None),
        (alice(), "CREATE", &token, "token", "kube-system", None),
        (alice(), "UPDATE", &jobs, "", "kube-system", None),
        (claimed, "CREATE", &pods, "", "prod", None),
        // Whatever an operator may run as the account that the object names.
        (alice(), "CREATE", &custom("monitoring.coreos.com", "prometheuses"), "", "prod", None),
        (alice(), "CREATE", &custom("sparkoperator.k8s.io", "sparkapplications"), "", "prod", None),
        (alice(), "UPDATE", &custom("monitoring.coreos.com", "prometheuses"), "", "kube-system", None),
        (alice(), "UPDATE", &custom("monitoring.coreos.com", "prometheuses"), "", "prod", Some("is-not-sent-already")),
        (alice(), "CREATE", &custom("argoproj.io", "applications"), "", "argocd", Some("is-not-sent-already")),
        (alice(), "CREATE", &custom("argoproj.io", "applications"), "", "kube-system", None),
        (alice(), "CREATE", &custom("", "configmaps"), "", "prod", Some("may-name-an-account")),
        (alice(), "UPDATE", &custom("", "serviceaccounts"), "", "kube-system", Some("may-name-an-account")),
        (alice(), "CREATE", &custom("networking.k8s.io", "ingresses"), "", "prod", Some("may-name-an-account")),
        (alice(), "CREATE", &custom("driftwall.io", "breakglasses"), "", "prod", Some("may-name-an-account")),
        // Sent to the webhook for what Git declares.
        (alice(), "CREATE", &token, "token", "argocd", Some("is-not-sent-already")),
        (alice(), "UPDATE", &jobs, "", "prod", Some("is-not-sent-already")),
        (account("ci", "deployer"), "CREATE", &pods, "", "prod", Some("is-not-a-service-account")),
        (account("kube-system", "replicaset-controller"), "CREATE", &pods, "", "prod", Some("not-a-controller")),
    ] {
        let mut request =
            json!({"userInfo": user, "resource": resource, "operation": operation, "namespace": namespace});
        if !subresource.is_empty() {
            request["subResource"] = subresource.into();
        }
        assert_eq!(left_out_by(&conditions, &request).as_deref(), expected, "{request}");
    }
}

#[test]
fn a_tools_own_controllers_are_left_out_of_the_reviews_of_its_objects() {
    let conditions = conditions_of("tools.driftwall.io");
    let account = |namespace: &str, name: &str, group: &str| {
        let groups = json!(["system:serviceaccounts", format!("system:serviceaccounts:{group}")]);
        json!({"username": format!("system:serviceaccount:{namespace}:{name}"), "groups": groups})
    };
    let applications = json!({"group": "argoproj.io", "version": "v1alpha1", "resource": "applications"});
    let own = Some("is-not-its-own-controller");
    for (user, expected) in [
        (account("argocd", "argocd-application-controller", "argocd"), own),
        (account("flux-system", "source-controller", "flux-system"), own),
        (account("argocd", "argocd-server", "argocd"), None),
        (account("argocd", "argocd-application-controller", "prod"), None),
        (account("prod", "source-controller", "prod"), None),
        (json!({"username": "alice"}), None),
    ] {
        let request = json!({"userInfo": user, "resource": applications, "operation": "DELETE", "namespace": "argocd"});
        assert_eq!(left_out_by(&conditions, &request).as_deref(), expected, "{request}");
    }
}

/// The condition by which the API server does not ask about a request. None may
/// fail: with `failurePolicy: Fail` that would deny.
fn left_out_by(conditions: &[(String, Program)], request: &Value) -> Option<String> {
    let mut context = Context::default();
    context.add_variable("request", request).unwrap();
    let unmet = conditions.iter().find(|(name, condition)| match condition.execute(&context) {
        Ok(Cel::Bool(met)) => !met,
        other => panic!("{name}: {other:?} for {request}"),
    });
    unmet.map(|(name, _)| name.clone())
}

/// As the API server gives it to conditions: what is empty is not there.
fn given(request: &Value) -> Value {
    let mut request = request.clone();
    let fields = request.as_object_mut().unwrap();
    fields.retain(|name, value| !value.is_null() && *value != "" && !["object", "oldObject"].contains(&name.as_str()));
    request
}

#[test]
fn every_request_that_the_conditions_leave_out_is_exempt() {
    let conditions = conditions();
    let actors = ActorRules::new(Vec::new(), &["argocd".to_owned(), "flux".to_owned()]).unwrap();
    let (snapshot, policy) = (Snapshot::default(), Policy::default());
    let mut left_out = BTreeMap::<String, usize>::new();
    let actions =
        crate::common::recordings::lines("actions.jsonl.gz").into_iter().map(|mut line| line["review"].take());
    for review in actions.chain(crate::common::recordings::lines("traffic.jsonl.gz")) {
        let Some(by) = left_out_by(&conditions, &given(&review["request"])) else { continue };
        let body = review.to_string();
        let write = decode(body.as_bytes()).unwrap();
        let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };
        let verdict = evaluate(&write, context).verdict;
        assert!(verdict == Verdict::Exempt || by == "not-a-lease-or-event", "{by}: {}", review["request"]["userInfo"]);
        *left_out.entry(by).or_default() += 1;
    }
    // Most of a cluster's writes do not even leave the API server.
    assert!(left_out.values().sum::<usize>() > 6900, "{left_out:?}");
    for condition in ["not-a-component", "not-a-controller", "not-a-node", "not-the-autoscaler"] {
        assert!(left_out.contains_key(condition), "{condition}: {left_out:?}");
    }
}

/// A request, and the condition that leaves it out.
struct ConditionCase<'a> {
    user: Value,
    resource: &'a Value,
    /// Further fields of the request.
    more: Value,
    expected: Option<&'static str>,
}

#[test]
fn a_user_name_without_its_groups_is_still_reviewed() {
    let conditions = conditions();
    let accounts = |namespace: &str| json!(["system:serviceaccounts", format!("system:serviceaccounts:{namespace}")]);
    let autoscaler = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
    let controller = "system:serviceaccount:kube-system:deployment-controller";
    let deployments = json!({"group": "apps", "version": "v1", "resource": "deployments"});
    let of = |group: &str, resource: &str| json!({"group": group, "version": "v1", "resource": resource});
    let roles = of("rbac.authorization.k8s.io", "clusterroles");
    let definitions = of("apiextensions.k8s.io", "customresourcedefinitions");
    let user = |name: &str, groups: Value| json!({"username": name, "groups": groups});
    let alice = || json!({"username": "alice"});
    for ConditionCase { user, resource, more, expected } in [
        ConditionCase {
            user: alice(),
            resource: &deployments,
            more: json!({"name": "web", "namespace": "prod"}),
            expected: None,
        },
        ConditionCase { user: alice(), resource: &deployments, more: json!({"namespace": "prod"}), expected: None },
        ConditionCase {
            user: user("system:node:n1", json!(["system:nodes"])),
            resource: &deployments,
            more: json!({}),
            expected: Some("not-a-node"),
        },
        ConditionCase {
            user: user("system:node:n1", json!(["developers"])),
            resource: &deployments,
            more: json!({}),
            expected: None,
        },
        ConditionCase {
            user: user("alice", json!(["system:nodes"])),
            resource: &deployments,
            more: json!({}),
            expected: None,
        },
        ConditionCase {
            user: user(controller, accounts("kube-system")),
            resource: &deployments,
            more: json!({}),
            expected: Some("not-a-controller"),
        },
        ConditionCase {
            user: user(controller, accounts("prod")),
            resource: &deployments,
            more: json!({}),
            expected: None,
        },
        ConditionCase {
            user: user(autoscaler, accounts("kube-system")),
            resource: &deployments,
            more: json!({}),
            expected: None,
        },
        ConditionCase {
            user: user(autoscaler, accounts("kube-system")),
            resource: &deployments,
            more: json!({"subResource": "scale"}),
            expected: Some("not-the-autoscaler"),
        },
        ConditionCase {
            user: user(autoscaler, accounts("prod")),
            resource: &deployments,
            more: json!({"subResource": "scale"}),
            expected: None,
        },
        ConditionCase {
            user: user("system:kube-scheduler", json!([])),
            resource: &deployments,
            more: json!({}),
            expected: Some("not-a-component"),
        },
        ConditionCase {
            user: alice(),
            resource: &of("coordination.k8s.io", "leases"),
            more: json!({"namespace": "prod"}),
            expected: Some("not-a-lease-or-event"),
        },
        ConditionCase {
            user: alice(),
            resource: &of("", "events"),
            more: json!({"namespace": "prod"}),
            expected: Some("not-a-lease-or-event"),
        },
        ConditionCase {
            user: alice(),
            resource: &of("", "configmaps"),
            more: json!({"namespace": "prod"}),
            expected: None,
        },
        // A condition that fails would let the write pass unseen.
        ConditionCase { user: json!({}), resource: &deployments, more: json!({}), expected: None },
        ConditionCase {
            user: json!({"groups": ["system:nodes"]}),
            resource: &deployments,
            more: json!({}),
            expected: None,
        },
        ConditionCase {
            user: json!({"username": "system:node:n1"}),
            resource: &deployments,
            more: json!({"subResource": "status"}),
            expected: None,
        },
        ConditionCase {
            user: json!({"username": controller}),
            resource: &deployments,
            more: json!({"subResource": "status"}),
            expected: None,
        },
        ConditionCase {
            user: json!({"username": autoscaler}),
            resource: &deployments,
            more: json!({"subResource": "status"}),
            expected: None,
        },
        ConditionCase {
            user: json!({"username": "k3s-cloud-controller-manager"}),
            resource: &of("", "services"),
            more: json!({"subResource": "status"}),
            expected: None,
        },
        ConditionCase {
            user: user(controller, accounts("kube-system")),
            resource: &of("", "namespaces"),
            more: json!({"subResource": "finalize", "name": "prod"}),
            expected: Some("not-a-controller"),
        },
        // What driftwall needs to be mended with.
        ConditionCase {
            user: alice(),
            resource: &roles,
            more: json!({"name": "driftwall"}),
            expected: Some("not-driftwall-itself"),
        },
        ConditionCase {
            user: alice(),
            resource: &roles,
            more: json!({"name": "driftwall-break-glass"}),
            expected: Some("not-driftwall-itself"),
        },
        ConditionCase {
            user: alice(),
            resource: &definitions,
            more: json!({"name": "breakglasses.driftwall.io"}),
            expected: Some("not-driftwall-itself"),
        },
        ConditionCase { user: alice(), resource: &roles, more: json!({"name": "admin"}), expected: None },
        ConditionCase { user: alice(), resource: &roles, more: json!({}), expected: None },
        ConditionCase {
            user: alice(),
            resource: &of("rbac.authorization.k8s.io", "roles"),
            more: json!({"name": "driftwall", "namespace": "prod"}),
            expected: None,
        },
        ConditionCase {
            user: alice(),
            resource: &definitions,
            more: json!({"name": "widgets.example.com"}),
            expected: None,
        },
    ] {
        let mut request = json!({"userInfo": user, "resource": resource, "operation": "UPDATE"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(left_out_by(&conditions, &request).as_deref(), expected, "{request}");
    }
}

#[test]
fn what_persons_change_beside_declared_objects_is_sent_once_and_nothing_of_service_accounts() {
    let git = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: prod}}
---
{apiVersion: unknown.example.org/v1, kind: Thing, metadata: {name: web, namespace: prod}}
---
{apiVersion: known.example.org/v1, kind: Thing, metadata: {name: web, namespace: prod}}
---
{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: web, namespace: prod}}
";
    let served_kind = served("known.example.org", "Thing", "things", &["v1"]);
    let conditions = conditions_of_undeclared(git, [served_kind].into_iter().collect());
    let account = json!({
        "username": "system:serviceaccount:pg:operator",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:pg", "system:authenticated"],
    });
    let alice = json!({"username": "alice", "groups": ["system:authenticated"]});
    let claimed = json!({"username": "system:serviceaccount:pg:operator", "groups": ["system:masters"]});
    let (account_out, sent_out) = (Some("is-not-a-service-account"), Some("is-not-sent-already"));
    for (user, group, resource, subresource, expected) in [
        (&alice, "apps", "statefulsets", "", None),
        (&alice, "apps", "statefulsets", "scale", None),
        (&alice, "apps", "daemonsets", "status", None),
        (&alice, "", "configmaps", "", None),
        (&alice, "", "namespaces", "", None),
        (&alice, "cert-manager.io", "certificates", "", None),
        (&alice, "apiextensions.k8s.io", "customresourcedefinitions", "", None),
        (&json!({"username": "alice"}), "apps", "statefulsets", "", None),
        (&json!({"username": "system:serviceaccount:pg:operator"}), "apps", "statefulsets", "", None),
        (&json!({}), "apps", "statefulsets", "", None),
        (&claimed, "apps", "statefulsets", "", None),
        (&json!({"username": "k3s-cloud-controller-manager"}), "", "services", "status", None),
        (&account, "apps", "statefulsets", "", account_out),
        (&account, "", "configmaps", "", account_out),
        // They go to the webhook for all writers.
        (&alice, "apps", "deployments", "", sent_out),
        (&alice, "apps", "deployments", "status", sent_out),
        (&alice, "apps", "deployments", "scale", sent_out),
        (&alice, "", "pods", "", sent_out),
        (&alice, "", "pods", "resize", sent_out),
        (&alice, "known.example.org", "things", "", sent_out),
        (&alice, "known.example.org", "things", "status", sent_out),
        (&alice, "known.example.org", "others", "", None),
        (&alice, "policy", "poddisruptionbudgets", "", sent_out),
        // Whether the API server serves the version that the rule for it names, nobody said.
        (&alice, "unknown.example.org", "anything", "", None),
        (&alice, "unknown.example.org", "anything", "status", None),
    ] {
        let mut request = json!({
            "userInfo": user, "resource": {"group": group, "version": "v1", "resource": resource}, "operation": "UPDATE",
        });
        if !subresource.is_empty() {
            request["subResource"] = subresource.into();
        }
        assert_eq!(left_out_by(&conditions, &request).as_deref(), expected, "{request}");
    }
}

#[test]
fn conditions_read_the_request_alone_and_ask_first_whether_there_is_a_name() {
    let made = made();
    for webhook in made["webhooks"].as_array().unwrap() {
        for condition in webhook["matchConditions"].as_array().into_iter().flatten() {
            let (name, text) = (condition["name"].as_str().unwrap(), condition["expression"].as_str().unwrap());
            let is_of_object = text.contains("object.") || text.contains("oldObject");
            assert!(!is_of_object || name == "is-a-token-secret", "{name}: {text}");
            for field in ["username", "groups"] {
                let read = format!("request.userInfo.{field}");
                assert!(!text.contains(&read) || text.contains(&format!("has({read})")), "{name}: {text}");
            }
        }
    }
}
