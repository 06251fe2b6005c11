//! Look-alikes of honest writers.

use serde_json::json;

use super::cases::{case, denied};
use super::controllers::{declared, front, made_by_keda, made_by_operator, scaled};
use crate::harness::world::{action, drop_at, live, put, stored};

const VPA: &str = "
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: mine, namespace: prod}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: python-app-prod}
  updatePolicy: {updateMode: Auto}
";
const SCALED: &str = "
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: mine, namespace: prod}
spec: {scaleTargetRef: {name: web}, maxReplicaCount: 100}
";
const CANARY: &str = "
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: mine, namespace: prod}
spec: {targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
";
const ROLLOUT: &str = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: mine, namespace: prod}
spec: {workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web, scaleDown: onsuccess}}
";

#[test]
fn a_borrowed_name_is_worth_nothing() {
    let changed = || live("deployments", "python-app-prod").sends(|new| put(new, "/spec/replicas", 9.into()));
    let claims = |name| changed().claimed_by(name);
    denied(vec![
        case(
            "a user is named like Git's hand",
            claims("system:serviceaccount:argocd:argocd-application-controller"),
            "drift",
        )
        .preset("argocd"),
        case(
            "a user is named like the autoscaler",
            scaled(3, 9).claimed_by("system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
            "drift",
        ),
        case(
            "a user is named like a controller",
            claims("system:serviceaccount:kube-system:deployment-controller"),
            "drift",
        ),
        case("a user is named like a node", claims("system:node:n1"), "drift"),
        case("Git's hand without its preset", changed().by("argocd/argocd-application-controller"), "drift"),
        case("a controller's name in another namespace", changed().by("prod/deployment-controller"), "drift"),
        case("KEDA's name in another namespace", scaled(3, 0).by("prod/keda-operator"), "drift").preset("keda"),
        case("Argo CD's server outside its namespace", changed().by("argocd/argocd-server"), "drift"),
        case(
            "it adds something there",
            {
                live("deployments", "python-app-prod")
                    .by("argocd/argocd-server")
                    .sends(|new| put(new, "/spec/template/spec/hostNetwork", true.into()))
            },
            "drift",
        ),
        case(
            "it moves an Application of Git",
            {
                declared("applications", "Application")
                    .by("argocd/argocd-server")
                    .sends(|new| put(new, "/spec/source/targetRevision", "mine".into()))
            },
            "drift",
        ),
    ]);
}

#[test]
fn a_controller_keeps_to_its_fields() {
    denied(vec![
        case(
            "KEDA changes an image",
            live("deployments", "python-app-prod")
                .by("keda/keda-operator")
                .sends(|new| put(new, "/spec/template/spec/containers/0/image", "mine:1".into())),
            "drift",
        )
        .preset("keda"),
        case("KEDA scales without its preset", scaled(3, 0).by("keda/keda-operator"), "drift"),
        case(
            "the autoscaler raises its own limit",
            live("horizontalpodautoscalers", "web")
                .by("kube-system/horizontal-pod-autoscaler")
                .sends(|new| put(new, "/spec/maxReplicas", 99.into())),
            "drift",
        ),
        case(
            "an operator replaces an item of a list of Git's",
            declared("serviceaccounts", "ServiceAccount")
                .by("ops/operator")
                .sends(|new| put(new, "/imagePullSecrets/0/name", "mine".into())),
            "drift",
        ),
        case("a pipeline widens a rule of a Role", action("role-escalate").by("ci/deployer"), "drift"),
        case(
            "a workload deletes an object of Git",
            live("services", "python-app-prod").deleted().by("ci/deployer"),
            "drift",
        ),
        case(
            "a pipeline changes a tracking mark's neighbour",
            live("deployments", "python-app-prod")
                .by("ci/deployer")
                .sends(|new| put(new, "/metadata/labels/app", "mine".into())),
            "drift",
        ),
    ]);
}

#[test]
fn a_person_is_no_controller() {
    let at = |pointer: &'static str, value: serde_json::Value| {
        live("deployments", "python-app-prod").sends(|new| put(new, pointer, value))
    };
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u", "controller": true}]);
    denied(vec![
        case("a person adds a finalizer", at("/metadata/finalizers", json!(["service.k8s.aws/resources"])), "drift"),
        case("a person adds an owner", at("/metadata/ownerReferences", owner), "drift"),
        case(
            "a person leaves an object to nobody",
            at("/metadata/annotations/driftwall.io~1ignore", "true".into()),
            "drift",
        ),
        case("by a label", at("/metadata/labels/driftwall.io~1ignore", "true".into()), "drift"),
        case(
            "a person switches Flux off",
            at("/metadata/annotations/kustomize.toolkit.fluxcd.io~1reconcile", "disabled".into()),
            "drift",
        ),
        case(
            "a person switches Flux off while changing",
            at("/metadata/labels/kustomize.toolkit.fluxcd.io~1ssa", "Ignore".into())
                .sends(|new| put(new, "/spec/replicas", 9.into())),
            "drift",
        ),
        case(
            "a person moves a tracking mark",
            at("/metadata/annotations/argocd.argoproj.io~1tracking-id", "x".into()),
            "drift",
        ),
        case(
            "a person grants a cloud role",
            {
                live("serviceaccounts", "app")
                    .sends(|new| put(new, "/metadata/annotations/eks.amazonaws.com~1role-arn", "arn:x".into()))
            },
            "drift",
        ),
        case(
            "a person points a Service at a hash",
            {
                live("services", "python-app-prod")
                    .sends(|new| put(new, "/spec/selector/rollouts-pod-template-hash", "x".into()))
            },
            "drift",
        ),
        case(
            "a person fills a CA bundle",
            {
                declared("validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
                    .sends(|new| put(new, "/webhooks/0/clientConfig/caBundle", "LS0tCg==".into()))
            },
            "drift",
        ),
        case(
            "a person suspends a Kustomization",
            declared("kustomizations", "Kustomization").sends(|new| put(new, "/spec/suspend", true.into())),
            "drift",
        ),
        case(
            "a person adds a pull secret",
            {
                declared("serviceaccounts", "ServiceAccount")
                    .sends(|new| put(new, "/imagePullSecrets/-", json!({"name": "mine"})))
            },
            "drift",
        ),
        case("a person deletes a Job that runs", declared("jobs", "Job").deleted(), "drift"),
        case(
            "a person deletes all of a kind",
            {
                live("deployments", "python-app-prod").deleted().request(|request| {
                    request.as_object_mut().unwrap().remove("name");
                })
            },
            "drift",
        ),
    ]);
}

#[test]
fn a_way_back_takes_nothing_along() {
    let container = json!({
        "name": "proxy", "image": "proxy:latest", "imagePullPolicy": "Always",
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "securityContext": {"privileged": true},
    });
    let without = |old: &mut serde_json::Value| drop_at(old, "/spec/template/spec/containers/1");
    denied(vec![
        case(
            "a person restores a container with privileges",
            front().had(without).sends(|new| put(new, "/spec/template/spec/containers/1", container)),
            "drift",
        ),
        case(
            "a person restores one field and breaks another",
            live("deployments", "python-app-prod")
                .had(|old| put(old, "/spec/replicas", 9.into()))
                .sends(|new| put(new, "/spec/template/spec/containers/0/image", "mine:1".into())),
            "drift",
        ),
        case(
            "a person creates again with a host's network",
            live("deployments", "python-app-prod")
                .created()
                .sends(|new| put(new, "/spec/template/spec/hostNetwork", true.into())),
            "drift",
        ),
    ]);
}

#[test]
fn nobody_steers_what_git_declares() {
    let aimed_elsewhere = |old: &mut serde_json::Value| put(old, "/spec/scaleTargetRef/name", "elsewhere".into());
    let autoscaler = || made_by_keda().by("alice").both(|object| drop_at(object, "/metadata/ownerReferences"));
    denied(vec![
        case("a person aims an autoscaler", autoscaler().created(), "drift"),
        case("a person re-aims an autoscaler", autoscaler().had(aimed_elsewhere), "drift"),
        case("a person aims a vertical autoscaler", stored("verticalpodautoscalers", VPA).created(), "drift"),
        case(
            "a person wakes a vertical autoscaler that only recommended",
            {
                stored("verticalpodautoscalers", VPA).had(|old| put(old, "/spec/updatePolicy/updateMode", "Off".into()))
            },
            "drift",
        ),
        case("a person aims a ScaledObject", stored("scaledobjects", SCALED).created(), "drift"),
        case("a person aims a Canary", stored("canaries", CANARY).created(), "drift"),
        case("a person aims a Rollout", stored("rollouts", ROLLOUT).created(), "drift"),
    ]);
}

#[test]
fn what_belongs_to_git_is_not_changed_by_hand() {
    denied(vec![
        case(
            "a person resizes a Pod",
            {
                action("label-pod").subresource("resize").sends(|new| {
                    put(new, "/spec/containers/0/resources/limits/cpu", "4".into());
                })
            },
            "drift",
        ),
        case(
            "a person changes what an operator made",
            made_by_operator().by("alice").sends(|new| put(new, "/spec/replicas", 9.into())),
            "drift",
        ),
        case("a person changes a Pod's image", action("image-pod"), "drift"),
        case("a person scales a ReplicaSet", action("scale-replicaset"), "drift"),
        case(
            "a person changes the autoscaler that KEDA made",
            made_by_keda().by("alice").sends(|new| put(new, "/spec/maxReplicas", 99.into())),
            "drift",
        ),
    ]);
}
