//! Writes to the objects that discovery believes: what protects less is denied to persons, or warned about: a table.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use std::sync::Arc;

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::decode;
use driftwall_core::applications::{Applications, ObservedKind, ObservedTools};
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::Snapshot;
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, evaluate};
use serde_json::{Value, json};

const ALICE: &str = "alice";
const SERVER: &str = "system:serviceaccount:argocd:argocd-server";

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, more: Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace, "creationTimestamp": "2026-11-27T18:00:00Z"});
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    for (field, value) in more.as_object().unwrap() {
        object[field] = value.clone();
    }
    object
}

/// An Application that lists a Deployment.
fn application(namespace: &str, more: Value) -> Value {
    let mut spec = json!({
        "project": "default",
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "prod"},
        "source": {"repoURL": "https://github.com/acme/gitops.git", "path": "shop", "targetRevision": "main"},
    });
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let listed = json!({"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "prod", "name": "web"});
    let status = json!({"reconciledAt": "2026-11-27T18:00:00Z", "resources": [listed]});
    object("argoproj.io/v1alpha1", "Application", namespace, "shop", json!({"spec": spec, "status": status}))
}

fn flux(kind: &str, spec: Value) -> Value {
    let (group, name) = match kind {
        "HelmRelease" => ("helm.toolkit.fluxcd.io/v2", "chart"),
        _ => ("kustomize.toolkit.fluxcd.io/v1", "apps"),
    };
    let status = json!({"inventory": {"entries": [{"id": "prod_api_apps_Deployment", "v": "v1"}]}});
    object(group, kind, "flux-system", name, json!({"spec": spec, "status": status}))
}

fn config_map(name: &str, data: Value) -> Value {
    object("v1", "ConfigMap", "argocd", name, json!({"data": data}))
}

fn settings(data: Value) -> Value {
    config_map("argocd-cm", data)
}

fn parameters(namespaces: &str) -> Value {
    config_map("argocd-cmd-params-cm", json!({"application.namespaces": namespaces}))
}

fn project(accounts: Value) -> Value {
    permitting("*", accounts)
}

/// A project that permits deployments to these namespaces.
fn permitting(namespace: &str, accounts: Value) -> Value {
    let spec = json!({
        "sourceRepos": ["*"], "sourceNamespaces": ["team-*"], "destinationServiceAccounts": accounts,
        "destinations": [{"server": "*", "namespace": namespace}],
    });
    object("argoproj.io/v1alpha1", "AppProject", "argocd", "default", json!({"spec": spec}))
}

/// What is discovered: an Application in Argo CD's namespace and one beside, a Kustomization and a HelmRelease.
fn snapshot() -> Snapshot {
    snapshot_with(vec![project(json!([]))])
}

fn snapshot_with(projects: Vec<Value>) -> Snapshot {
    let mut tools = ObservedTools::new("argocd", &[], false);
    let mut objects = projects;
    objects.extend([
        parameters("team-*"),
        application("argocd", json!({})),
        application("team-a", json!({})),
        flux("Kustomization", json!({"path": "./"})),
        flux("HelmRelease", json!({})),
    ]);
    let mut changes = Vec::new();
    for object in objects {
        let group = object["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
        let kind = ObservedKind::of(group, object["kind"].as_str().unwrap()).unwrap();
        changes.extend(tools.observe(kind, object));
    }
    Snapshot::default().with_applications(Arc::new(Applications::default().after(changes)))
}

/// What is answered to a write, and the message.
fn answer(snapshot: &Snapshot, user: &str, old: Option<&Value>, new: Option<&Value>) -> (&'static str, String) {
    let object = new.or(old).unwrap();
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = object["kind"].as_str().unwrap();
    let operation = match (old, new) {
        (None, _) => "CREATE",
        (_, None) => "DELETE",
        _ => "UPDATE",
    };
    let mut groups = vec!["system:authenticated".to_owned()];
    if let Some(account) = user.strip_prefix("system:serviceaccount:") {
        let namespace = account.split(':').next().unwrap();
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    }
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": format!("{}s", kind.to_lowercase())},
            "namespace": object["metadata"]["namespace"], "name": object["metadata"]["name"], "operation": operation,
            "userInfo": {"username": user, "groups": groups}, "object": new, "oldObject": old, "dryRun": false,
        },
    });
    let body = review.to_string();
    let write = decode(body.as_bytes()).unwrap();
    let presets = ["argocd".to_owned(), "flux".to_owned()];
    let (actors, policy) = (ActorRules::new(Vec::new(), &presets).unwrap(), Policy::default());
    let context = EvaluationContext { snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };
    let assessment = evaluate(&write, context);
    let decision = decide(&write, &assessment, &policy, DecisionContext::default());
    let message = match &decision.answer.denial {
        Some(denial) => denial.message.clone(),
        None => decision.answer.warnings.join("\n"),
    };
    (decision.outcome.as_str(), message)
}

#[test]
fn settings_that_protect_less_are_denied() {
    let snapshot = snapshot();
    let pointers = |list: &str| format!("jsonPointers: [{list}]");
    let all = "resource.customizations.ignoreDifferences.all";
    let deployments = "resource.customizations.ignoreDifferences.apps_Deployment";
    let secrets = "resource.customizations.ignoreDifferences.Secret";
    let older = "resource.customizations";
    let exclusions = |kind: &str| json!({"resource.exclusions": format!("- {{apiGroups: [apps], kinds: [{kind}]}}")});
    let impersonation = |is_on: &str| json!({"application.sync.impersonation.enabled": is_on});
    let entry = |namespace: &str, account: &str| json!({"server": "*", "namespace": namespace, "defaultServiceAccount": account});
    for (what, old, new, expected) in [
        ("all of the spec is ignored", settings(json!({})), settings(json!({all: pointers("/spec")})), "deny"),
        ("of a kind", settings(json!({})), settings(json!({deployments: pointers("/spec")})), "deny"),
        (
            "in the older form",
            settings(json!({})),
            settings(json!({older: "apps/Deployment: {ignoreDifferences: 'jsonPointers: [/spec]'}"})),
            "deny",
        ),
        (
            "one pointer more",
            settings(json!({deployments: pointers("/spec/replicas")})),
            settings(json!({deployments: pointers("/spec/replicas, /spec/template")})),
            "deny",
        ),
        (
            "a field manager",
            settings(json!({})),
            settings(json!({deployments: "managedFieldsManagers: [kubectl]"})),
            "deny",
        ),
        (
            "one pointer less",
            settings(json!({deployments: pointers("/spec/replicas, /spec/template")})),
            settings(json!({deployments: pointers("/spec/replicas")})),
            "allow",
        ),
        ("none more", settings(json!({deployments: pointers("/spec")})), settings(json!({})), "allow"),
        ("of a kind that nothing lists", settings(json!({})), settings(json!({secrets: pointers("/data")})), "allow"),
        ("another setting", settings(json!({})), settings(json!({"url": "https://argocd.example"})), "allow"),
        ("a listed kind is left alone", settings(json!({})), settings(exclusions("Deployment")), "deny"),
        ("by a pattern", settings(json!({})), settings(exclusions("'*'")), "deny"),
        ("another kind", settings(json!({})), settings(exclusions("StatefulSet")), "allow"),
        ("a kind is looked at again", settings(exclusions("Deployment")), settings(json!({})), "allow"),
        (
            "other kinds alone",
            settings(json!({})),
            settings(json!({"resource.inclusions": "- {kinds: [Secret]}"})),
            "deny",
        ),
        ("impersonation", settings(json!({})), settings(impersonation("true")), "deny"),
        ("no impersonation", settings(impersonation("true")), settings(impersonation("false")), "allow"),
        ("another account", project(json!([])), project(json!([entry("*", "prod:mine")])), "deny"),
        (
            "in another order",
            project(json!([entry("*", "a"), entry("prod", "b")])),
            project(json!([entry("prod", "b"), entry("*", "a")])),
            "deny",
        ),
        ("none", project(json!([entry("*", "a"), entry("prod", "b")])), project(json!([entry("*", "a")])), "allow"),
        ("a project for fewer namespaces", permitting("*", json!([])), permitting("x", json!([])), "deny"),
        ("for as many", permitting("*", json!([])), permitting("p*", json!([])), "allow"),
        ("a rule that cannot be read", settings(json!({})), settings(json!({deployments: "{"})), "deny"),
        // Whose an object is, the lists of the applications say.
        (
            "another mark",
            settings(json!({})),
            settings(json!({"application.resourceTrackingMethod": "label"})),
            "allow",
        ),
        ("fewer namespaces", parameters("team-*"), parameters("team-b"), "deny"),
        ("more namespaces", parameters("team-*"), parameters("team-*, x"), "allow"),
        (
            "settings of something else",
            config_map("other", json!({})),
            config_map("other", json!({all: pointers("/spec")})),
            "allow",
        ),
    ] {
        let (found, message) = answer(&snapshot, ALICE, Some(&old), Some(&new));
        assert_eq!(found, expected, "{what}: {message}");
        let (undiscovered, message) = answer(&Snapshot::default(), ALICE, Some(&old), Some(&new));
        assert_ne!(undiscovered, "deny", "{what}, where nothing is discovered: {message}");
    }
    let new = settings(exclusions("Deployment"));
    assert_eq!(answer(&snapshot, ALICE, None, Some(&new)).0, "deny", "created anew");
    assert_eq!(answer(&snapshot, ALICE, Some(&parameters("team-*")), None).0, "deny", "deleted");
    assert_eq!(answer(&snapshot, ALICE, Some(&new), None).0, "allow", "deleted, which excludes nothing");
    let without_project = snapshot_with(Vec::new());
    for (what, namespace, expected) in [("a project for fewer namespaces", "x", "deny"), ("for all", "*", "allow")] {
        let (found, message) = answer(&without_project, ALICE, None, Some(&permitting(namespace, json!([]))));
        assert_eq!(found, expected, "{what}, where there was none: {message}");
    }
    let mut unused = project(json!([entry("*", "x:y")]));
    unused["metadata"]["name"] = "new".into();
    assert_eq!(answer(&snapshot, ALICE, None, Some(&unused)).0, "warn", "a project that no application is in yet");
    let by_server = answer(&snapshot, SERVER, Some(&project(json!([]))), Some(&project(json!([entry("*", "x:y")]))));
    assert_eq!(by_server.0, "deny", "whoever clicks: {}", by_server.1);
    let by_controller = "system:serviceaccount:argocd:argocd-application-controller";
    assert_eq!(answer(&snapshot, by_controller, Some(&settings(json!({}))), Some(&new)).0, "allow");
}

#[test]
fn applications_that_protect_less_are_denied_and_what_is_done_by_hand_is_warned_about() {
    let snapshot = snapshot();
    let app = |more: Value| application("argocd", more);
    let ignoring = |rule: Value| app(json!({"ignoreDifferences": [rule]}));
    let rule = |kind: &str, pointers: &[&str]| json!({"group": "apps", "kind": kind, "jsonPointers": pointers});
    let elsewhere = app(json!({"destination": {"server": "https://elsewhere", "namespace": "prod"}}));
    let kustomization = |spec: Value| flux("Kustomization", spec);
    let release = |spec: Value| flux("HelmRelease", spec);
    let ignore = json!([{"paths": ["/spec"], "target": {"kind": "Deployment"}}]);
    for (what, old, new, expected) in [
        ("all of the spec is ignored", app(json!({})), ignoring(rule("Deployment", &["/spec"])), "deny"),
        (
            "one pointer more",
            ignoring(rule("Deployment", &["/a"])),
            ignoring(rule("Deployment", &["/a", "/b"])),
            "deny",
        ),
        // Its people say what it deploys, and that is warned about as ever.
        (
            "one pointer less",
            ignoring(rule("Deployment", &["/a", "/b"])),
            ignoring(rule("Deployment", &["/a"])),
            "warn",
        ),
        ("of a kind that it does not list", app(json!({})), ignoring(rule("StatefulSet", &["/spec"])), "warn"),
        ("elsewhere", app(json!({})), elsewhere, "warn"),
        ("a Kustomization that ignores", kustomization(json!({})), kustomization(json!({"ignore": ignore})), "deny"),
        ("another account", kustomization(json!({})), kustomization(json!({"serviceAccountName": "mine"})), "deny"),
        (
            "the controller's own again",
            kustomization(json!({"serviceAccountName": "mine"})),
            kustomization(json!({})),
            "warn",
        ),
        (
            "another cluster",
            kustomization(json!({})),
            kustomization(json!({"kubeConfig": {"secretRef": {"name": "x"}}})),
            "warn",
        ),
        (
            "a HelmRelease that ignores",
            release(json!({})),
            release(json!({"driftDetection": {"mode": "enabled", "ignore": ignore}})),
            "deny",
        ),
        (
            "as before",
            release(json!({"driftDetection": {"mode": "enabled", "ignore": ignore}})),
            release(json!({"driftDetection": {"mode": "warn", "ignore": ignore}})),
            "warn",
        ),
    ] {
        let (found, message) = answer(&snapshot, ALICE, Some(&old), Some(&new));
        assert_eq!(found, expected, "{what}: {message}");
    }
    let (found, message) = answer(&snapshot, ALICE, Some(&app(json!({}))), None);
    assert_eq!(found, "warn");
    assert!(message.contains("would no longer be protected"), "{message}");
    let mut going = app(json!({}));
    going["metadata"]["deletionTimestamp"] = "2026-11-27T18:00:00Z".into();
    assert_eq!(answer(&snapshot, ALICE, Some(&going), None).0, "allow", "going already");
    let mut other = app(json!({}));
    other["metadata"]["name"] = "new".into();
    assert_eq!(answer(&snapshot, ALICE, Some(&other), None).0, "allow", "it lists nothing");
}
