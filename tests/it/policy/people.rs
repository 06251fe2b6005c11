//! What people may do: restore what Git declares, operate, and clean up.

use serde_json::json;

use super::cases::{assert_allowed, case};
use super::controllers::{front_deployment, review_of_declared};
use crate::harness::reviews::{recorded_action, remove_at, review_of, review_of_yaml, set_at};

const WEB: &str = "/spec/template/spec/containers/0";

#[test]
fn restoring_what_git_declares_is_always_allowed() {
    let probe = json!({
        "httpGet": {"port": 8080, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3,
    });
    let container = json!({
        "name": "proxy", "image": "proxy:latest", "imagePullPolicy": "Always", "resources": {},
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    assert_allowed(vec![
        case(
            "a person restores a probe",
            front_deployment()
                .with_old_object(|old| remove_at(old, &format!("{WEB}/livenessProbe")))
                .with_object(|new| set_at(new, &format!("{WEB}/livenessProbe"), probe)),
            "conforms",
        ),
        case(
            "a person restores a container",
            front_deployment()
                .with_old_object(|old| remove_at(old, "/spec/template/spec/containers/1"))
                .with_object(|new| set_at(new, "/spec/template/spec/containers/1", container)),
            "conforms",
        ),
        case(
            "a person restores the service account",
            front_deployment()
                .with_old_object(|old| {
                    set_at(old, "/spec/template/spec/serviceAccountName", "default".into());
                    set_at(old, "/spec/template/spec/serviceAccount", "default".into());
                })
                .with_object(|new| set_at(new, "/spec/template/spec/serviceAccount", "app".into())),
            "conforms",
        ),
        case(
            "a person restores a Service's type, and the server allocates",
            review_of_declared("services", "Service")
                .with_both(|service| {
                    set_at(service, "/spec/clusterIP", "10.0.0.7".into());
                    set_at(service, "/spec/clusterIPs", json!(["10.0.0.7"]));
                    set_at(service, "/spec/sessionAffinity", "None".into());
                    set_at(service, "/spec/ports/0/protocol", "TCP".into());
                    set_at(service, "/spec/ports/0/targetPort", 80.into());
                })
                .with_old_object(|old| set_at(old, "/spec/type", "ClusterIP".into()))
                .with_object(|new| {
                    set_at(new, "/spec/allocateLoadBalancerNodePorts", true.into());
                    set_at(new, "/spec/externalTrafficPolicy", "Cluster".into());
                    set_at(new, "/spec/ports/0/nodePort", 30_080.into());
                }),
            "conforms",
        ),
        case(
            "a person takes a sidecar away again",
            front_deployment().with_old_object(|old| {
                set_at(old, "/spec/template/spec/containers/-", json!({"name": "x", "image": "x"}));
            }),
            "conforms",
        ),
        case(
            "a person creates again what was deleted",
            review_of("deployments", "python-app-prod").into_create(),
            "conforms",
        ),
        case("a person undoes a rollout", recorded_action("rollout-undo-to-git"), "conforms"),
    ]);
}

#[test]
fn people_may_restart_reconcile_and_evict() {
    let requested = "/metadata/annotations/reconcile.fluxcd.io~1requestedAt";
    let finished = json!([{"type": "Complete", "status": "True"}]);
    let job = || review_of_declared("jobs", "Job").with_both(|job| set_at(job, "/status/conditions", finished.clone()));
    assert_allowed(vec![
        case(
            "flux reconcile",
            review_of_declared("kustomizations", "Kustomization")
                .with_object(|new| set_at(new, requested, "2026-05-04T03:02:01Z".into())),
            "conforms",
        ),
        case("kubectl rollout restart", recorded_action("rollout-restart"), "runtime"),
        case("a finished Job is deleted", job().into_delete(), "runtime"),
        case("a Pod is deleted", recorded_action("delete-pod"), "runtime"),
        case("a Pod is evicted", recorded_action("evict-pod"), "runtime"),
        case("a node is cordoned for a drain", recorded_action("drain"), "unmanaged"),
        case("a Job is run from a CronJob", recorded_action("job-from-cronjob"), "unmanaged"),
    ]);
}

#[test]
fn writes_that_change_nothing_are_allowed() {
    let applied = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
    let migrated = |review: crate::harness::reviews::Review| {
        review.with_object(|new| {
            set_at(new, "/metadata/resourceVersion", "99999".into());
            set_at(new, "/metadata/managedFields", json!([{"manager": "migrator", "operation": "Update"}]));
        })
    };
    assert_allowed(vec![
        case(
            "a storage migration writes what is there",
            migrated(review_of("deployments", "python-app-prod")),
            "conforms",
        ),
        case(
            "it does so where the object had drifted before",
            migrated(
                review_of("deployments", "python-app-prod")
                    .with_both(|object| set_at(object, "/spec/replicas", 9.into())),
            ),
            "conforms",
        ),
        case(
            "a storage migrator writes what is there",
            migrated(review_of("widgets", "gizmo")).by("kube-system/migrator"),
            "conforms",
        ),
        case(
            "kubectl apply of Git's own file leaves its note",
            review_of("deployments", "python-app-prod")
                .with_object(|new| set_at(new, applied, "{\"spec\":{\"replicas\":3}}".into())),
            "conforms",
        ),
        case(
            "a person adds a label of their own",
            review_of("deployments", "python-app-prod")
                .with_object(|new| set_at(new, "/metadata/labels/looked-at", "yes".into())),
            "conforms",
        ),
    ]);
}

#[test]
fn writes_that_finish_a_deletion_are_allowed() {
    let going = |object: &mut serde_json::Value| {
        set_at(object, "/metadata/deletionTimestamp", "2026-05-04T03:02:01Z".into());
        set_at(object, "/metadata/finalizers", json!(["example.org/a", "foregroundDeletion"]));
    };
    let pod = recorded_action("label-pod").with_both(going);
    assert_allowed(vec![
        case(
            "a finalizer of a terminating object is taken away by a person",
            front_deployment().with_both(going).with_object(|new| set_at(new, "/metadata/finalizers", json!([]))),
            "conforms",
        ),
        case(
            "by an operator",
            front_deployment()
                .with_both(going)
                .with_object(|new| set_at(new, "/metadata/finalizers", json!([])))
                .by("ops/operator"),
            "conforms",
        ),
        case(
            "a terminating object is deleted once more",
            front_deployment().with_both(going).into_delete(),
            "conforms",
        ),
        case("a terminating Pod is labelled", pod, "conforms"),
        case(
            "a Namespace that is going is deleted once more",
            review_of_yaml("namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}")
                .with_request(|request| request["namespace"] = "argocd".into())
                .with_both(going)
                .into_delete(),
            "unmanaged",
        ),
    ]);
}
