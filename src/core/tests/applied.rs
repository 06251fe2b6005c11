//! Writes to what an application lists, in all states that an object can be in: a table.

// Clippy takes only the functions marked as tests for tests, not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::needless_pass_by_value)]

mod listed;

use listed::{
    ALICE, Case, Cluster, LAST_APPLIED, OPERATOR, answer, application, applied, entry, fields, foreign, note, noted,
    noted_by, owned, snapshot, update, updated, with, without,
};
use serde_json::{Value, json};

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
    let moved = |object: Value| with(object, "/metadata/managedFields/0/apiVersion", "apps/v1beta1".into());
    let mut disowned = noted();
    disowned["metadata"]["managedFields"] = json!([entry("argocd-controller", "Update", fields())]);
    // As kubectl's client-side apply leaves it.
    let mut taken_over = noting(&spaced);
    let mark = json!({"f:metadata": {"f:annotations": {"f:argocd.argoproj.io/tracking-id": {}}}, "f:spec": fields()["f:spec"]});
    let of_note = json!({"f:metadata": {"f:annotations": {format!("f:{LAST_APPLIED}"): {}}}});
    taken_over["metadata"]["managedFields"] =
        json!([entry("argocd-controller", "Update", mark), entry("kubectl-client-side-apply", "Update", of_note)]);
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
        ("all entries are gone, and the note stays", noted(), without(noted(), "/metadata/managedFields"), "deny"),
        ("its entry gets another name", noted(), noted_by("kubectl-client-side-apply"), "deny"),
        ("its entry says nothing of the note", noted(), disowned, "deny"),
        ("the note is another's, in other words", noted(), taken_over, "allow"),
        ("its entry moves to another version", applied(), moved(applied()), "deny"),
        ("so does one of an update", updated(), moved(updated()), "deny"),
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
    let of_autoscaler = || entry("autoscaler", "Update", json!({"f:spec": {"f:replicas": {}}}));
    let mut less = fields();
    less["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    // What Argo CD noted, it does not own any more once the autoscaler has written it.
    let mut by_autoscaler = noted();
    let of_notes = noted()["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:annotations"].clone();
    less["f:metadata"]["f:annotations"] = of_notes.clone();
    by_autoscaler["metadata"]["managedFields"] = json!([entry("argocd-controller", "Update", less), of_autoscaler()]);
    let shared = owned(&[entry("argocd-controller", "Apply", fields()), of_autoscaler()]);
    // Somebody else made it, and Argo CD changed nothing but its notes.
    let mut by_creator = noted();
    let notes = json!({"f:metadata": {"f:annotations": of_notes}});
    let entries = [entry("argocd-controller", "Update", notes), entry("kubectl-create", "Update", fields())];
    by_creator["metadata"]["managedFields"] = json!(entries);
    let beside = |manager: &str| {
        let mut object = by_creator.clone();
        let entries = object["metadata"]["managedFields"].as_array_mut().unwrap();
        entries.push(entry(manager, "Apply", json!({"f:spec": {"f:replicas": {}}})));
        object
    };
    let (shared_with_creator, by_person_too) = (beside("autoscaler"), beside("kubectl-edit"));
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
            "what the tool owns beside a manager",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["autoscaler"]})),
            shared.clone(),
            seven(shared),
            "deny",
        ),
        (
            "a manager whose name the person takes, to change it afterwards",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["autoscaler"]})),
            by_creator.clone(),
            shared_with_creator,
            "deny",
        ),
        (
            "a name by which people write, for what is there",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["kubectl-edit"]})),
            by_creator.clone(),
            by_person_too,
            "allow",
        ),
        (
            "a manager whose name the person took",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["autoscaler"]})),
            noted(),
            seven(by_autoscaler),
            "deny",
        ),
        (
            "a manager by which people write",
            rule(json!({"group": "apps", "kind": "*", "managedFieldsManagers": ["kubectl-edit"]})),
            noted(),
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
