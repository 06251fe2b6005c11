//! Writes that look like those of exempt writers and have to be denied.

use serde_json::json;

use super::cases::{assert_denied, case};
use super::controllers::{front_deployment, keda_autoscaler, operator_statefulset, review_of_declared, scale};
use crate::harness::reviews::{recorded_action, remove_at, review_of, review_of_yaml, set_at};

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
fn a_user_name_without_its_groups_gives_no_exemption() {
    let changed =
        || review_of("deployments", "python-app-prod").with_object(|new| set_at(new, "/spec/replicas", 9.into()));
    let claims = |name| changed().by_name_only(name);
    assert_denied(vec![
        case(
            "a user is named like Git's hand",
            claims("system:serviceaccount:argocd:argocd-application-controller"),
            "drift",
        )
        .preset("argocd"),
        case(
            "a user is named like the autoscaler",
            scale(3, 9).by_name_only("system:serviceaccount:kube-system:horizontal-pod-autoscaler"),
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
        case("KEDA's name in another namespace", scale(3, 0).by("prod/keda-operator"), "drift").preset("keda"),
        case("Argo CD's server outside its namespace", changed().by("argocd/argocd-server"), "drift"),
        case(
            "it moves an Application of Git",
            {
                review_of_declared("applications", "Application")
                    .by("argocd/argocd-server")
                    .with_object(|new| set_at(new, "/spec/source/targetRevision", "mine".into()))
            },
            "drift",
        ),
    ]);
}

#[test]
fn a_controller_may_change_only_its_own_fields() {
    assert_denied(vec![
        case(
            "KEDA changes an image",
            review_of("deployments", "python-app-prod")
                .by("keda/keda-operator")
                .with_object(|new| set_at(new, "/spec/template/spec/containers/0/image", "mine:1".into())),
            "drift",
        )
        .preset("keda"),
        case("KEDA scales without its preset", scale(3, 0).by("keda/keda-operator"), "drift"),
        case(
            "the autoscaler raises its own limit",
            review_of("horizontalpodautoscalers", "web")
                .by("kube-system/horizontal-pod-autoscaler")
                .with_object(|new| set_at(new, "/spec/maxReplicas", 99.into())),
            "drift",
        ),
        case(
            "an operator replaces an item of a list of Git's",
            review_of_declared("serviceaccounts", "ServiceAccount")
                .by("ops/operator")
                .with_object(|new| set_at(new, "/imagePullSecrets/0/name", "mine".into())),
            "drift",
        ),
        case("a pipeline widens a rule of a Role", recorded_action("role-escalate").by("ci/deployer"), "drift"),
        case(
            "a workload deletes an object of Git",
            review_of("services", "python-app-prod").into_delete().by("ci/deployer"),
            "drift",
        ),
        case(
            "a pipeline changes a tracking mark's neighbour",
            review_of("deployments", "python-app-prod")
                .by("ci/deployer")
                .with_object(|new| set_at(new, "/metadata/labels/app", "mine".into())),
            "drift",
        ),
    ]);
}

#[test]
fn a_person_may_not_do_what_controllers_may() {
    let at = |pointer: &'static str, value: serde_json::Value| {
        review_of("deployments", "python-app-prod").with_object(|new| set_at(new, pointer, value))
    };
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u", "controller": true}]);
    assert_denied(vec![
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
                .with_object(|new| set_at(new, "/spec/replicas", 9.into())),
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
                review_of("serviceaccounts", "app")
                    .with_object(|new| set_at(new, "/metadata/annotations/eks.amazonaws.com~1role-arn", "arn:x".into()))
            },
            "drift",
        ),
        case(
            "a person points a Service at a hash",
            {
                review_of("services", "python-app-prod")
                    .with_object(|new| set_at(new, "/spec/selector/rollouts-pod-template-hash", "x".into()))
            },
            "drift",
        ),
        case(
            "a person fills a CA bundle",
            {
                review_of_declared("validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
                    .with_object(|new| set_at(new, "/webhooks/0/clientConfig/caBundle", "LS0tCg==".into()))
            },
            "drift",
        ),
        case(
            "a person adds a pull secret",
            {
                review_of_declared("serviceaccounts", "ServiceAccount")
                    .with_object(|new| set_at(new, "/imagePullSecrets/-", json!({"name": "mine"})))
            },
            "drift",
        ),
        case("a person deletes a Job that runs", review_of_declared("jobs", "Job").into_delete(), "drift"),
        case(
            "a person deletes all of a kind",
            {
                review_of("deployments", "python-app-prod").into_delete().with_request(|request| {
                    request.as_object_mut().unwrap().remove("name");
                })
            },
            "drift",
        ),
    ]);
}

#[test]
fn restoring_one_field_does_not_cover_changing_another() {
    let container = json!({
        "name": "proxy", "image": "proxy:latest", "imagePullPolicy": "Always",
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}],
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
        "securityContext": {"privileged": true},
    });
    let without = |old: &mut serde_json::Value| remove_at(old, "/spec/template/spec/containers/1");
    assert_denied(vec![
        case(
            "a person restores a container with privileges",
            front_deployment()
                .with_old_object(without)
                .with_object(|new| set_at(new, "/spec/template/spec/containers/1", container)),
            "drift",
        ),
        case(
            "a person restores one field and breaks another",
            review_of("deployments", "python-app-prod")
                .with_old_object(|old| set_at(old, "/spec/replicas", 9.into()))
                .with_object(|new| set_at(new, "/spec/template/spec/containers/0/image", "mine:1".into())),
            "drift",
        ),
        case(
            "a person creates again with a host's network",
            review_of("deployments", "python-app-prod")
                .into_create()
                .with_object(|new| set_at(new, "/spec/template/spec/hostNetwork", true.into())),
            "drift",
        ),
    ]);
}

#[test]
fn nobody_aims_an_autoscaler_or_canary_at_a_declared_object() {
    let aimed_elsewhere = |old: &mut serde_json::Value| set_at(old, "/spec/scaleTargetRef/name", "elsewhere".into());
    let autoscaler =
        || keda_autoscaler().by("alice").with_both(|object| remove_at(object, "/metadata/ownerReferences"));
    assert_denied(vec![
        case("a person aims an autoscaler", autoscaler().into_create(), "drift"),
        case("a person re-aims an autoscaler", autoscaler().with_old_object(aimed_elsewhere), "drift"),
        case(
            "a person aims a vertical autoscaler",
            review_of_yaml("verticalpodautoscalers", VPA).into_create(),
            "drift",
        ),
        case(
            "a person wakes a vertical autoscaler that only recommended",
            {
                review_of_yaml("verticalpodautoscalers", VPA)
                    .with_old_object(|old| set_at(old, "/spec/updatePolicy/updateMode", "Off".into()))
            },
            "drift",
        ),
        case("a person aims a ScaledObject", review_of_yaml("scaledobjects", SCALED).into_create(), "drift"),
        case("a person aims a Canary", review_of_yaml("canaries", CANARY).into_create(), "drift"),
        case("a person aims a Rollout", review_of_yaml("rollouts", ROLLOUT).into_create(), "drift"),
    ]);
}

#[test]
fn no_person_changes_what_a_declared_object_owns() {
    assert_denied(vec![
        case(
            "a person resizes a Pod",
            {
                recorded_action("label-pod").subresource("resize").with_object(|new| {
                    set_at(new, "/spec/containers/0/resources/limits/cpu", "4".into());
                })
            },
            "drift",
        ),
        case(
            "a person changes what an operator made",
            operator_statefulset().by("alice").with_object(|new| set_at(new, "/spec/replicas", 9.into())),
            "drift",
        ),
        case("a person changes a Pod's image", recorded_action("image-pod"), "drift"),
        case("a person scales a ReplicaSet", recorded_action("scale-replicaset"), "drift"),
        case(
            "a person changes the autoscaler that KEDA made",
            keda_autoscaler().by("alice").with_object(|new| set_at(new, "/spec/maxReplicas", 99.into())),
            "drift",
        ),
    ]);
}
