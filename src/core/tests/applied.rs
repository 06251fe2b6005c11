//! Writes to what an application lists, in all states that an object can be in: a table.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

use std::sync::Arc;

use driftwall_core::actor::ActorRules;
use driftwall_core::admission::{Resource, decode};
use driftwall_core::applications::{Applications, ObservedKind, ObservedTools};
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{ObjectKey, Snapshot};
use driftwall_core::diff::CustomResource;
use driftwall_core::policy::{ClusterLookup, EvaluationContext, LookupError, Owner, Policy, evaluate};
use serde_json::{Value, json};

/// A cluster with one object, or none.
struct Cluster(Option<Value>);

impl ClusterLookup for Cluster {
    fn owner(&self, _: ObjectKey<'_>) -> Result<Option<Owner>, LookupError> {
        Ok(None)
    }

    fn custom_resource(&self, _: &str, _: &str) -> Result<Option<Arc<CustomResource>>, LookupError> {
        Ok(None)
    }

    fn kind_of(&self, _: &str, _: &str) -> Result<Option<String>, LookupError> {
        Ok(None)
    }

    fn object(&self, _: ObjectKey<'_>, _: &Resource<'_>) -> Result<Option<Value>, LookupError> {
        Ok(self.0.clone())
    }
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A Deployment as it is stored, with 2 replicas, and a default that nobody wrote.
fn stored() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "prod", "uid": "1", "labels": {"app": "web"}, "annotations": {}},
        "spec": {
            "replicas": 2,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1", "imagePullPolicy": "IfNotPresent"}]},
            },
        },
    })
}

/// What a tool owns of it: all that is written.
fn fields() -> Value {
    let image = json!({".": {}, "f:name": {}, "f:image": {}});
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": image}},
            },
        },
    })
}

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-11-27T18:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

/// The object, owned by these entries.
fn owned(entries: &[Value]) -> Value {
    let mut object = stored();
    object["metadata"]["managedFields"] = json!(entries);
    object
}

/// Applied by Argo CD from the server's side.
fn applied() -> Value {
    owned(&[entry("argocd-controller", "Apply", fields())])
}

/// The text that Argo CD notes.
fn note(replicas: u64) -> String {
    let mut object = stored();
    object["spec"]["replicas"] = replicas.into();
    object["metadata"] = json!({
        "name": "web", "namespace": "prod", "labels": {"app": "web"},
        "annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web"},
    });
    object["spec"].as_object_mut().unwrap().remove("revisionHistoryLimit");
    object["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("imagePullPolicy");
    format!("{object}\n")
}

/// Applied by Argo CD as kubectl does.
fn noted_by(manager: &str) -> Value {
    let mut fields = fields();
    fields["f:metadata"]["f:annotations"] =
        json!({".": {}, format!("f:{LAST_APPLIED}"): {}, "f:argocd.argoproj.io/tracking-id": {}});
    let mut object = owned(&[entry(manager, "Update", fields)]);
    object["metadata"]["annotations"] = json!({
        LAST_APPLIED: note(2),
        "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web",
    });
    object
}

fn noted() -> Value {
    noted_by("argocd-controller")
}

/// Written by Argo CD without a note, as it creates Roles.
fn updated() -> Value {
    let mut fields = fields();
    fields["f:spec"]["f:revisionHistoryLimit"] = json!({});
    owned(&[entry("argocd-controller", "Update", fields)])
}

/// Made by a person.
fn foreign() -> Value {
    owned(&[entry("kubectl-create", "Update", fields())])
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    object.pointer_mut(parent).unwrap()[last.as_str()] = value;
    object
}

fn without(mut object: Value, pointer: &str) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    object.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(&last);
    object
}

/// The Application that lists the Deployment; `spec` has what else it says.
fn application(more: Value) -> Value {
    let mut object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd", "creationTimestamp": "2026-11-27T18:00:00Z"},
        "spec": {
            "project": "default",
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "prod"},
            "source": {"repoURL": "https://github.com/acme/gitops.git", "path": "shop", "targetRevision": "main"},
        },
        "status": {
            "reconciledAt": "2026-11-27T18:00:00Z",
            "sync": {"status": "Synced", "revision": "ac2850849bd1f06d03580bd9cccb66259051b8f4"},
            "history": [{"revision": "ac2850849bd1f06d03580bd9cccb66259051b8f4"}],
            "resources": [
                {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "prod", "name": "web", "status": "Synced"},
            ],
        },
    });
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        object["spec"][name] = value;
    }
    object
}

fn snapshot(applications: &[Value]) -> Snapshot {
    let mut tools = ObservedTools::new("argocd", &[], false);
    let mut changes = Vec::new();
    for object in applications {
        let group = object["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
        let kind = ObservedKind::of(group, object["kind"].as_str().unwrap()).unwrap();
        changes.extend(tools.observe(kind, object.clone()));
    }
    Snapshot::default().with_applications(Arc::new(Applications::default().after(changes)))
}

/// Who writes, and what.
struct Case<'a> {
    user: &'a str,
    operation: &'a str,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
    subresource: &'a str,
    manager: &'a str,
}

const ALICE: &str = "alice";
const OPERATOR: &str = "system:serviceaccount:ops:operator";

fn update<'a>(user: &'a str, old: &'a Value, new: &'a Value) -> Case<'a> {
    Case { user, operation: "UPDATE", old: Some(old), new: Some(new), subresource: "", manager: "kubectl-edit" }
}

/// What is answered, and the message.
fn answer(snapshot: &Snapshot, cluster: &Cluster, case: &Case<'_>) -> (&'static str, String) {
    let mut groups = vec!["system:authenticated".to_owned()];
    if let Some(account) = case.user.strip_prefix("system:serviceaccount:") {
        let namespace = account.split(':').next().unwrap();
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    }
    let kind = if case.subresource == "scale" {
        json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
    } else {
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    };
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": kind, "subResource": case.subresource,
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "namespace": "prod", "name": "web", "operation": case.operation,
            "userInfo": {"username": case.user, "groups": groups},
            "object": case.new, "oldObject": case.old, "dryRun": false,
            "options": {"fieldManager": case.manager},
        },
    });
    let body = review.to_string();
    let write = decode(body.as_bytes()).unwrap();
    let (actors, policy) = (ActorRules::new(Vec::new(), &["argocd".to_owned()]).unwrap(), Policy::default());
    let assessment = evaluate(&write, EvaluationContext { snapshot, actors: &actors, policy: &policy, cluster });
    let decision = decide(&write, &assessment, &policy, DecisionContext::default());
    let message = match &decision.answer.denial {
        Some(denial) => denial.message.clone(),
        None => decision.answer.warnings.join("\n"),
    };
    (decision.outcome.as_str(), message)
}

#[test]
fn an_update_is_held_against_what_the_tool_applied() {
    let snapshot = snapshot(&[application(json!({}))]);
    let replicas = |object: Value, count: u64| with(object, "/spec/replicas", count.into());
    let image = |object: Value| with(object, "/spec/template/spec/containers/0/image", "web:2".into());
    let rolled = |object: Value| with(object, "/spec/revisionHistoryLimit", 3.into());
    let paused = |object: Value| with(object, "/spec/paused", true.into());
    let label = |object: Value| with(object, "/metadata/labels/team", "blue".into());
    for (what, user, old, new, expected) in [
        ("a declared field, by a person", ALICE, applied(), replicas(applied(), 7), "deny"),
        ("the same by an operator", OPERATOR, applied(), replicas(applied(), 7), "deny"),
        ("…as kubectl applied it", ALICE, noted(), replicas(noted(), 7), "deny"),
        ("…by an operator", OPERATOR, noted(), image(noted()), "deny"),
        ("…as it was only written", ALICE, updated(), image(updated()), "deny"),
        ("…which also owns defaults, for an operator", OPERATOR, updated(), image(updated()), "allow"),
        ("of what a person made, nothing is known", ALICE, foreign(), image(foreign()), "warn"),
        ("…nor for an operator", OPERATOR, foreign(), image(foreign()), "allow"),
        (
            "a note of a person's own counts for nothing",
            ALICE,
            noted_by("kubectl-client-side-apply"),
            image(noted_by("kubectl-client-side-apply")),
            "warn",
        ),
        ("a field that was there, and nobody knows", ALICE, applied(), rolled(applied()), "warn"),
        ("…a default that the tool only owns", ALICE, updated(), rolled(updated()), "warn"),
        ("a field that a person adds", ALICE, applied(), paused(applied()), "deny"),
        ("…that an operator adds", OPERATOR, applied(), paused(applied()), "allow"),
        ("a label of a person's", ALICE, applied(), label(applied()), "allow"),
        ("the way back to the note", ALICE, replicas(noted(), 7), noted(), "allow"),
        ("nothing at all", ALICE, applied(), applied(), "allow"),
    ] {
        let (found, message) = answer(&snapshot, &Cluster(None), &update(user, &old, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn nobody_takes_from_the_tool_what_it_knows() {
    let snapshot = snapshot(&[application(json!({}))]);
    let noting = |text: &str| {
        with(noted(), "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", text.into())
    };
    let without_mark = |object: Value| without(object, "/metadata/annotations/argocd.argoproj.io~1tracking-id");
    let spaced = note(2).replace(":2", ": 2");
    let mut less = fields();
    less["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    let person = entry("kubectl", "Update", json!({"f:metadata": {"f:labels": {"f:x": {}}}}));
    for (what, old, new, expected) in [
        ("the entry is gone", applied(), owned(std::slice::from_ref(&person)), "deny"),
        ("all entries are gone", applied(), without(applied(), "/metadata/managedFields"), "deny"),
        ("the entry owns less", applied(), owned(&[entry("argocd-controller", "Apply", less.clone())]), "deny"),
        (
            "applied under the tool's name, with less",
            noted(),
            {
                let mut object = noted();
                let entries = object["metadata"]["managedFields"].as_array_mut().unwrap();
                entries.push(entry("argocd-controller", "Apply", json!({"f:spec": {"f:replicas": {}}})));
                object
            },
            "deny",
        ),
        (
            "the note is gone",
            noted(),
            without(noted(), "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"),
            "deny",
        ),
        ("the note says something else", noted(), noting(&note(7)), "deny"),
        ("the note says the same in other words", noted(), noting(&spaced), "allow"),
        ("Git's own text is applied, which has no mark", noted(), without_mark(noting(&spaced)), "warn"),
        ("the mark is taken away", noted(), without_mark(noted()), "deny"),
        (
            "another one owns more",
            applied(),
            owned(&[entry("argocd-controller", "Apply", fields()), person.clone()]),
            "allow",
        ),
    ] {
        let (found, message) = answer(&snapshot, &Cluster(None), &update(ALICE, &old, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn creating_and_deleting_what_an_application_lists() {
    let snapshot = snapshot(&[application(json!({}))]);
    let (applied, foreign) = (applied(), foreign());
    let going = with(applied.clone(), "/metadata/deletionTimestamp", "2026-11-27T18:00:00Z".into());
    let case = |user, operation, old, new| Case { user, operation, old, new, subresource: "", manager: "" };
    for (what, case, expected) in [
        ("created by a person", case(ALICE, "CREATE", None, Some(&applied)), "warn"),
        ("deleted by a person", case(ALICE, "DELETE", Some(&applied), None), "deny"),
        ("deleted by an operator", case(OPERATOR, "DELETE", Some(&applied), None), "deny"),
        ("deleted already", case(ALICE, "DELETE", Some(&going), None), "allow"),
        ("deleted, and the tool never wrote it", case(ALICE, "DELETE", Some(&foreign), None), "warn"),
    ] {
        let (found, message) = answer(&snapshot, &Cluster(None), &case);
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn the_parent_of_a_scale_is_looked_up() {
    let scale = |replicas: u64| json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {"name": "web", "namespace": "prod"}, "spec": {"replicas": replicas}});
    let (two, seven) = (scale(2), scale(7));
    let ignoring =
        json!({"ignoreDifferences": [{"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]}]});
    let mut left_open = fields();
    left_open["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    for (what, more, parent, expected) in [
        ("declared", json!({}), applied(), "deny"),
        ("declared by a note", json!({}), noted(), "deny"),
        ("left open", json!({}), owned(&[entry("argocd-controller", "Apply", left_open)]), "warn"),
        ("ignored", ignoring, applied(), "allow"),
        ("made by a person", json!({}), foreign(), "warn"),
    ] {
        let snapshot = snapshot(&[application(more)]);
        let case = Case { subresource: "scale", ..update(ALICE, &two, &seven) };
        let (found, message) = answer(&snapshot, &Cluster(Some(parent)), &case);
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn what_the_application_ignores_is_no_drift() {
    let rule = |rule: Value| json!({"ignoreDifferences": [rule]});
    let seven = |object: Value| with(object, "/spec/replicas", 7.into());
    let by_autoscaler = owned(&[
        entry("argocd-controller", "Apply", fields()),
        entry("autoscaler", "Update", json!({"f:spec": {"f:replicas": {}}})),
    ]);
    let by_person = with(by_autoscaler.clone(), "/metadata/managedFields/1/manager", "kubectl-edit".into());
    for (what, more, old, new, expected) in [
        (
            "a pointer",
            rule(json!({"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]})),
            applied(),
            seven(applied()),
            "allow",
        ),
        (
            "a pointer of another kind",
            rule(json!({"group": "apps", "kind": "StatefulSet", "jsonPointers": ["/spec/replicas"]})),
            applied(),
            seven(applied()),
            "deny",
        ),
        (
            "what a manager owned before",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["autoscaler"]})),
            by_autoscaler.clone(),
            seven(by_autoscaler.clone()),
            "allow",
        ),
        (
            "a manager whose name the person took",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["autoscaler"]})),
            applied(),
            seven(by_autoscaler),
            "deny",
        ),
        (
            "a manager by which people write",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["kubectl-edit"]})),
            applied(),
            seven(by_person),
            "allow",
        ),
        (
            "a path of jq",
            rule(json!({"group": "apps", "kind": "*", "jqPathExpressions": [".spec.replicas"]})),
            applied(),
            seven(applied()),
            "allow",
        ),
        (
            "what is not understood",
            rule(json!({"group": "apps", "kind": "*", "jqPathExpressions": ["recurse(.spec)"]})),
            applied(),
            seven(applied()),
            "warn",
        ),
    ] {
        let snapshot = snapshot(&[application(more)]);
        let (found, message) = answer(&snapshot, &Cluster(None), &update(ALICE, &old, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn a_tenants_account_is_exempt_for_the_objects_of_its_application() {
    let kustomization = |name: &str, account: &str, created: &str| {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "namespace": name, "creationTimestamp": created},
            "spec": {"serviceAccountName": account, "sourceRef": {"kind": "GitRepository", "name": "repo"}},
            "status": {"inventory": {"entries": [{"id": "prod_web_apps_Deployment", "v": "v1"}]}},
        })
    };
    let old = with(
        owned(&[entry("kustomize-controller", "Apply", fields())]),
        "/metadata/labels",
        json!({"app": "web", "kustomize.toolkit.fluxcd.io/name": "a", "kustomize.toolkit.fluxcd.io/namespace": "a"}),
    );
    let new = with(old.clone(), "/spec/replicas", 7.into());
    let alone = snapshot(&[kustomization("a", "deployer", "2026-01-01T00:00:00Z")]);
    let shared = snapshot(&[
        kustomization("a", "deployer", "2026-01-02T00:00:00Z"),
        kustomization("b", "deployer", "2026-01-01T00:00:00Z"),
    ]);
    for (what, snapshot, user, expected) in [
        ("its own", &alone, "system:serviceaccount:a:deployer", "allow"),
        ("another account of the namespace", &alone, "system:serviceaccount:a:default", "deny"),
        ("the same name elsewhere", &alone, "system:serviceaccount:b:deployer", "deny"),
        ("listed by two: the one that it names", &shared, "system:serviceaccount:a:deployer", "allow"),
        ("listed by two: the other one", &shared, "system:serviceaccount:b:deployer", "deny"),
    ] {
        let (found, message) = answer(snapshot, &Cluster(None), &update(user, &old, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn an_application_counts_where_its_tool_looks() {
    let (old, new) = (applied(), with(applied(), "/spec/replicas", 7.into()));
    let parameters = |namespaces: &str| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "argocd-cmd-params-cm", "namespace": "argocd"},
            "data": {"application.namespaces": namespaces},
        })
    };
    let elsewhere = with(application(json!({})), "/metadata/namespace", "team-a".into());
    let other_cluster = application(json!({"destination": {"server": "https://10.0.0.1", "namespace": "prod"}}));
    let excluded = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"resource.exclusions": "- apiGroups: [apps]\n  kinds: ['Deploy*']\n  clusters: ['*']\n"},
    });
    for (what, objects, expected) in [
        ("in its own namespace", vec![application(json!({}))], "deny"),
        ("of another cluster", vec![other_cluster], "allow"),
        ("in a namespace that is not served", vec![elsewhere.clone()], "allow"),
        ("in one that is", vec![parameters("team-*, other"), elsewhere.clone()], "deny"),
        ("by a regular expression, told afterwards", vec![elsewhere, parameters("/^team-.$/")], "deny"),
        ("of a kind that is excluded", vec![application(json!({})), excluded], "allow"),
    ] {
        let (found, message) = answer(&snapshot(&objects), &Cluster(None), &update(ALICE, &old, &new));
        assert_eq!(found, expected, "{what}: {message}");
    }
}

#[test]
fn a_denial_names_the_application_and_its_revision() {
    let (old, mut new) = (applied(), with(applied(), "/spec/replicas", 7.into()));
    let entries = new["metadata"]["managedFields"].as_array_mut().unwrap();
    entries.push(entry("kubectl-edit", "Update", json!({"f:spec": {"f:replicas": {}}})));
    let (_, message) = answer(&snapshot(&[application(json!({}))]), &Cluster(None), &update(ALICE, &old, &new));
    let expected = "deployment.apps \"web\" is declared in Git, as Argo CD last applied it at ac28508 (application shop), \
                    and this write would drift from it:\n  spec.replicas: 7, Git says 2\n\
                    Change it in Git: https://github.com/acme/gitops (main). This object was not changed.";
    assert_eq!(message, expected);
}
