//! What Argo CD and Flux are told to leave alone, in all forms in which they are told.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod listed;

use listed::{ALICE, Cluster, answer, application, applied, entry, fields, owned, snapshot, update, with};
use serde_json::{Value, json};

fn argocd_cm(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data})
}

/// Whether a person may scale what the applications among these objects list.
fn scaling(objects: &[Value], stored: Value) -> (&'static str, String) {
    let new = with(stored.clone(), "/spec/replicas", 7.into());
    answer(&snapshot(objects), &Cluster(None), &update(ALICE, &stored, &new))
}

#[test]
fn argo_cd_ignores_by_its_settings_and_by_the_application() {
    const POINTER: &str = "jsonPointers:\n- /spec/replicas\n";
    const JQ: &str = "jqPathExpressions:\n- .spec.replicas\n";
    let of = |key: &str, value: &str| argocd_cm(json!({format!("resource.customizations.{key}"): value}));
    let older = |target: &str| {
        argocd_cm(
            json!({"resource.customizations": format!("{target}:\n  ignoreDifferences: |\n    jsonPointers: [/spec/replicas]\n")}),
        )
    };
    for (what, settings, expected) in [
        ("of the kind", of("ignoreDifferences.apps_Deployment", POINTER), "allow"),
        ("…by jq", of("ignoreDifferences.apps_Deployment", JQ), "allow"),
        ("of another kind", of("ignoreDifferences.apps_StatefulSet", POINTER), "deny"),
        ("of a kind without a group", of("ignoreDifferences.Deployment", POINTER), "deny"),
        ("of all", of("ignoreDifferences.all", POINTER), "allow"),
        ("what only decides when to look again", of("ignoreResourceUpdates.apps_Deployment", POINTER), "deny"),
        ("…of all", of("ignoreResourceUpdates.all", POINTER), "deny"),
        ("another customization", of("health.apps_Deployment", "hs = {}"), "deny"),
        ("the older form", older("apps/Deployment"), "allow"),
        ("…of all", older("\"*/*\""), "allow"),
        ("…of another kind", older("apps/StatefulSet"), "deny"),
        ("what cannot be read", of("ignoreDifferences.apps_Deployment", "jsonPointers: [unclosed"), "warn"),
        ("…of another kind", of("ignoreDifferences.apps_StatefulSet", "jsonPointers: [unclosed"), "deny"),
    ] {
        for objects in [[settings.clone(), application(json!({}))], [application(json!({})), settings]] {
            let (found, message) = scaling(&objects, applied());
            assert_eq!(found, expected, "{what}: {message}");
        }
    }
    for (what, rule, expected) in [
        ("of this object", json!({"group": "apps", "kind": "Deployment", "name": "web", "namespace": "prod"}), "allow"),
        ("of another name", json!({"group": "apps", "kind": "Deployment", "name": "api"}), "deny"),
        ("of another namespace", json!({"group": "apps", "kind": "Deployment", "namespace": "test"}), "deny"),
        ("of a group by a pattern", json!({"group": "*", "kind": "Deploy*"}), "allow"),
    ] {
        let mut rule = rule;
        rule["jsonPointers"] = json!(["/spec/replicas"]);
        let (found, message) = scaling(&[application(json!({"ignoreDifferences": [rule]}))], applied());
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn argo_cd_looks_at_some_kinds_only() {
    let both = |exclusions: &str, inclusions: &str| {
        argocd_cm(json!({"resource.exclusions": exclusions, "resource.inclusions": inclusions}))
    };
    for (what, settings, expected) in [
        ("excluded", both("- apiGroups: [apps]\n  kinds: [Deployment]\n", ""), "allow"),
        ("…with all kinds of the group", both("- apiGroups: [apps]\n", ""), "allow"),
        ("…in another cluster", both("- apiGroups: [apps]\n  clusters: [https://10.0.0.1]\n", ""), "deny"),
        ("another is", both("- apiGroups: ['*']\n  kinds: [Lease]\n", ""), "deny"),
        ("others are included", both("", "- apiGroups: [batch]\n  kinds: [Job]\n"), "allow"),
        ("it is included", both("", "- apiGroups: ['apps']\n  kinds: ['*']\n"), "deny"),
    ] {
        let (found, message) = scaling(&[settings, application(json!({}))], applied());
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn what_is_paused_or_synced_by_hand_stays_protected() {
    let paused =
        with(application(json!({})), "/metadata/annotations", json!({"argocd.argoproj.io/skip-reconcile": "true"}));
    for (what, application) in [
        ("synced by hand", application(json!({"syncPolicy": {}}))),
        ("automated, but switched off", application(json!({"syncPolicy": {"automated": {"enabled": false}}}))),
        ("paused", paused),
        ("out of sync", with(application(json!({})), "/status/sync/status", "OutOfSync".into())),
        (
            "made by an ApplicationSet",
            with(
                application(json!({})),
                "/metadata/ownerReferences",
                json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "set", "uid": "1", "controller": true}]),
            ),
        ),
        ("deployed by name", application(json!({"destination": {"name": "in-cluster", "namespace": "prod"}}))),
        (
            "of several sources",
            application(
                json!({"sources": [{"repoURL": "https://a", "ref": "values"}, {"repoURL": "https://b", "chart": "web", "targetRevision": "1.2.3"}]}),
            ),
        ),
        (
            "hydrated",
            application(
                json!({"sourceHydrator": {"drySource": {"repoURL": "https://a", "path": "x", "targetRevision": "HEAD"}, "syncSource": {"targetBranch": "env/prod", "path": "x"}}}),
            ),
        ),
    ] {
        let (found, message) = scaling(&[application], applied());
        assert_eq!(found, "deny", "{what}: {message}");
    }
}

fn kustomization(spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": "flux-system", "creationTimestamp": "2026-11-27T18:00:00Z"},
        "spec": {"sourceRef": {"kind": "GitRepository", "name": "fleet"}, "path": "./apps", "prune": true},
        "status": {
            "lastAppliedRevision": "main@sha1:b9ec996629088c4c4a1a3d7671de2218f818f10c",
            "inventory": {"entries": [{"id": "prod_web_apps_Deployment", "v": "v1"}]},
        },
    });
    for (name, value) in spec.as_object().cloned().unwrap_or_default() {
        object["spec"][name] = value;
    }
    object
}

fn helm_release(spec: Value) -> Value {
    let mut object = kustomization(spec);
    object["apiVersion"] = "helm.toolkit.fluxcd.io/v2".into();
    object["kind"] = "HelmRelease".into();
    object
}

fn applied_by(manager: &str) -> Value {
    owned(&[entry(manager, "Apply", fields())])
}

#[test]
fn flux_ignores_by_target_and_path() {
    for (what, rule, expected) in [
        ("everywhere", json!({"paths": ["/spec/replicas"]}), "allow"),
        ("of the kind", json!({"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}), "allow"),
        ("of another kind", json!({"paths": ["/spec/replicas"], "target": {"kind": "StatefulSet"}}), "deny"),
        ("of names", json!({"paths": ["/spec/replicas"], "target": {"name": "we.*"}}), "allow"),
        ("of labels", json!({"paths": ["/spec/replicas"], "target": {"labelSelector": "app in (web)"}}), "allow"),
        ("of other labels", json!({"paths": ["/spec/replicas"], "target": {"labelSelector": "app=api"}}), "deny"),
        ("the whole object", json!({"paths": [""], "target": {"kind": "Deployment"}}), "allow"),
        ("other fields", json!({"paths": ["/spec/template"]}), "deny"),
        ("what cannot be read", json!({"paths": ["/spec/replicas"], "target": {"name": "("}}), "warn"),
    ] {
        let ignoring = kustomization(json!({"ignore": [rule]}));
        let (found, message) = scaling(&[ignoring], applied_by("kustomize-controller"));
        assert_eq!(found, expected, "Kustomization, {what}: {message}");
        for mode in ["enabled", "warn", "disabled"] {
            let ignoring = helm_release(json!({"driftDetection": {"mode": mode, "ignore": [rule]}}));
            let (found, message) = scaling(&[ignoring], applied_by("helm-controller"));
            assert_eq!(found, expected, "HelmRelease, {mode}, {what}: {message}");
        }
    }
}

#[test]
fn flux_leaves_alone_what_is_marked_so() {
    let mark = |key: &str, value: &str| json!({key: value});
    for (what, spec, annotations, expected) in [
        ("nothing is marked", json!({}), json!({}), "deny"),
        ("suspended", json!({"suspend": true}), json!({}), "deny"),
        ("not pruned", json!({"prune": false}), json!({}), "deny"),
        ("forced", json!({"force": true}), json!({}), "deny"),
        ("the object is not to be pruned", json!({}), mark("kustomize.toolkit.fluxcd.io/prune", "disabled"), "deny"),
        ("…is forced", json!({}), mark("kustomize.toolkit.fluxcd.io/force", "enabled"), "deny"),
        ("…is not reconciled", json!({}), mark("kustomize.toolkit.fluxcd.io/reconcile", "disabled"), "allow"),
        ("…is ignored", json!({}), mark("kustomize.toolkit.fluxcd.io/ssa", "Ignore"), "allow"),
        ("…is made once", json!({}), mark("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent"), "allow"),
        ("…is merged", json!({}), mark("kustomize.toolkit.fluxcd.io/ssa", "Merge"), "deny"),
        ("…is overridden", json!({}), mark("kustomize.toolkit.fluxcd.io/ssa", "Override"), "deny"),
        ("of another cluster", json!({"kubeConfig": {"secretRef": {"name": "remote"}}}), json!({}), "allow"),
    ] {
        let mut fields = fields();
        for key in annotations.as_object().unwrap().keys() {
            fields["f:metadata"]["f:annotations"] = json!({format!("f:{key}"): {}});
        }
        let stored = owned(&[entry("kustomize-controller", "Apply", fields)]);
        let stored = with(stored, "/metadata/annotations", annotations);
        let (found, message) = scaling(&[kustomization(spec)], stored);
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn a_release_without_a_list_is_known_by_its_marks() {
    let release = |spec: Value| {
        let mut object = helm_release(spec);
        object["status"] =
            json!({"history": [{"name": "web", "namespace": "prod", "chartName": "web", "chartVersion": "1.2.3"}]});
        object
    };
    let labels =
        json!({"app": "web", "helm.toolkit.fluxcd.io/name": "apps", "helm.toolkit.fluxcd.io/namespace": "flux-system"});
    let of = |name: &str, namespace: &str| json!({"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace});
    let stored = |labels: &Value, annotations: Value| {
        with(
            with(applied_by("helm-controller"), "/metadata/labels", labels.clone()),
            "/metadata/annotations",
            annotations,
        )
    };
    for (what, objects, stored, expected) in [
        ("of this release", vec![release(json!({}))], stored(&labels, of("web", "prod")), "deny"),
        ("of another release", vec![release(json!({}))], stored(&labels, of("api", "prod")), "allow"),
        ("of another namespace", vec![release(json!({}))], stored(&labels, of("web", "test")), "allow"),
        (
            "without labels of Flux",
            vec![release(json!({}))],
            stored(&json!({"app": "web"}), of("web", "prod")),
            "allow",
        ),
        ("of a release that is not there", vec![], stored(&labels, of("web", "prod")), "allow"),
        (
            "of a release elsewhere",
            vec![release(json!({"kubeConfig": {"secretRef": {"name": "x"}}}))],
            stored(&labels, of("web", "prod")),
            "allow",
        ),
    ] {
        let (found, message) = scaling(&objects, stored);
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn a_hub_knows_this_cluster_by_other_names() {
    use driftwall_core::applications::{Applications, ObservedKind, ObservedTools};
    let kind = ObservedKind::of("argoproj.io", "Application").unwrap();
    for (destination, here) in [
        (json!({"server": "https://10.0.0.1:6443"}), true),
        (json!({"name": "prod-eu"}), true),
        (json!({"server": "https://kubernetes.default.svc"}), false),
        (json!({"name": "in-cluster"}), false),
        (json!({"name": "prod-us"}), false),
        (json!({}), false),
    ] {
        let mut tools = ObservedTools::new("argocd", &["prod-eu".to_owned(), "https://10.0.0.1:6443".to_owned()], true);
        let changes = tools.observe(kind, application(json!({"destination": destination})));
        let applications = Applications::default().after(changes);
        assert_eq!(applications.iter().next().unwrap().is_here(), here, "{destination}");
    }
}
