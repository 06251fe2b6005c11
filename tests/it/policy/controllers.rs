//! Writes of controllers, operators, clouds and GitOps tools, none of which may be denied.

use serde_json::{Value, json};

use super::cases::{assert_allowed, case};
use crate::harness::reviews::{Review, recorded_action, remove_at, review_of, review_of_yaml, set_at};

/// An object of `GIT`, as the cluster has it.
pub(super) fn review_of_declared(plural: &str, kind: &str) -> Review {
    let document = super::cases::GIT.split("---\n").find(|document| document.contains(&format!("kind: {kind}\n")));
    review_of_yaml(plural, document.unwrap())
}

/// A Deployment of `GIT` with two containers.
pub(super) fn front_deployment() -> Review {
    review_of_declared("deployments", "Deployment")
}

/// A controlling owner.
fn owner(api_version: &str, kind: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": true})
}

/// A StatefulSet that an operator made for a Postgres of Git.
pub(super) fn operator_statefulset() -> Review {
    review_of("statefulsets", "db")
        .with_request(|request| request["name"] = "orders".into())
        .with_both(|object| {
            object["metadata"]["name"] = "orders".into();
            object["metadata"]["ownerReferences"] = json!([owner("db.example.org/v1", "Postgres", "orders"),]);
        })
        .by("postgres/operator")
}

/// An autoscaler that KEDA makes for the `ScaledObject` of Git.
pub(super) fn keda_autoscaler() -> Review {
    review_of("horizontalpodautoscalers", "web")
        .with_request(|request| request["name"] = "keda-hpa-python-app".into())
        .with_both(|object| {
            object["metadata"]["name"] = "keda-hpa-python-app".into();
            object["metadata"]["ownerReferences"] = json!([owner("keda.sh/v1alpha1", "ScaledObject", "python-app"),]);
            object["spec"]["scaleTargetRef"]["name"] = "python-app-prod".into();
        })
        .by("keda/keda-operator")
}

/// Scales a Deployment of Git through its `scale` subresource.
pub(super) fn scale(from: u32, to: u32) -> Review {
    recorded_action("scale-5").with_old_object(|scale| set_at(scale, "/spec/replicas", from.into())).with_object(
        |scale| match to {
            // Zero is left out on the wire.
            0 => remove_at(scale, "/spec/replicas"),
            to => set_at(scale, "/spec/replicas", to.into()),
        },
    )
}

#[test]
fn operators_manage_what_they_created_and_set_finalizers_and_owners() {
    let finalizer = json!(["postgres.example.org/finalizer"]);
    let owner = json!([{"apiVersion": "example.com/v1", "kind": "Widget", "name": "gizmo", "uid": "u"}]);
    let adopted = |object: &mut Value| object["metadata"]["ownerReferences"] = owner.clone();
    assert_allowed(vec![
        case(
            "an operator changes the StatefulSet that it made for a resource of Git",
            operator_statefulset().with_object(|new| {
                set_at(new, "/spec/replicas", 5.into());
                set_at(new, "/spec/template/spec/containers/0/image", "postgres:17".into());
            }),
            "unmanaged",
        ),
        case(
            "an operator scales what it made",
            {
                let scale = recorded_action("scale-statefulset").by("postgres/operator");
                scale.with_request(|request| request["name"] = "orders".into())
            },
            "unmanaged",
        ),
        case("an operator deletes what it made", operator_statefulset().into_delete(), "unmanaged"),
        case(
            "an operator adds its finalizer to an object of Git",
            review_of_declared("postgreses", "Postgres")
                .by("postgres/operator")
                .with_object(|new| new["metadata"]["finalizers"] = finalizer.clone()),
            "conforms",
        ),
        case(
            "an operator takes its finalizer away again",
            review_of_declared("postgreses", "Postgres")
                .by("postgres/operator")
                .with_old_object(|old| old["metadata"]["finalizers"] = finalizer.clone()),
            "conforms",
        ),
        case(
            "an operator adopts an object of Git",
            review_of("configmaps", "app-config").by("widgets/operator").with_object(adopted),
            "conforms",
        ),
        case(
            "Crossplane fills in what a resource leaves open",
            review_of_declared("buckets", "Bucket").by("crossplane-system/provider-aws").with_object(|new| {
                set_at(new, "/metadata/annotations", json!({"crossplane.io/external-name": "assets-x7"}));
                set_at(new, "/spec/deletionPolicy", "Delete".into());
                set_at(new, "/spec/forProvider/objectLock", json!({"enabled": false}));
                set_at(new, "/spec/forProvider/tags/0/value", "web".into());
                set_at(new, "/spec/forProvider/acl", "private".into());
                set_at(new, "/spec/forProvider/grants", json!([{"id": 1}]));
            }),
            "conforms",
        ),
        case(
            "a mutating policy puts a sidecar beside the container",
            review_of("deployments", "python-app-prod").by("istio-system/istiod").with_object(|new| {
                set_at(new, "/spec/template/spec/containers/-", json!({"name": "istio-proxy", "image": "proxyv2"}));
                set_at(new, "/spec/template/spec/volumes", json!([{"name": "istio-data", "emptyDir": {}}]));
                set_at(new, "/spec/template/metadata/annotations", json!({"sidecar.istio.io/status": "{}"}));
                set_at(new, "/spec/template/spec/containers/0/securityContext", json!({"runAsNonRoot": true}));
            }),
            "conforms",
        ),
        case(
            "OpenShift adds its pull secrets to a ServiceAccount that lists some itself",
            review_of_declared("serviceaccounts", "ServiceAccount")
                .by("openshift-infra/serviceaccount-pull-secrets-controller")
                .with_object(|new| {
                    set_at(new, "/imagePullSecrets/-", json!({"name": "puller-dockercfg-x7k2p"}));
                    set_at(new, "/secrets/-", json!({"name": "puller-dockercfg-x7k2p"}));
                }),
            "conforms",
        ),
    ]);
}

#[test]
fn autoscalers_may_scale_declared_objects() {
    assert_allowed(vec![
        case("KEDA makes an autoscaler for a ScaledObject of Git", keda_autoscaler().into_create(), "unmanaged")
            .preset("keda"),
        case(
            "KEDA changes its autoscaler",
            keda_autoscaler().with_object(|new| set_at(new, "/spec/maxReplicas", 9.into())),
            "unmanaged",
        )
        .preset("keda"),
        case("KEDA scales to zero where Git declares replicas", scale(3, 0).by("keda/keda-operator"), "conforms")
            .preset("keda"),
        case("KEDA scales from zero", scale(0, 1).by("keda/keda-operator"), "conforms").preset("keda"),
        case("KEDA scales a custom resource", recorded_action("scale-widget").by("keda/keda-operator"), "conforms")
            .preset("keda"),
        case("the autoscaler's controller scales", scale(3, 5).by("kube-system/horizontal-pod-autoscaler"), "exempt"),
        case(
            "the vertical autoscaler resizes a Pod in place",
            recorded_action("image-pod").by("kube-system/vpa-updater").subresource("resize"),
            "unmanaged",
        )
        .preset("vpa"),
        case(
            "the vertical autoscaler without its preset evicts",
            recorded_action("evict-pod").by("kube-system/vpa-updater"),
            "runtime",
        ),
        case(
            "the cluster autoscaler taints a node",
            recorded_action("taint-node").by("kube-system/cluster-autoscaler"),
            "unmanaged",
        ),
    ]);
}

#[test]
fn cloud_controllers_and_nodes_may_write_their_own_fields() {
    let service = || review_of_declared("services", "Service");
    assert_allowed(vec![
        case(
            "a cloud's load-balancer controller adds its finalizer",
            service().by("eks:aws-load-balancer-controller").with_object(|new| {
                set_at(new, "/metadata/finalizers", json!(["service.k8s.aws/resources"]));
            }),
            "conforms",
        ),
        case(
            "a cloud controller writes a Service's status and annotations",
            service().by("kube-system/cloud-controller-manager").subresource("status").with_object(|new| {
                set_at(new, "/status/loadBalancer", json!({"ingress": [{"ip": "192.0.2.7"}]}));
                set_at(new, "/metadata/annotations", json!({"cloud.example.org/address": "192.0.2.7"}));
            }),
            "conforms",
        ),
        case(
            "a cloud controller without a service account allocates node ports",
            service().by("system:cloud-controller-manager").with_object(|new| {
                set_at(new, "/spec/ports/0/nodePort", 30_080.into());
                set_at(new, "/spec/healthCheckNodePort", 31_000.into());
            }),
            "conforms",
        ),
        case(
            "a cloud adds a namespace selector to a webhook",
            review_of_declared("validatingwebhookconfigurations", "ValidatingWebhookConfiguration")
                .by("aksService")
                .with_object(|new| {
                    let rule = json!({"key": "control-plane", "operator": "DoesNotExist"});
                    set_at(new, "/webhooks/0/namespaceSelector/matchExpressions/-", rule);
                }),
            "conforms",
        ),
        case("a kubelet writes its node", recorded_action("cordon").by("system:node:n1"), "exempt"),
        case("a kubelet deletes a Pod", recorded_action("delete-pod").by("system:node:n1"), "exempt"),
        case(
            "the volume binder fills in the volume",
            review_of_declared("persistentvolumeclaims", "PersistentVolumeClaim")
                .by("kube-system/persistent-volume-binder")
                .with_object(|new| set_at(new, "/spec/volumeName", "pvc-1".into())),
            "exempt",
        ),
        case(
            "a provisioner of another vendor does the same",
            review_of_declared("persistentvolumeclaims", "PersistentVolumeClaim")
                .by("ceph/csi-provisioner")
                .with_object(|new| {
                    set_at(new, "/spec/volumeName", "pvc-1".into());
                    set_at(new, "/spec/storageClassName", "ceph".into());
                    set_at(new, "/metadata/annotations", json!({"pv.kubernetes.io/bind-completed": "yes"}));
                }),
            "conforms",
        ),
        case(
            "a controller has the name of the control plane's own in a namespace of its own",
            review_of("deployments", "python-app-prod")
                .by("kruise/deployment-controller")
                .with_object(|new| set_at(new, "/metadata/annotations/kruise.io~1x", "y".into())),
            "conforms",
        ),
    ]);
}

#[test]
fn ca_bundles_and_rollout_selectors_may_be_filled_in() {
    let webhook = || review_of_declared("validatingwebhookconfigurations", "ValidatingWebhookConfiguration");
    let selected = || {
        review_of("services", "python-app-prod").with_object(|new| {
            set_at(new, "/spec/selector/rollouts-pod-template-hash", "6f64645d54".into());
        })
    };
    assert_allowed(vec![
        case(
            "a CA injector fills an empty bundle",
            webhook().by("cert-manager/cert-manager-cainjector").with_object(|new| {
                set_at(new, "/webhooks/0/clientConfig/caBundle", "LS0tCg==".into());
            }),
            "conforms",
        ),
        case(
            "a CA injector renews a bundle",
            webhook()
                .by("cert-manager/cert-manager-cainjector")
                .with_old_object(|old| set_at(old, "/webhooks/0/clientConfig/caBundle", "LS0tCg==".into()))
                .with_object(|new| set_at(new, "/webhooks/0/clientConfig/caBundle", "LS0tLQ==".into())),
            "conforms",
        )
        .preset("cert-manager"),
        case("Argo Rollouts points a Service at a hash", selected().by("argo-rollouts/argo-rollouts"), "conforms"),
        case("the same with its preset", selected().by("argo-rollouts/argo-rollouts"), "conforms")
            .preset("argo-rollouts"),
        case(
            "Argo Rollouts takes the hash away again",
            {
                let there = selected().0["request"]["object"].clone();
                review_of("services", "python-app-prod")
                    .by("argo-rollouts/argo-rollouts")
                    .with_old_object(|old| *old = there)
            },
            "conforms",
        ),
    ]);
}

#[test]
fn unknown_gitops_tools_may_write_what_git_declares() {
    let marks = |object: &mut Value| {
        set_at(object, "/metadata/labels/app.kubernetes.io~1instance", "shop".into());
        set_at(object, "/metadata/labels/app.kubernetes.io~1managed-by", "Helm".into());
        set_at(object, "/metadata/annotations/meta.helm.sh~1release-name", "shop".into());
        set_at(object, "/metadata/annotations/meta.helm.sh~1release-namespace", "prod".into());
        set_at(object, "/metadata/annotations/argocd.argoproj.io~1tracking-id", "shop:apps/Deployment:prod/x".into());
    };
    let application = || review_of_declared("applications", "Application").by("argocd/argocd-server");
    assert_allowed(vec![
        case(
            "a tenant's service account syncs what Git says",
            review_of("deployments", "python-app-prod")
                .by("prod/tenant")
                .with_old_object(|old| set_at(old, "/spec/replicas", 9.into()))
                .with_object(marks),
            "conforms",
        ),
        case(
            "it creates what Git says",
            review_of("deployments", "python-app-prod").by("prod/tenant").with_object(marks).into_create(),
            "conforms",
        ),
        case(
            "a tracking label of the tool's own replaces the chart's",
            front_deployment().by("prod/tenant").with_object(|new| {
                set_at(new, "/metadata/labels/app.kubernetes.io~1instance", "shop".into());
            }),
            "conforms",
        ),
        case(
            "Argo CD's server starts an operation for an Application in its namespace",
            application().with_object(|new| {
                set_at(new, "/operation", json!({"initiatedBy": {"username": "alice"}, "sync": {"revision": "main"}}));
            }),
            "runtime",
        ),
        case(
            "Argo CD's server asks for a refresh",
            application()
                .with_object(|new| set_at(new, "/metadata/annotations/argocd.argoproj.io~1refresh", "hard".into())),
            "conforms",
        ),
    ]);
}
