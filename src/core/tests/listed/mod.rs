//! An object in all states that a tool may have left it in, the applications that list it, and writes to it.

// Not every test binary needs all of it.
#![allow(dead_code)]

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
pub(crate) struct Cluster(pub(crate) Option<Value>);

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

pub(crate) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A Deployment as it is stored, with 2 replicas, and a default that nobody wrote.
pub(crate) fn stored() -> Value {
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
pub(crate) fn fields() -> Value {
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

pub(crate) fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-11-27T18:00:00Z",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    })
}

/// The object, owned by these entries.
pub(crate) fn owned(entries: &[Value]) -> Value {
    let mut object = stored();
    object["metadata"]["managedFields"] = json!(entries);
    object
}

/// Applied by Argo CD from the server's side.
pub(crate) fn applied() -> Value {
    owned(&[entry("argocd-controller", "Apply", fields())])
}

/// The text that Argo CD notes.
pub(crate) fn note(replicas: u64) -> String {
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
pub(crate) fn noted_by(manager: &str) -> Value {
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

pub(crate) fn noted() -> Value {
    noted_by("argocd-controller")
}

/// Written by Argo CD without a note, as it creates Roles.
pub(crate) fn updated() -> Value {
    let mut fields = fields();
    fields["f:spec"]["f:revisionHistoryLimit"] = json!({});
    owned(&[entry("argocd-controller", "Update", fields)])
}

/// Made by a person.
pub(crate) fn foreign() -> Value {
    owned(&[entry("kubectl-create", "Update", fields())])
}

pub(crate) fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    object.pointer_mut(parent).unwrap()[last.as_str()] = value;
    object
}

pub(crate) fn without(mut object: Value, pointer: &str) -> Value {
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/");
    object.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(&last);
    object
}

/// The Application that lists the Deployment; `spec` has what else it says.
pub(crate) fn application(more: Value) -> Value {
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

pub(crate) fn snapshot(applications: &[Value]) -> Snapshot {
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
pub(crate) struct Case<'a> {
    pub(crate) user: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) old: Option<&'a Value>,
    pub(crate) new: Option<&'a Value>,
    pub(crate) subresource: &'a str,
    pub(crate) manager: &'a str,
}

pub(crate) const ALICE: &str = "alice";
pub(crate) const OPERATOR: &str = "system:serviceaccount:ops:operator";

pub(crate) fn update<'a>(user: &'a str, old: &'a Value, new: &'a Value) -> Case<'a> {
    Case { user, operation: "UPDATE", old: Some(old), new: Some(new), subresource: "", manager: "kubectl-edit" }
}

/// What is answered, and the message.
pub(crate) fn answer(snapshot: &Snapshot, cluster: &Cluster, case: &Case<'_>) -> (&'static str, String) {
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
    let (actors, policy) =
        (ActorRules::new(Vec::new(), &["argocd".to_owned(), "flux".to_owned()]).unwrap(), Policy::default());
    let assessment = evaluate(&write, EvaluationContext { snapshot, actors: &actors, policy: &policy, cluster });
    let decision = decide(&write, &assessment, &policy, DecisionContext::default());
    let message = match &decision.answer.denial {
        Some(denial) => denial.message.clone(),
        None => decision.answer.warnings.join("\n"),
    };
    (decision.outcome.as_str(), message)
}
