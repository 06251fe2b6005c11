//! Attempts to bypass driftwall: each is denied, and its target is as before.

use std::fmt::Write as _;
use std::time::Duration;

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

const ATTEMPTS: [Attempt; 45] = [
    // Another request for the same field.
    Attempt {
        name: "scale",
        target: APP,
        script: "kubectl scale deployment python-app-prod -n prod --replicas=5",
        reason: "spec.replicas: 5",
    },
    Attempt {
        name: "scale as a subresource",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --subresource=scale --type=merge \
            -p '{"spec":{"replicas":6}}'"#,
        reason: "spec.replicas: 6",
    },
    Attempt {
        name: "scale replaced whole",
        target: APP,
        script: "scale=/apis/apps/v1/namespaces/prod/deployments/python-app-prod/scale
        kubectl get --raw $scale | sed 's/\"replicas\":3/\"replicas\":9/' | kubectl replace --raw $scale -f -",
        reason: "spec.replicas: 9",
    },
    Attempt {
        name: "scale of a custom resource",
        target: "widget gizmo",
        script: "kubectl scale widget gizmo -n prod --replicas=4",
        reason: "spec.size: 4",
    },
    Attempt {
        name: "replace",
        target: APP,
        script: "kubectl get deployment python-app-prod -n prod -o json | sed 's/python-app:1.0.0/python-app:6.6.6/' \
            | kubectl replace -f -",
        reason: "image",
    },
    Attempt {
        name: "replace by force",
        target: APP,
        script: "kubectl get deployment python-app-prod -n prod -o json | sed 's/python-app:1.0.0/python-app:6.6.6/' \
         | kubectl replace --force -f -",
        reason: "would delete it",
    },
    // A name that is only the client's claim.
    Attempt {
        name: "Argo CD's field manager",
        target: APP,
        script: "sed 's/replicas: 3/replicas: 8/' git/apps/prod/app.yaml \
         | kubectl apply --server-side --force-conflicts --field-manager=argocd-controller -f -",
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "Flux's field manager",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --field-manager=kustomize-controller \
            -p '{"spec":{"replicas":8}}'"#,
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "the autoscaler's field manager",
        target: APP,
        script: r#"manager=--field-manager=kube-controller-manager
            kubectl scale deployment python-app-prod -n prod --replicas=8 $manager 2>&1 \
            || kubectl patch deployment python-app-prod -n prod $manager -p '{"spec":{"replicas":8}}'"#,
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "a service account's name without its groups",
        target: APP,
        script: "kubectl --kubeconfig=admin.config --as=system:serviceaccount:argocd:argocd-application-controller \
         --as-group=system:masters scale deployment python-app-prod -n prod --replicas=8",
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "a container under a controller's name",
        target: APP,
        script: r#"kubectl apply --server-side --force-conflicts --validate=false \
            --field-manager=kube-controller-manager -f - <<END
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "python-app-prod", "namespace": "prod"},
 "spec": {"template": {"spec": {"containers": [{"name": "evil", "image": "evil:1"}]}}}}
END"#,
        reason: "evil",
    },
    Attempt {
        name: "the owners cleared with the change",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --type=merge \
            -p '{"metadata":{"managedFields":[{}]},"spec":{"template":{"spec":{"hostNetwork":true}}}}'"#,
        reason: "hostNetwork",
    },
    Attempt {
        name: "a controller named as the owner of the change",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --type=merge \
            -p '{"metadata":{"managedFields":[{"manager":"kube-controller-manager","operation":"Update",
            "apiVersion":"apps/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1",
            "fieldsV1":{"f:spec":{"f:paused":{}}}}]},"spec":{"paused":true}}'"#,
        reason: "spec.paused",
    },
    Attempt {
        name: "a JSON patch that tests first",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --type=json \
            -p '[{"op":"test","path":"/spec/replicas","value":3},{"op":"replace","path":"/spec/replicas","value":8},
            {"op":"copy","from":"/spec/replicas","path":"/spec/revisionHistoryLimit"}]'"#,
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "a container taken out by a directive",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod \
            -p '{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"evil"}],
            "containers":[{"$patch":"delete","name":"web"},{"name":"evil","image":"evil:1"}]}}}}'"#,
        reason: "containers",
    },
    Attempt {
        name: "as another person",
        target: APP,
        script: "kubectl --kubeconfig=admin.config --as=bob --as-group=system:masters \
            scale deployment python-app-prod -n prod --replicas=8",
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "as an account, with only some of its groups",
        target: APP,
        script: "kubectl --kubeconfig=admin.config --as=system:serviceaccount:flux-system:kustomize-controller \
            --as-group=system:serviceaccounts --as-group=system:masters \
            scale deployment python-app-prod -n prod --replicas=8",
        reason: "spec.replicas: 8",
    },
    Attempt {
        name: "a rollback that its controller does",
        target: APP,
        script: "kubectl annotate deployment python-app-prod -n prod deprecated.deployment.rollback.to=1",
        reason: "deprecated.deployment.rollback.to",
    },
    Attempt {
        name: "a selector that finds nothing",
        target: "service python-app-prod",
        script: r#"kubectl patch service python-app-prod -n prod --type=merge -p '{"spec":{"selector":{"app":null}}}'"#,
        reason: "spec.selector",
    },
    Attempt {
        name: "all that has a label",
        target: "deployment",
        script: "kubectl label deployment python-app-prod -n prod mine=yes >/dev/null
            kubectl delete deployments -n prod -l mine=yes --wait=false; result=$?
            kubectl label deployment python-app-prod -n prod mine- >/dev/null; exit $result",
        reason: "would delete it",
    },
    // Another API version of the same object.
    Attempt {
        name: "autoscaling/v1",
        target: "hpa web",
        script: r#"kubectl patch hpa.v1.autoscaling web -n prod --type=merge -p '{"spec":{"maxReplicas":50}}'"#,
        reason: "spec.maxReplicas: 50",
    },
    Attempt {
        name: "autoscaling/v2beta1",
        target: "hpa web",
        script: r#"kubectl patch hpa.v2beta1.autoscaling web -n prod --type=merge -p '{"spec":{"maxReplicas":50}}'"#,
        reason: "spec.maxReplicas: 50",
    },
    Attempt {
        name: "extensions/v1beta1",
        target: "ingress web",
        script: r#"kubectl patch ingresses.v1beta1.extensions web -n prod --type=json \
        -p '[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.org"}]'"#,
        reason: "spec.rules",
    },
    Attempt {
        name: "networking.k8s.io/v1beta1",
        target: "ingress web",
        script: r#"kubectl patch ingresses.v1beta1.networking.k8s.io web -n prod --type=json \
        -p '[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.org"}]'"#,
        reason: "spec.rules",
    },
    Attempt {
        name: "rbac.authorization.k8s.io/v1beta1",
        target: "role reader",
        script: r#"kubectl patch roles.v1beta1.rbac.authorization.k8s.io reader -n prod --type=json \
        -p '[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]'"#,
        reason: "rules",
    },
    // A deletion, by a controller or in another attempt.
    Attempt {
        name: "a forged owner",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --type=merge -p '{"metadata":{"ownerReferences":
        [{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"00000000-0000-0000-0000-000000000000"}]}}'"#,
        reason: "metadata.ownerReferences",
    },
    Attempt {
        name: "a finalizer",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod --type=merge \
            -p '{"metadata":{"finalizers":["example.org/hold"]}}'"#,
        reason: "metadata.finalizers",
    },
    Attempt {
        name: "its namespace deleted",
        target: "namespace prod",
        script: "kubectl delete namespace prod --wait=false",
        reason: "this write would delete",
    },
    Attempt {
        name: "its definition deleted",
        target: "crd widgets.example.com",
        script: "kubectl delete crd widgets.example.com --wait=false",
        reason: "this write would delete",
    },
    Attempt {
        name: "deleted",
        target: APP,
        script: "kubectl delete deployment python-app-prod -n prod --wait=false",
        reason: "would delete it",
    },
    Attempt {
        name: "all deleted at once",
        target: "statefulset",
        script: "kubectl delete --raw /apis/apps/v1/namespaces/prod/statefulsets",
        reason: "would delete it",
    },
    Attempt {
        name: "deleted without what it made",
        target: APP,
        script: "kubectl delete deployment python-app-prod -n prod --cascade=orphan --wait=false",
        reason: "would delete it",
    },
    // Another object that changes it.
    Attempt {
        name: "an autoscaler",
        target: "hpa",
        script: "kubectl autoscale deployment python-app-prod -n prod --min=7 --max=9 --cpu=50%",
        reason: "spec.scaleTargetRef",
    },
    Attempt {
        name: "an autoscaler of another version",
        target: "hpa",
        script: r#"printf '{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler",
        "metadata":{"name":"back","namespace":"prod"},
        "spec":{"maxReplicas":9,
            "scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"python-app-prod"}}}' \
        | kubectl create -f -"#,
        reason: "spec.scaleTargetRef",
    },
    Attempt {
        name: "an autoscaler aimed anew",
        target: "hpa",
        script: r#"kubectl patch hpa aimed -n prod --type=merge \
            -p '{"spec":{"scaleTargetRef":{"name":"python-app-prod"}}}'"#,
        reason: "spec.scaleTargetRef",
    },
    // An object that it owns.
    Attempt {
        name: "a pod's image",
        target: "pod/$pod",
        script: "kubectl set image -n prod pod/$pod web=python-app:6.6.6",
        reason: "image",
    },
    Attempt {
        name: "a ReplicaSet's size",
        target: "replicaset/$set",
        script: "kubectl scale -n prod replicaset/$set --replicas=9",
        reason: "spec.replicas",
    },
    Attempt {
        name: "a ReplicaSet's template",
        target: "replicaset/$set",
        script: r#"kubectl patch -n prod replicaset/$set \
            -p '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"python-app:6.6.6"}]}}}}'"#,
        reason: "image",
    },
    // Labels and annotations that opt out, alone and together with a change.
    Attempt {
        name: "driftwall's annotation",
        target: APP,
        script: "kubectl annotate deployment python-app-prod -n prod driftwall.io/ignore=true",
        reason: "driftwall.io/ignore",
    },
    Attempt {
        name: "driftwall's annotation, and a change",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"driftwall.io/ignore":"true"}},"spec":{"replicas":9}}'"#,
        reason: "spec.replicas: 9",
    },
    Attempt {
        name: "Flux's annotation for applying, and a change",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/ssa":"Ignore"}},"spec":{"replicas":9}}'"#,
        reason: "spec.replicas: 9",
    },
    Attempt {
        name: "Flux's annotation for reconciling, and a change",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/reconcile":"disabled"}},"spec":{"replicas":9}}'"#,
        reason: "spec.replicas: 9",
    },
    Attempt {
        name: "Argo CD's annotation",
        target: APP,
        script: "kubectl annotate deployment python-app-prod -n prod \
            argocd.argoproj.io/compare-options=IgnoreExtraneous",
        reason: "argocd.argoproj.io/compare-options",
    },
    Attempt {
        name: "Argo CD's annotation, and a change",
        target: APP,
        script: r#"kubectl patch deployment python-app-prod -n prod \
        -p '{"metadata":{"annotations":{"argocd.argoproj.io/sync-options":"Prune=false"}},"spec":{"replicas":9}}'"#,
        reason: "spec.replicas: 9",
    },
    Attempt {
        name: "a mode for its namespace",
        target: "namespace prod",
        script: "kubectl label namespace prod driftwall.io/mode=audit",
        reason: "driftwall.io/mode",
    },
];

/// An autoscaler of alice's whose target Git does not declare.
const CREATE_AUTOSCALER: &str = r"kubectl get hpa aimed -n prod >/dev/null 2>&1 || kubectl create -f - <<END
apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: aimed, namespace: prod}
spec:
  maxReplicas: 9
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nothing}
END";

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
    // It keeps annotations and owner references, which the garbage collector follows.
    for metadata in [
        r#"{"annotations": {"owner": "alice"}}"#,
        r#"{"finalizers": ["example.org/hold"]}"#,
        r#"{"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone",
            "uid": "00000000-0000-0000-0000-000000000000"}]}"#,
    ] {
        let tried = patch(&format!(r#"{{"metadata": {metadata}}}"#));
        assert_eq!((tried.answer(), tried.exit_code), ("deny", Some(1)), "{tried:?}");
    }
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(stored(&cluster, APP), before, "and it is still there");
}

#[test]
fn a_namespace_and_what_it_holds_outlast_every_door() {
    let Some(cluster) = test_cluster() else { return };
    let before = stored(&cluster, "namespace prod");
    let owner =
        r#"[{"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"00000000-0000-0000-0000-000000000000"}]"#;
    for subresource in ["finalize", "status"] {
        let script = format!(
            "namespace=/api/v1/namespaces/prod
            kubectl get --raw $namespace | sed 's/\"metadata\":{{/\"metadata\":{{\"ownerReferences\":{owner},/' \
            | kubectl replace --raw $namespace/{subresource} -f -"
        );
        let tried = cluster.alice(&script);
        assert_eq!((tried.answer(), tried.exit_code), ("deny", Some(1)), "{subresource}: {tried:?}");
        assert!(tried.stderr.contains("metadata.ownerReferences"), "{tried:?}");
    }
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(stored(&cluster, "namespace prod"), before, "and it is still there");
}

#[test]
fn a_pod_that_is_labelled_away_and_changed_is_not_labelled_back() {
    let Some(cluster) = test_cluster() else { return };
    let names = "kubectl get pods -n prod -l app=python-app -o jsonpath='{.items[*].metadata.name}'";
    let pods = cluster.wait_for("pods", names, |pods| pods.split(' ').count() >= 3);
    let pod = pods.split(' ').next().unwrap();
    let label = |label: &str| cluster.alice(&format!("kubectl label pod {pod} -n prod {label}"));
    // It is taken out of its Service, as people do to look into it.
    assert!(label("app-").succeeded);
    let owners = format!("kubectl get pod {pod} -n prod -o jsonpath='{{.metadata.ownerReferences}}'");
    cluster.wait_for("its ReplicaSet lets it go", &owners, str::is_empty);
    assert_eq!(cluster.alice(&format!("kubectl set image pod {pod} -n prod '*=python-app:6.6.6'")).answer(), "allow");
    let back = label("app=python-app");
    assert_eq!(back.answer(), "deny", "{back:?}");
    assert!(back.stderr.contains("image: \"python-app:6.6.6\""), "{back:?}");
    cluster.alice(&format!("kubectl delete pod {pod} -n prod --wait=false")).expect_success();
    cluster.wait_for("pods", names, |pods| pods.split(' ').count() >= 3);
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
