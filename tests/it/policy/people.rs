//! People at work beside Git, and on the way back to it.

use serde_json::json;

use super::cases::{allowed, case};
use super::controllers::{declared, front};
use crate::harness::world::{action, drop_at, live, put, stored};

const WEB: &str = "/spec/template/spec/containers/0";

#[test]
fn a_way_back_is_never_blocked() {
    let probe = json!({
        "httpGet": {"port": 8080, "path": "/", "scheme": "HTTP"},
        "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3,
    });
    let container = json!({
        "name": "proxy", "image": "proxy:latest", "imagePullPolicy": "Always", "resources": {},
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    });
    allowed(vec![
        case(
            "a person restores a probe",
            front()
                .had(|old| drop_at(old, &format!("{WEB}/livenessProbe")))
                .sends(|new| put(new, &format!("{WEB}/livenessProbe"), probe)),
            "conforms",
        ),
        case(
            "a person restores a container",
            front()
                .had(|old| drop_at(old, "/spec/template/spec/containers/1"))
                .sends(|new| put(new, "/spec/template/spec/containers/1", container)),
            "conforms",
        ),
        case(
            "a person restores the service account",
            front()
                .had(|old| {
                    put(old, "/spec/template/spec/serviceAccountName", "default".into());
                    put(old, "/spec/template/spec/serviceAccount", "default".into());
                })
                .sends(|new| put(new, "/spec/template/spec/serviceAccount", "app".into())),
            "conforms",
        ),
        case(
            "a person restores a Service's type, and the server allocates",
            declared("services", "Service")
                .both(|service| {
                    put(service, "/spec/clusterIP", "10.0.0.7".into());
                    put(service, "/spec/clusterIPs", json!(["10.0.0.7"]));
                    put(service, "/spec/sessionAffinity", "None".into());
                    put(service, "/spec/ports/0/protocol", "TCP".into());
                    put(service, "/spec/ports/0/targetPort", 80.into());
                })
                .had(|old| put(old, "/spec/type", "ClusterIP".into()))
                .sends(|new| {
                    put(new, "/spec/allocateLoadBalancerNodePorts", true.into());
                    put(new, "/spec/externalTrafficPolicy", "Cluster".into());
                    put(new, "/spec/ports/0/nodePort", 30_080.into());
                }),
            "conforms",
        ),
        case(
            "a person takes a sidecar away again",
            front().had(|old| put(old, "/spec/template/spec/containers/-", json!({"name": "x", "image": "x"}))),
            "conforms",
        ),
        case("a person creates again what was deleted", live("deployments", "python-app-prod").created(), "conforms"),
        case("a person undoes a rollout", action("rollout-undo-to-git"), "conforms"),
    ]);
}

#[test]
fn people_run_what_git_declares() {
    let requested = "/metadata/annotations/reconcile.fluxcd.io~1requestedAt";
    let finished = json!([{"type": "Complete", "status": "True"}]);
    let job = || declared("jobs", "Job").both(|job| put(job, "/status/conditions", finished.clone()));
    allowed(vec![
        case(
            "flux reconcile",
            declared("kustomizations", "Kustomization").sends(|new| put(new, requested, "2026-05-04T03:02:01Z".into())),
            "conforms",
        ),
        case("kubectl rollout restart", action("rollout-restart"), "runtime"),
        case("a finished Job is deleted", job().deleted(), "runtime"),
        case("a Pod is deleted", action("delete-pod"), "runtime"),
        case("a Pod is evicted", action("evict-pod"), "runtime"),
        case("a node is cordoned for a drain", action("drain"), "unmanaged"),
        case("a Job is run from a CronJob", action("job-from-cronjob"), "unmanaged"),
    ]);
}

#[test]
fn writes_that_change_nothing_pass() {
    let applied = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";
    let migrated = |review: crate::harness::world::Review| {
        review.sends(|new| {
            put(new, "/metadata/resourceVersion", "99999".into());
            put(new, "/metadata/managedFields", json!([{"manager": "migrator", "operation": "Update"}]));
        })
    };
    allowed(vec![
        case("a storage migration writes what is there", migrated(live("deployments", "python-app-prod")), "conforms"),
        case(
            "it does so where the object had drifted before",
            migrated(live("deployments", "python-app-prod").both(|object| put(object, "/spec/replicas", 9.into()))),
            "conforms",
        ),
        case(
            "a storage migrator writes what is there",
            migrated(live("widgets", "gizmo")).by("kube-system/migrator"),
            "conforms",
        ),
        case(
            "kubectl apply of Git's own file leaves its note",
            live("deployments", "python-app-prod").sends(|new| put(new, applied, "{\"spec\":{\"replicas\":3}}".into())),
            "conforms",
        ),
        case(
            "a person adds a label of their own",
            live("deployments", "python-app-prod").sends(|new| put(new, "/metadata/labels/looked-at", "yes".into())),
            "conforms",
        ),
    ]);
}

#[test]
fn what_is_going_may_go() {
    let going = |object: &mut serde_json::Value| {
        put(object, "/metadata/deletionTimestamp", "2026-05-04T03:02:01Z".into());
        put(object, "/metadata/finalizers", json!(["example.org/a", "foregroundDeletion"]));
    };
    let pod = action("label-pod").both(going);
    allowed(vec![
        case(
            "a finalizer of a terminating object is taken away by a person",
            front().both(going).sends(|new| put(new, "/metadata/finalizers", json!([]))),
            "conforms",
        ),
        case(
            "by an operator",
            front().both(going).sends(|new| put(new, "/metadata/finalizers", json!([]))).by("ops/operator"),
            "conforms",
        ),
        case("a terminating object is deleted once more", front().both(going).deleted(), "conforms"),
        case("a terminating Pod is labelled", pod, "conforms"),
        case(
            "a Namespace that is going is deleted once more",
            stored("namespaces", "{apiVersion: v1, kind: Namespace, metadata: {name: argocd}}")
                .request(|request| request["namespace"] = "argocd".into())
                .both(going)
                .deleted(),
            "unmanaged",
        ),
    ]);
}
