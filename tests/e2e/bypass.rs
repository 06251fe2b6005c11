//! Attempts to bypass driftwall: each is denied, and its target is as before.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cluster::{TestCluster, test_cluster};
use crate::recorded_actions::NAMES;

/// An attempt by alice, to whom the API server allows everything.
struct Attempt {
    name: &'static str,
    /// The target, as `kubectl get … -n prod` takes it.
    target: &'static str,
    script: &'static str,
    /// A part of the denial, which tells it from denials for other reasons.
    reason: &'static str,
}

const APP: &str = "deployment python-app-prod";

const fn attempt(name: &'static str, target: &'static str, script: &'static str, reason: &'static str) -> Attempt {
    Attempt { name, target, script, reason }
}

const ATTEMPTS: [Attempt; 35] = [
    // Another request for the same field.
    attempt("scale", APP, "kubectl scale deployment python-app-prod -n prod --replicas=5", "spec.replicas: 5"),
    attempt(
        "scale as a subresource",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod --subresource=scale --type=merge -p '{"spec":{"replicas":6}}'"#,
        "spec.replicas: 6",
    ),
    attempt(
        "scale replaced whole",
        APP,
        "scale=/apis/apps/v1/namespaces/prod/deployments/python-app-prod/scale
        kubectl get --raw $scale | sed 's/\"replicas\":3/\"replicas\":9/' | kubectl replace --raw $scale -f -",
        "spec.replicas: 9",
    ),
    attempt(
        "scale of a custom resource",
        "widget gizmo",
        "kubectl scale widget gizmo -n prod --replicas=4",
        "spec.size: 4",
    ),
    attempt(
        "replace",
        APP,
        "kubectl get deployment python-app-prod -n prod -o json | sed 's/python-app:1.0.0/python-app:6.6.6/' | kubectl replace -f -",
        "image",
    ),
    attempt(
        "replace by force",
        APP,
        "kubectl get deployment python-app-prod -n prod -o json | sed 's/python-app:1.0.0/python-app:6.6.6/' \
         | kubectl replace --force -f -",
        "would delete it",
    ),
    // A name that is only the client's claim.
    attempt(
        "Argo CD's field manager",
        APP,
        "sed 's/replicas: 3/replicas: 8/' git/apps/prod/app.yaml \
         | kubectl apply --server-side --force-conflicts --field-manager=argocd-controller -f -",
        "spec.replicas: 8",
    ),
    attempt(
        "Flux's field manager",
        APP,
        "kubectl patch deployment python-app-prod -n prod --field-manager=kustomize-controller -p '{\"spec\":{\"replicas\":8}}'",
        "spec.replicas: 8",
    ),
    attempt(
        "the autoscaler's field manager",
        APP,
        "kubectl scale deployment python-app-prod -n prod --replicas=8 --field-manager=kube-controller-manager 2>&1 \
         || kubectl patch deployment python-app-prod -n prod --field-manager=kube-controller-manager -p '{\"spec\":{\"replicas\":8}}'",
        "spec.replicas: 8",
    ),
    attempt(
        "a service account's name without its groups",
        APP,
        "kubectl --kubeconfig=admin.config --as=system:serviceaccount:argocd:argocd-application-controller \
         --as-group=system:masters scale deployment python-app-prod -n prod --replicas=8",
        "spec.replicas: 8",
    ),
    // Another API version of the same object.
    attempt(
        "autoscaling/v1",
        "hpa web",
        r#"kubectl patch hpa.v1.autoscaling web -n prod --type=merge -p '{"spec":{"maxReplicas":50}}'"#,
        "spec.maxReplicas: 50",
    ),
    attempt(
        "autoscaling/v2beta1",
        "hpa web",
        r#"kubectl patch hpa.v2beta1.autoscaling web -n prod --type=merge -p '{"spec":{"maxReplicas":50}}'"#,
        "spec.maxReplicas: 50",
    ),
    attempt(
        "extensions/v1beta1",
        "ingress web",
        r#"kubectl patch ingresses.v1beta1.extensions web -n prod --type=json \
        -p '[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.org"}]'"#,
        "spec.rules",
    ),
    attempt(
        "networking.k8s.io/v1beta1",
        "ingress web",
        r#"kubectl patch ingresses.v1beta1.networking.k8s.io web -n prod --type=json \
        -p '[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.org"}]'"#,
        "spec.rules",
    ),
    attempt(
        "rbac.authorization.k8s.io/v1beta1",
        "role reader",
        r#"kubectl patch roles.v1beta1.rbac.authorization.k8s.io reader -n prod --type=json \
        -p '[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]'"#,
        "rules",
    ),
    // A deletion, by a controller or in another attempt.
    attempt(
        "a forged owner",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod --type=merge -p '{"metadata":{"ownerReferences":
        [{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"00000000-0000-0000-0000-000000000000"}]}}'"#,
        "metadata.ownerReferences",
    ),
    attempt(
        "a finalizer",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod --type=merge -p '{"metadata":{"finalizers":["example.org/hold"]}}'"#,
        "metadata.finalizers",
    ),
    attempt(
        "its namespace deleted",
        "namespace prod",
        "kubectl delete namespace prod --wait=false",
        "this write would delete",
    ),
    attempt(
        "its definition deleted",
        "crd widgets.example.com",
        "kubectl delete crd widgets.example.com --wait=false",
        "this write would delete",
    ),
    attempt("deleted", APP, "kubectl delete deployment python-app-prod -n prod --wait=false", "would delete it"),
    attempt(
        "all deleted at once",
        "statefulset",
        "kubectl delete --raw /apis/apps/v1/namespaces/prod/statefulsets",
        "would delete it",
    ),
    attempt(
        "deleted without what it made",
        APP,
        "kubectl delete deployment python-app-prod -n prod --cascade=orphan --wait=false",
        "would delete it",
    ),
    // Another object that changes it.
    attempt(
        "an autoscaler",
        "hpa",
        "kubectl autoscale deployment python-app-prod -n prod --min=7 --max=9 --cpu=50%",
        "spec.scaleTargetRef",
    ),
    attempt(
        "an autoscaler of another version",
        "hpa",
        r#"printf '{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"back","namespace":"prod"},
        "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"python-app-prod"},"maxReplicas":9}}' \
        | kubectl create -f -"#,
        "spec.scaleTargetRef",
    ),
    attempt(
        "an autoscaler aimed anew",
        "hpa",
        r#"kubectl patch hpa aimed -n prod --type=merge -p '{"spec":{"scaleTargetRef":{"name":"python-app-prod"}}}'"#,
        "spec.scaleTargetRef",
    ),
    // An object that it owns.
    attempt("a pod's image", "pod/$pod", "kubectl set image -n prod pod/$pod web=python-app:6.6.6", "image"),
    attempt(
        "a ReplicaSet's size",
        "replicaset/$set",
        "kubectl scale -n prod replicaset/$set --replicas=9",
        "spec.replicas",
    ),
    attempt(
        "a ReplicaSet's template",
        "replicaset/$set",
        r#"kubectl patch -n prod replicaset/$set -p '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"python-app:6.6.6"}]}}}}'"#,
        "image",
    ),
    // Labels and annotations that opt out, alone and together with a change.
    attempt(
        "driftwall's annotation",
        APP,
        "kubectl annotate deployment python-app-prod -n prod driftwall.io/ignore=true",
        "driftwall.io/ignore",
    ),
    attempt(
        "driftwall's annotation, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"driftwall.io/ignore":"true"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    attempt(
        "Flux's annotation for applying, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/ssa":"Ignore"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    attempt(
        "Flux's annotation for reconciling, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/reconcile":"disabled"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    attempt(
        "Argo CD's annotation",
        APP,
        "kubectl annotate deployment python-app-prod -n prod argocd.argoproj.io/compare-options=IgnoreExtraneous",
        "argocd.argoproj.io/compare-options",
    ),
    attempt(
        "Argo CD's annotation, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"argocd.argoproj.io/sync-options":"Prune=false"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    attempt(
        "a mode for its namespace",
        "namespace prod",
        "kubectl label namespace prod driftwall.io/mode=audit",
        "driftwall.io/mode",
    ),
];

/// An autoscaler of alice's whose target Git does not declare.
const CREATE_AUTOSCALER: &str = r#"kubectl get hpa aimed -n prod >/dev/null 2>&1 || printf '{"apiVersion":"autoscaling/v1",
"kind":"HorizontalPodAutoscaler","metadata":{"name":"aimed","namespace":"prod"},
"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"nothing"},"maxReplicas":9}}' | kubectl create -f -"#;

#[test]
fn every_known_attempt_to_bypass_driftwall_is_denied() {
    let Some(cluster) = test_cluster() else { return };
    cluster.wait_for("pods", "kubectl get pods -n prod -l app=python-app -o name", |pods| pods.lines().count() >= 3);
    cluster.alice(CREATE_AUTOSCALER).expect_success();
    let mut wrong = String::new();
    for attempt in &ATTEMPTS {
        // Not in a version that this server does not have.
        if attempt.name.contains('/') && !serves(&cluster, attempt.name) {
            continue;
        }
        if let Err(how) = try_attempt(&cluster, attempt) {
            writeln!(wrong, "{}: {how}\n", attempt.name).unwrap();
        }
    }
    cluster.alice("kubectl delete hpa aimed -n prod").expect_success();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_write_to_the_status_changes_nothing_that_git_declares() {
    let Some(cluster) = test_cluster() else { return };
    let before = stored(&cluster, APP);
    let patch = |patch: &str| {
        cluster.alice(&format!(
            "kubectl patch deployment python-app-prod -n prod --subresource=status --type=merge -p '{patch}'"
        ))
    };
    // The server itself keeps the old spec.
    let spec = patch(r#"{"spec": {"replicas": 9}}"#);
    assert_eq!((spec.answer(), stored(&cluster, APP)), ("allow", before.clone()), "{spec:?}");
    // It keeps annotations. Where driftwall has not registered for the status, nothing can stop them.
    if cluster.reviews_resource("deployments/status") {
        let annotated = patch(r#"{"metadata": {"annotations": {"owner": "alice"}}}"#);
        assert_eq!(
            (annotated.answer(), annotated.exit_code, stored(&cluster, APP)),
            ("deny", Some(1), before),
            "{annotated:?}"
        );
    }
}

fn serves(cluster: &TestCluster, version: &str) -> bool {
    cluster.alice("kubectl api-versions").expect_success().lines().any(|served| served == version)
}

fn try_attempt(cluster: &TestCluster, attempt: &Attempt) -> Result<(), String> {
    let before = stored(cluster, attempt.target);
    let tried = cluster.alice(&format!("{NAMES}{}", attempt.script));
    let after = stored(cluster, attempt.target);
    if before != after {
        return Err(format!("the target was changed; {tried:?}\n{before:#}\n{after:#}"));
    }
    if (tried.answer(), tried.exit_code) != ("deny", Some(1)) || !tried.stderr.contains(attempt.reason) {
        return Err(format!("{}, {:?}, expected is {}: {tried:?}", tried.answer(), tried.exit_code, attempt.reason));
    }
    Ok(())
}

/// What Git may declare of a target: not the status, nor what the server and controllers write.
fn stored(cluster: &TestCluster, target: &str) -> Value {
    let shown = cluster.alice(&format!("{NAMES}kubectl get -n prod {target} -o json")).expect_success();
    let mut value: Value = serde_json::from_str(&shown).unwrap();
    let objects = match value["items"].as_array_mut() {
        Some(items) => items.iter_mut().collect(),
        None => vec![&mut value],
    };
    for object in objects {
        object["status"].take();
        for kept in ["resourceVersion", "managedFields"] {
            object["metadata"][kept].take();
        }
        // Where autoscaling/v1 keeps the status of an autoscaler.
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|name, _| !name.starts_with("autoscaling.alpha.kubernetes.io/"));
        }
    }
    value
}
