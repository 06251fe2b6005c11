//! The ways round a wall, each of them tried, and what they aim at is as before.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cluster::{Stage, stage};
use crate::recorded_actions::NAMES;

/// Whatever alice does, she may do it as far as the API server is concerned.
struct Way {
    name: &'static str,
    /// What `kubectl get … -n prod -o json` shows of what it aims at.
    target: &'static str,
    script: &'static str,
    /// A part of the reason, where there may be several.
    reason: &'static str,
}

const APP: &str = "deployment python-app-prod";

const fn way(name: &'static str, target: &'static str, script: &'static str, reason: &'static str) -> Way {
    Way { name, target, script, reason }
}

const WAYS: [Way; 35] = [
    // Another door to the same field.
    way("scale", APP, "kubectl scale deployment python-app-prod -n prod --replicas=5", "spec.replicas: 5"),
    way(
        "scale as a subresource",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod --subresource=scale --type=merge -p '{"spec":{"replicas":6}}'"#,
        "spec.replicas: 6",
    ),
    way(
        "scale replaced whole",
        APP,
        "scale=/apis/apps/v1/namespaces/prod/deployments/python-app-prod/scale
        kubectl get --raw $scale | sed 's/\"replicas\":3/\"replicas\":9/' | kubectl replace --raw $scale -f -",
        "spec.replicas: 9",
    ),
    way(
        "scale of a custom resource",
        "widget gizmo",
        "kubectl scale widget gizmo -n prod --replicas=4",
        "spec.size: 4",
    ),
    way(
        "replace",
        APP,
        "kubectl get deployment python-app-prod -n prod -o json | sed 's/python-app:1.0.0/python-app:6.6.6/' | kubectl replace -f -",
        "image",
    ),
    way(
        "replace by force",
        APP,
        "kubectl get deployment python-app-prod -n prod -o json | sed 's/python-app:1.0.0/python-app:6.6.6/' \
         | kubectl replace --force -f -",
        "would delete it",
    ),
    // A name that is the client's own claim.
    way(
        "Argo CD's field manager",
        APP,
        "sed 's/replicas: 3/replicas: 8/' git/apps/prod/app.yaml \
         | kubectl apply --server-side --force-conflicts --field-manager=argocd-controller -f -",
        "spec.replicas: 8",
    ),
    way(
        "Flux's field manager",
        APP,
        "kubectl patch deployment python-app-prod -n prod --field-manager=kustomize-controller -p '{\"spec\":{\"replicas\":8}}'",
        "spec.replicas: 8",
    ),
    way(
        "the autoscaler's field manager",
        APP,
        "kubectl scale deployment python-app-prod -n prod --replicas=8 --field-manager=kube-controller-manager 2>&1 \
         || kubectl patch deployment python-app-prod -n prod --field-manager=kube-controller-manager -p '{\"spec\":{\"replicas\":8}}'",
        "spec.replicas: 8",
    ),
    way(
        "a service account's name without its groups",
        APP,
        "kubectl --kubeconfig=admin.config --as=system:serviceaccount:argocd:argocd-application-controller \
         --as-group=system:masters scale deployment python-app-prod -n prod --replicas=8",
        "spec.replicas: 8",
    ),
    // Another API version of the same object.
    way(
        "autoscaling/v1",
        "hpa web",
        r#"kubectl patch hpa.v1.autoscaling web -n prod --type=merge -p '{"spec":{"maxReplicas":50}}'"#,
        "spec.maxReplicas: 50",
    ),
    way(
        "autoscaling/v2beta1",
        "hpa web",
        r#"kubectl patch hpa.v2beta1.autoscaling web -n prod --type=merge -p '{"spec":{"maxReplicas":50}}'"#,
        "spec.maxReplicas: 50",
    ),
    way(
        "extensions/v1beta1",
        "ingress web",
        r#"kubectl patch ingresses.v1beta1.extensions web -n prod --type=json \
        -p '[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.org"}]'"#,
        "spec.rules",
    ),
    way(
        "networking.k8s.io/v1beta1",
        "ingress web",
        r#"kubectl patch ingresses.v1beta1.networking.k8s.io web -n prod --type=json \
        -p '[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.org"}]'"#,
        "spec.rules",
    ),
    way(
        "rbac.authorization.k8s.io/v1beta1",
        "role reader",
        r#"kubectl patch roles.v1beta1.rbac.authorization.k8s.io reader -n prod --type=json \
        -p '[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]'"#,
        "rules",
    ),
    // A deletion by somebody else.
    way(
        "a forged owner",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod --type=merge -p '{"metadata":{"ownerReferences":
        [{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"00000000-0000-0000-0000-000000000000"}]}}'"#,
        "metadata.ownerReferences",
    ),
    way(
        "a finalizer",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod --type=merge -p '{"metadata":{"finalizers":["example.org/hold"]}}'"#,
        "metadata.finalizers",
    ),
    way(
        "its namespace deleted",
        "namespace prod",
        "kubectl delete namespace prod --wait=false",
        "this write would delete",
    ),
    way(
        "its definition deleted",
        "crd widgets.example.com",
        "kubectl delete crd widgets.example.com --wait=false",
        "this write would delete",
    ),
    way("deleted", APP, "kubectl delete deployment python-app-prod -n prod --wait=false", "would delete it"),
    way(
        "all deleted at once",
        "statefulset",
        "kubectl delete --raw /apis/apps/v1/namespaces/prod/statefulsets",
        "would delete it",
    ),
    way(
        "deleted without what it made",
        APP,
        "kubectl delete deployment python-app-prod -n prod --cascade=orphan --wait=false",
        "would delete it",
    ),
    // Another object that steers it.
    way(
        "an autoscaler",
        "hpa",
        "kubectl autoscale deployment python-app-prod -n prod --min=7 --max=9 --cpu=50%",
        "spec.scaleTargetRef",
    ),
    way(
        "an autoscaler of another version",
        "hpa",
        r#"printf '{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"back","namespace":"prod"},
        "spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"python-app-prod"},"maxReplicas":9}}' \
        | kubectl create -f -"#,
        "spec.scaleTargetRef",
    ),
    way(
        "an autoscaler aimed anew",
        "hpa",
        r#"kubectl patch hpa aimed -n prod --type=merge -p '{"spec":{"scaleTargetRef":{"name":"python-app-prod"}}}'"#,
        "spec.scaleTargetRef",
    ),
    // What it made.
    way("a pod's image", "pod/$pod", "kubectl set image -n prod pod/$pod web=python-app:6.6.6", "image"),
    way(
        "a ReplicaSet's size",
        "replicaset/$set",
        "kubectl scale -n prod replicaset/$set --replicas=9",
        "spec.replicas",
    ),
    way(
        "a ReplicaSet's template",
        "replicaset/$set",
        r#"kubectl patch -n prod replicaset/$set -p '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"python-app:6.6.6"}]}}}}'"#,
        "image",
    ),
    // Marks that ask to be left alone, by themselves and with what they are to cover.
    way(
        "driftwall's mark",
        APP,
        "kubectl annotate deployment python-app-prod -n prod driftwall.io/ignore=true",
        "driftwall.io/ignore",
    ),
    way(
        "driftwall's mark, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"driftwall.io/ignore":"true"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    way(
        "Flux's mark for applying, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/ssa":"Ignore"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    way(
        "Flux's mark for reconciling, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/reconcile":"disabled"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    way(
        "Argo CD's mark",
        APP,
        "kubectl annotate deployment python-app-prod -n prod argocd.argoproj.io/compare-options=IgnoreExtraneous",
        "argocd.argoproj.io/compare-options",
    ),
    way(
        "Argo CD's mark, and a change",
        APP,
        r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"argocd.argoproj.io/sync-options":"Prune=false"}},"spec":{"replicas":9}}'"#,
        "spec.replicas: 9",
    ),
    way(
        "a mode for its namespace",
        "namespace prod",
        "kubectl label namespace prod driftwall.io/mode=audit",
        "driftwall.io/mode",
    ),
];

/// An autoscaler of alice's that is aimed at nothing of Git's.
const AIMED: &str = r#"kubectl get hpa aimed -n prod >/dev/null 2>&1 || printf '{"apiVersion":"autoscaling/v1",
"kind":"HorizontalPodAutoscaler","metadata":{"name":"aimed","namespace":"prod"},
"spec":{"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"nothing"},"maxReplicas":9}}' | kubectl create -f -"#;

#[test]
fn no_way_round_that_the_design_knows_leads_round() {
    let Some(stage) = stage() else { return };
    stage.until("pods", "kubectl get pods -n prod -l app=python-app -o name", |pods| pods.lines().count() >= 3);
    stage.alice(AIMED).must();
    let mut wrong = String::new();
    for way in &WAYS {
        // A version that this server has given up is no way.
        if way.name.contains('/') && !serves(&stage, way.name) {
            continue;
        }
        if let Err(how) = attempt(&stage, way) {
            writeln!(wrong, "{}: {how}\n", way.name).unwrap();
        }
    }
    stage.alice("kubectl delete hpa aimed -n prod").must();
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_write_to_the_status_changes_nothing_of_what_git_says() {
    let Some(stage) = stage() else { return };
    let before = stored(&stage, APP);
    let patch = |patch: &str| {
        stage.alice(&format!(
            "kubectl patch deployment python-app-prod -n prod --subresource=status --type=merge -p '{patch}'"
        ))
    };
    // The server itself keeps the old spec.
    let spec = patch(r#"{"spec": {"replicas": 9}}"#);
    assert_eq!((spec.answer(), stored(&stage, APP)), ("allow", before.clone()), "{spec:?}");
    // It takes annotations. Where the webhook is not asked about the status, nothing can stop them.
    if stage.asks_about("deployments/status") {
        let annotated = patch(r#"{"metadata": {"annotations": {"owner": "alice"}}}"#);
        assert_eq!(
            (annotated.answer(), annotated.code, stored(&stage, APP)),
            ("deny", Some(1), before),
            "{annotated:?}"
        );
    }
}

fn serves(stage: &Stage, version: &str) -> bool {
    stage.alice("kubectl api-versions").must().lines().any(|served| served == version)
}

fn attempt(stage: &Stage, way: &Way) -> Result<(), String> {
    let before = stored(stage, way.target);
    let tried = stage.alice(&format!("{NAMES}{}", way.script));
    let after = stored(stage, way.target);
    if before != after {
        return Err(format!("it led round; {tried:?}\n{before:#}\n{after:#}"));
    }
    if (tried.answer(), tried.code) != ("deny", Some(1)) || !tried.err.contains(way.reason) {
        return Err(format!("{}, {:?}, expected is {}: {tried:?}", tried.answer(), tried.code, way.reason));
    }
    Ok(())
}

/// What Git may say of a target: not the status, nor what the server and controllers write beside it.
fn stored(stage: &Stage, target: &str) -> Value {
    let shown = stage.alice(&format!("{NAMES}kubectl get -n prod {target} -o json")).must();
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
        // The status of an autoscaler, in its first version.
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.retain(|name, _| !name.starts_with("autoscaling.alpha.kubernetes.io/"));
        }
    }
    value
}
