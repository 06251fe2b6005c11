//! Objects that were stored so that they cannot be read: a person who writes Git's content passes, and nobody passes
//! by it.

use serde_json::{Value, json};

use super::answers::{allowed, check, denied, warned};
use crate::harness::reviews::{Review, remove_at, review_of_yaml, set_at};

const GIT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: shop, namespace: argocd}
spec:
  source: {repoURL: 'https://example.org/other/apps', path: shop, targetRevision: main}
  syncPolicy: {automated: {prune: true}}
---
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata: {name: shop, namespace: argocd}
spec: {generators: [{list: {elements: [{name: red}]}}]}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: shop, namespace: flux-system}
spec: {interval: 5m, path: ./shop, prune: true}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: shop, namespace: flux-system}
spec: {interval: 5m, url: 'https://example.org/shop'}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: flux-system}
spec: {interval: 5m, values: {a: b}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: helper, namespace: argocd}
spec:
  selector: {matchLabels: {app: helper}}
  template:
    metadata: {labels: {app: helper}}
    spec:
      serviceAccountName: argocd-application-controller
      containers: [{name: helper, image: 'helper:1'}]
---
apiVersion: v1
kind: Secret
metadata:
  name: declared
  namespace: argocd
  annotations: {kubernetes.io/service-account.name: argocd-application-controller}
type: kubernetes.io/service-account-token
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop, namespace: prod}
spec: {replicas: 2, workloadRef: {apiVersion: apps/v1, kind: Deployment, name: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
";

/// More parts than are parsed.
fn junk() -> Value {
    Value::Array(vec![json!({"a": 1}); 80_000])
}

/// What was stored cannot be read for what it has at a place.
fn unreadable(review: Review, pointer: &str) -> Review {
    review.with_old_object(|old| set_at(old, pointer, junk()))
}

/// A write of Git's content.
fn of_git(kind: &str) -> Review {
    let document = GIT.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n")));
    let document =
        document.or_else(|| GIT.split("---\n").find(|document| document.contains(&format!("kind: {kind},"))));
    let plural = match kind {
        "GitRepository" => "gitrepositories".to_owned(),
        _ => format!("{}s", kind.to_lowercase()),
    };
    review_of_yaml(&plural, document.unwrap())
}

#[test]
fn gits_content_is_restored_whatever_was_stored() {
    let mut cases = Vec::new();
    for kind in [
        "Application",
        "ApplicationSet",
        "Kustomization",
        "GitRepository",
        "HelmRelease",
        "Deployment",
        "Secret",
        "Rollout",
        "Namespace",
    ] {
        for pointer in ["/spec/junk", "/status/junk", "/metadata/managedFields", "/junk"] {
            cases.push(allowed(kind, unreadable(of_git(kind), pointer)));
        }
        for pointer in ["/spec/junk", "/metadata/labels/team", "/spec/template/spec/hostNetwork"] {
            let other = unreadable(of_git(kind), "/junk").with_object(|new| set_at(new, pointer, "x".into()));
            cases.push(if pointer.starts_with("/metadata") { allowed(kind, other) } else { denied(kind, other) });
        }
    }
    check(GIT, cases);
}

#[test]
fn what_an_application_is_asked_to_do_and_what_became_of_it_stay_judged() {
    let application = || {
        let review = of_git("Application").with_both(|object| object["status"] = json!({"sync": {"revision": "1"}}));
        unreadable(review, "/spec/junk")
    };
    let sync = |sync: Value| application().with_object(|new| set_at(new, "/operation/sync", sync));
    check(
        GIT,
        vec![
            allowed("restored", application()),
            denied("led elsewhere", application().with_object(|new| set_at(new, "/spec/source/path", "mine".into()))),
            denied("another status", application().with_object(|new| set_at(new, "/status/sync/revision", "2".into()))),
            warned("no status, as Git's file has none", application().with_object(|new| remove_at(new, "/status"))),
            allowed("a sync", sync(json!({"revision": "main"}))),
            denied("a sync of something else", sync(json!({"manifests": ["a"]}))),
            denied(
                "a status in place of one that cannot be read",
                unreadable(of_git("Application"), "/status/junk").with_object(|new| new["status"] = json!({"a": 1})),
            ),
        ],
    );
}

#[test]
fn what_git_does_not_declare_may_be_mended_too() {
    let application = || {
        let yaml = "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: mine, namespace: argocd}, spec: {source: {path: .}}}";
        review_of_yaml("applications", yaml)
    };
    let autoscaler = |target: &str| {
        let target = format!("{{apiVersion: apps/v1, kind: Deployment, name: {target}}}");
        let yaml = format!(
            "{{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {{name: mine, namespace: argocd}}, spec: {{scaleTargetRef: {target}}}}}"
        );
        unreadable(review_of_yaml("horizontalpodautoscalers", &yaml), "/spec/junk")
    };
    let namespace = || {
        let review = review_of_yaml("namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}");
        let review = review.with_request(|request| request["namespace"] = "argocd".into());
        unreadable(review, "/metadata/managedFields")
    };
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u"}]);
    let runs_as = |account: &'static str| {
        let yaml = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: mine, namespace: argocd}, spec: {template: {spec: {containers: [{name: a, image: a}]}}}}";
        let review = review_of_yaml("deployments", yaml);
        unreadable(
            review.with_both(|object| set_at(object, "/spec/template/spec/serviceAccountName", account.into())),
            "/spec/junk",
        )
    };
    check(
        GIT,
        vec![
            allowed("a label of an Application", unreadable(application(), "/status/junk")),
            warned("its content, which nobody knows", unreadable(application(), "/spec/junk")),
            denied(
                "its status",
                unreadable(application(), "/spec/junk")
                    .with_object(|new| set_at(new, "/status/sync/revision", "2".into())),
            ),
            warned(
                "its deletion",
                unreadable(application(), "/status/junk")
                    .with_old_object(|old| {
                        set_at(old, "/metadata/finalizers", json!(["resources-finalizer.argocd.argoproj.io"]));
                    })
                    .into_delete(),
            ),
            allowed("an autoscaler of nothing", autoscaler("nothing")),
            denied("an autoscaler of Git's", autoscaler("helper")),
            allowed("a namespace that holds Git's", namespace()),
            denied("its owner", namespace().with_object(|new| set_at(new, "/metadata/ownerReferences", owner.clone()))),
            allowed("what runs as itself", runs_as("mine")),
            denied("what runs as Argo CD", runs_as("argocd-application-controller")),
        ],
    );
}
